"""Count events in lines of JSON by service and status, and sum their milliseconds."""

from typing import Annotated

from mapreduce import KeyCount, json_lines


def slow_services(
    top: Annotated[int, "-n", "Write only this many rows."] = 3,
) -> KeyCount:
    """Count events by service and status, and sum the time that they took."""
    mapper = json_lines("service", "http.status", summed=("http.ms",))
    return KeyCount(mapper, output="services.csv", top=top)
