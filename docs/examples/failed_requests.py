"""Count the requests of an access log that failed, by status."""

from mapreduce import KeyCount, LineMapper, Malformed


def failed_status(line: bytes) -> bytes | None:
    """Return the key of a line; a line without a key is skipped."""
    parts = line.split(b'"', 2)
    if len(parts) < 3:
        raise Malformed("there is no request in quotes")
    status = parts[2].split()[0]
    return status if status >= b"400" else None


def failed_requests() -> KeyCount:
    """Count the requests that failed with a status of 400 or more, by status."""
    return KeyCount(LineMapper(failed_status), output="failed.csv", header=("Status", "Count"))
