"""Count the requests of an access log by method and status, a block of lines at once."""

import re

from mapreduce import BlockMapper, KeyCount

REQUEST = re.compile(rb'^[^"\n]*"([A-Z]+) [^"\n]*" (\d{3}) ', re.MULTILINE)


def requests(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return a key for each line that is counted; the other lines are skipped."""
    return REQUEST.findall(block)


def statuses() -> KeyCount:
    """Count requests by method and status."""
    mapper = BlockMapper(requests, columns=2)
    return KeyCount(mapper, output="statuses.csv", header=("Method", "Status", "Count"))
