"""``run``: the straight line from the inputs to the results.

::

    paths ─inputs─▶ Source ─split─▶ Split ─pool/mapper─▶ Partial ─reduce─▶ Counter
          ─job.finish─▶ tables ─output─▶ files
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from mapreduce import kernel
from mapreduce.counts import unpack
from mapreduce.errors import ConservationError, MalformedError, UsageError
from mapreduce.inputs import Source, find_sources
from mapreduce.job import Job, Table
from mapreduce.mapper import BLOCK, cool, map_split
from mapreduce.output import check_targets, write_tables
from mapreduce.partial import Partial, Reject
from mapreduce.reduce import MapPool, map_reduce
from mapreduce.split import Split, Tick, find_splits
from mapreduce.stats import Clock, Stats

START_METHODS = (None, "fork", "forkserver", "spawn")
SHOWN = 10
"""Malformed lines that a run locates."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found: merged counts by key, the job's tables, the figures, the first rejects."""

    counts: Counter[bytes]
    tables: Sequence[Table]
    stats: Stats
    rejects: Sequence[Reject]
    written: Sequence[Path]


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
    processes = _processes(sources, usable_cpus() if workers is None else workers)
    directory = None if output is None else Path(output)
    _check_output(job, directory, sources)
    ledger = _Ledger()
    splits = ledger.record(
        find_splits(sources, workers=processes, split_size=split_size, tick=tick)
    )
    clock.lap("plan")
    with _crew(splits, processes, pool, start_method, tick) as crew:
        per_block, per_split = (tick, None) if crew.in_parent else (None, tick)
        count = partial(
            map_split, mapper=job.mapper, block_size=block_size, wanted=SHOWN, tick=per_block
        )
        arrived = partial(_arrived, clock, per_split)
        pack = not crew.in_parent
        merged = map_reduce(crew.pool, count, crew.splits, wanted=SHOWN, pack=pack, mapped=arrived)
    counts = unpack(merged.counts)
    clock.lap("reduce")
    ledger.check(merged, sources)
    if strict and merged.malformed:
        raise MalformedError(merged.malformed, merged.rejects)
    tables = job.finish(counts)
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


def _processes(sources: Iterable[Source], workers: int) -> int:
    """Return how many processes pay: one for a small input; how long a stream is shows later."""
    small = sum(source.size or kernel.PAYS_FROM for source in sources) < kernel.PAYS_FROM
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


class InParent:
    """The pool that is no pool: this process itself, for small inputs and for debugging."""

    def imap_unordered(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], /
    ) -> Iterator[Any]:
        return map(func, iterable)


@dataclass(frozen=True, slots=True)
class _Crew:
    """Who counts which splits."""

    pool: MapPool
    splits: Iterable[Split]
    workers: int
    in_parent: bool = False


@contextmanager
def _crew(
    splits: Iterator[Split],
    processes: int,
    pool: MapPool | None,
    start_method: str | None,
    tick: Tick,
) -> Iterator[_Crew]:
    """Choose who counts: the given pool, this process if the input is small, or a pool of ours."""
    if pool is not None:
        yield _Crew(pool, splits, processes)
        return
    head = [] if processes == 1 else _take(splits, kernel.PAYS_FROM)
    splits = chain(head, splits)
    if sum(split.size for split in head) < kernel.PAYS_FROM:
        try:
            yield _Crew(InParent(), splits, 1, in_parent=True)
        finally:
            cool()
        return
    from mapreduce.pool import Pool  # noqa: PLC0415 - multiprocessing costs a small run 15 ms

    with Pool(processes, start_method=start_method, tick=lambda: tick(0)) as own:
        yield _Crew(own, splits, processes)


def _take(splits: Iterator[Split], size: int) -> list[Split]:
    """Take splits until they have ``size`` bytes together."""
    taken = []
    while size > 0 and (split := next(splits, None)):
        taken.append(split)
        size -= split.size
    return taken
