"""The summary of a run, in lines that are safe to print on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from mapreduce import kernel
from mapreduce.errors import printable
from mapreduce.result import Result


def summary(result: Result) -> Iterator[str]:
    """Yield the lines of the summary, with all control characters escaped."""
    stats = result.stats
    yield from malformed_lines(result.rejects, stats.malformed)
    for note in result.notes:
        yield f"note: {printable(note)}"
    missing = f", {kernel.MISSING}" if kernel.MISSING else ""
    kinds = ", ".join(f"{n:,} {printable(kind)}" for kind, n in stats.skipped_kinds.items())
    workers = "1 process" if stats.workers == 1 else f"{stats.workers} processes"
    yield (
        f"{stats.lines:,} lines in {stats.seconds['total']:.2f} s "
        f"({stats.mb_per_s:,.0f} MB/s, {workers}, {stats.kernel} kernel{missing}): "
        f"{stats.counted:,} counted, {stats.skipped:,} skipped{f' ({kinds})' if kinds else ''}, "
        f"{stats.malformed:,} malformed"
    )
    paths = [printable(str(path)) for path in result.written] or ["standard output"]
    for path, table in zip(paths, result.tables, strict=True):
        yield f"{path}: {table.note}"


def malformed_lines(rejects: Sequence[Any], malformed: int) -> Iterator[str]:
    """Yield a line for each reason: the first malformed line, and the number of others like it."""
    reasons = Counter(reject.reason for reject in rejects)
    told = set[str]()
    for reject in rejects:
        if reject.reason not in told:
            told.add(reject.reason)
            more = reasons[reject.reason] - 1
            yield f"malformed: {reject}{f' (and {more} more like this)' if more else ''}"
    if malformed > len(rejects):
        yield f"malformed: ... and {malformed - len(rejects):,} more lines"
