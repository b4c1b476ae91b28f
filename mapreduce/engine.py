"""``run``: the straight line from the inputs to the results.

::

    paths ─inputs─▶ Source ─split─▶ Split ─pool/mapper─▶ Partial ─reduce─▶ Counter
          ─job.finish─▶ tables ─output─▶ files
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import cast

from mapreduce import kernel
from mapreduce.counts import Counts, unpack
from mapreduce.crew import gather
from mapreduce.errors import ConservationError, MalformedError, UsageError
from mapreduce.inputs import Source, find_sources
from mapreduce.job import Job
from mapreduce.mapper import BLOCK
from mapreduce.output import check_targets, write_tables
from mapreduce.pace import Pace, pace_of
from mapreduce.partial import Partial, Reject
from mapreduce.reduce import MapPool, map_reduce
from mapreduce.split import Split, Tick, find_splits
from mapreduce.stats import Clock, Stats
from mapreduce.table import Table

START_METHODS = (None, "fork", "forkserver", "spawn")
SHOWN = 10
"""Malformed lines that a run locates."""


@dataclass(frozen=True)
class Result:
    """What a run found: merged counts by key, the job's tables, the figures, the first rejects."""

    merged: Counts
    tables: Sequence[Table]
    stats: Stats
    rejects: Sequence[Reject]
    written: Sequence[Path]

    @cached_property
    def counts(self) -> Counter[bytes]:
        """The merged counts as a Counter, made when it is first asked for."""
        return unpack(self.merged)


def run(
    job: Job,
    inputs: Iterable[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    strict: bool = False,
    progress: Tick | None = None,
    pool: MapPool | None = None,
    start_method: str | None = None,
    split_size: int | None = None,
    block_size: int = BLOCK,
) -> Result:
    """Count all inputs with a job and, if ``output`` names a directory, write its tables there.

    At most ``workers`` processes (default: the CPUs that this process may use) count splits of
    about ``split_size`` bytes (default: as suits the input) in blocks of ``block_size`` bytes; a
    small input is counted in this process. ``pool`` is used instead if given, and not closed.
    ``strict`` refuses malformed lines. ``progress`` is called with the bytes finished since its
    last call, at least ten times a second while a pool of our own works; what it raises ends the
    run.

    Raises ``UsageError`` before any work for what cannot work, and another ``MapReduceError`` if
    the run fails; then nothing has been written.
    """
    clock, tick = Clock(), progress or (lambda _size: None)
    _check_positive(workers=workers, split_size=split_size, block_size=block_size)
    if start_method not in START_METHODS:
        raise UsageError(f"start_method must be fork, forkserver or spawn, not {start_method!r}")
    sources = find_sources(inputs)
    pace = pace_of(job.mapper)
    processes = _processes(sources, usable_cpus() if workers is None else workers, pace)
    directory = None if output is None else Path(output)
    _check_output(job, directory, sources)
    ledger = _Ledger()
    splits = ledger.record(
        find_splits(sources, workers=processes, pace=pace, split_size=split_size, tick=tick)
    )
    clock.lap("plan")
    mapping = {"mapper": job.mapper, "block_size": block_size, "wanted": SHOWN}
    with gather(
        splits,
        processes,
        mapping=mapping,
        pace=pace,
        pool=pool,
        start_method=start_method,
        tick=tick,
    ) as crew:
        arrived = partial(_arrived, clock, None if crew.in_parent else tick)
        merged = map_reduce(
            crew.pool,
            crew.count,
            crew.tasks,
            done=crew.done,
            wanted=SHOWN,
            pack=not crew.in_parent,
            mapped=arrived,
        )
    counts = merged.counts if getattr(job, "takes_packed", False) else unpack(merged.counts)
    clock.lap("reduce")
    ledger.check(merged, sources)
    if strict and merged.malformed:
        raise MalformedError(merged.malformed, merged.rejects)
    tables = job.finish(cast(Counter[bytes], counts))
    clock.lap("finish")
    written = [] if directory is None else write_tables(tables, directory, check=lambda: tick(0))
    clock.lap("write")
    stats = _stats(
        merged, len(counts), inputs=len(sources), workers=crew.workers, seconds=clock.seconds()
    )
    return Result(counts, tables, stats, merged.rejects, written)


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_positive(**options: int | None) -> None:
    for name, value in options.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")


def _processes(sources: Iterable[Source], workers: int, pace: Pace) -> int:
    """Return how many processes pay: one for a small input; how long a stream is shows later."""
    small = sum(source.size or pace.pays_from for source in sources) < pace.pays_from
    return 1 if small else workers


def _check_output(job: Job, directory: Path | None, sources: Iterable[Source]) -> None:
    if directory is not None:
        inputs = [source.path for source in sources]
        check_targets((directory / name for name in job.outputs), [*inputs, *job.side_inputs])


def _arrived(clock: Clock, tick: Tick | None, result: Partial) -> None:
    clock.lap("map")
    if tick:
        tick(result.size)


class _Ledger:
    """What was handed out, to be compared with what came back."""

    def __init__(self) -> None:
        self._splits = self._files = self._size = 0

    def record(self, splits: Iterable[Split]) -> Iterator[Split]:
        for split in splits:
            self._splits += 1
            self._size += split.size
            self._files += 0 if split.source.size is None else split.size
            yield split

    def check(self, merged: Partial, sources: Iterable[Source]) -> None:
        """Raise unless every byte was counted once and every line is in one class."""
        classes = merged.counted + merged.skipped + merged.malformed
        files = sum(source.size or 0 for source in sources)
        handed_out = (self._splits, self._size, files)
        if merged.lines == classes and (merged.splits, merged.size, self._files) == handed_out:
            return
        raise ConservationError(
            f"{merged.lines} lines in {merged.size} of {self._size} bytes and {merged.splits} of "
            f"{self._splits} splits, but {merged.counted} counted + {merged.skipped} skipped + "
            f"{merged.malformed} malformed; nothing was written, please report this"
        )


def _stats(
    merged: Partial, keys: int, *, inputs: int, workers: int, seconds: dict[str, float]
) -> Stats:
    return Stats(
        inputs=inputs,
        bytes=merged.size,
        lines=merged.lines,
        counted=merged.counted,
        skipped=merged.skipped,
        malformed=merged.malformed,
        distinct_keys=keys,
        workers=workers,
        splits=merged.splits,
        kernel=kernel.NAME,
        seconds=seconds,
    )
