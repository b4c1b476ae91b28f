"""A job: count the lines with ERROR by host, and keep the length of the longest of them."""

from mapreduce import KeyCount, Largest, LineMapper


def keys(line: bytes) -> list[tuple[bytes, int]]:
    """Return the key of a line and its values; a line without a key is skipped."""
    host, _, rest = line.partition(b" ")
    return [(host, len(line))] if b" ERROR " in rest else []


def errors_by_host() -> KeyCount:
    """Count lines with ERROR by host, the first word of a line."""
    mapper = LineMapper(keys, measures=(Largest(),))
    return KeyCount(mapper, output="errors.csv", header=("Host", "Errors", "Longest"))
