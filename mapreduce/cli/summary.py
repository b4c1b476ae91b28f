"""What a person reads of a run: the lines of its summary, fit for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce import kernel
from mapreduce.engine import Result
from mapreduce.errors import printable


def summary(result: Result) -> Iterator[str]:
    """Yield the lines of the summary, nothing in them that could steer a terminal."""
    stats = result.stats
    for reject in result.rejects:
        yield f"malformed: {reject}"
    if stats.malformed > len(result.rejects):
        yield f"malformed: ... and {stats.malformed - len(result.rejects):,} more lines"
    for note in result.notes:
        yield f"note: {note}"
    missing = f", {kernel.MISSING}" if kernel.MISSING else ""
    workers = "1 process" if stats.workers == 1 else f"{stats.workers} processes"
    yield (
        f"{stats.lines:,} lines in {stats.seconds['total']:.2f} s "
        f"({stats.mb_per_s:,.0f} MB/s, {workers}, {stats.kernel} kernel{missing}): "
        f"{stats.counted:,} counted, {stats.skipped:,} skipped, {stats.malformed:,} malformed"
    )
    paths = [printable(str(path)) for path in result.written] or ["standard output"]
    for path, table in zip(paths, result.tables, strict=True):
        yield f"{path}: {table.note}"
