"""A job as a user writes it: requests by path and status, found by a Python function of a line.

    mapreduce run benchmarks/line_job.py access.log

`pool_script.py` counts with the same function.
"""

import mapreduce  # not its names: the script, too, imports this file, and needs none of them


def path_and_status(line: bytes) -> bytes | None:
    """Return "PATH STATUS" of a line of an access log, the path without its query."""
    _, request, rest = line.split(b'"', 2)
    words = request.split(b" ", 2)
    return words[1].partition(b"?")[0] + rest[:4] if len(words) > 1 else None


def line_job() -> "mapreduce.KeyCount":
    """Count requests by path and status."""
    mapper = mapreduce.LineMapper(path_and_status)
    return mapreduce.KeyCount(mapper, output="counts.csv", header=("Request", "Count"))
