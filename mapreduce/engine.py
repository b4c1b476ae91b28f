"""``run``: the straight line from the inputs to the results.

::

    paths ─inputs─▶ Source ─split─▶ Split ─crew/mapper─▶ Partial ─reduce─▶ counts
          ─job.finish─▶ tables ─targets─▶ files
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapreduce import kernel
from mapreduce.backends.backend import Backend, backend_of
from mapreduce.errors import ConservationError, MalformedError, UsageError
from mapreduce.formats.stream import MAX_LINE, Tick
from mapreduce.inputs.local import Files
from mapreduce.inputs.sources import Inputs, Source, Sources, find_sources, growth
from mapreduce.job import Job
from mapreduce.kernel.pace import pace_of
from mapreduce.mapping.task import BLOCK, MAX_KEYS, MapSettings
from mapreduce.options import Options, no_progress
from mapreduce.outputs.manifest import own_outputs
from mapreduce.outputs.rejects import Budget, Reject, Spool
from mapreduce.outputs.stats import Clock, Stats
from mapreduce.outputs.table import Table
from mapreduce.outputs.targets import Targets, check_names, check_tables
from mapreduce.reducing.partial import Partial
from mapreduce.reducing.totals import Totals
from mapreduce.reducing.tree import map_reduce
from mapreduce.splits.crew import gather
from mapreduce.splits.split import SMALLEST, Batch, Split, find_splits

if TYPE_CHECKING:
    from multiprocessing.pool import Pool

SHOWN = 10
"""Malformed lines that a run locates."""


@dataclass(frozen=True)
class Result:
    """What a run found: totals by key, the job's tables, the figures, the first rejects.

    ``written`` are the files of the tables; ``notes`` is what one should know besides.
    """

    totals: Totals
    tables: Sequence[Table]
    stats: Stats
    rejects: Sequence[Reject]
    written: Sequence[Path]
    notes: Sequence[str] = ()

    @cached_property
    def counts(self) -> Counter[bytes]:
        """The lines of each key, made when they are first asked for."""
        return self.totals.counts


def run(
    job: Job,
    inputs: Inputs,
    *,
    output: str | os.PathLike[str] | None = None,
    rejects: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    strict: bool = False,
    max_malformed: int | str | None = None,
    max_line: int = MAX_LINE,
    max_keys: int = MAX_KEYS,
    excel_safe: bool = False,
    progress: Tick | None = None,
    backend: Backend | Pool | None = None,
    start_method: str | None = None,
    split_size: int | None = None,
    block_size: int = BLOCK,
) -> Result:
    """Count all inputs with a job and, if ``output`` names a directory, write its tables there.

    ``inputs`` is a name (see ``inputs.names.expand``) or several, or what was found of them before.
    At most ``workers`` processes (default: the CPUs that this process may use) count splits of
    about ``split_size`` bytes (default: as suits the input) in blocks of ``block_size`` bytes; a
    small input is counted in this process. ``backend`` is used instead if given, and not closed:
    one of ours (see ``mapreduce.backends``), your own, or a ``multiprocessing.Pool``.
    ``max_malformed`` lines, or ``"P%"`` of all, may be malformed (default: any; ``strict``: none);
    all of them are written to ``rejects``, as CSV or, by its suffix, JSON lines. A line of more
    than ``max_line`` bytes and more than ``max_keys`` distinct keys end the run. ``excel_safe``
    puts an apostrophe before text that a spreadsheet would take for a formula. ``progress`` is
    called with the bytes finished since its last call, at least ten times a second while workers
    are waited for; what it raises ends the run.

    Raises ``UsageError`` before any work for what cannot work, and another ``MapReduceError`` if
    the run fails; then nothing has been written, but for the ``rejects`` if there are too many.
    """
    options = Options(
        workers=workers,
        budget=_budget(strict, max_malformed),
        max_line=max_line,
        max_keys=max_keys,
        excel_safe=excel_safe,
        tick=progress or no_progress,
        backend=None if backend is None else backend_of(backend),
        start_method=start_method,
        split_size=split_size,
        block_size=block_size,
        may_stay=backend is None,
    )
    targets = Targets(_path(output), _path(rejects), excel_safe)
    return _run(job, inputs, targets, options)


def find_inputs(job: Job, inputs: Inputs, output: Path | None, *others: Path | None) -> Sources:
    """Find the inputs of a job, but for its own files, as far as the user does not name them.

    These are the ``output`` directory's tables, and ``others`` that the run writes.
    """
    check_names(job.outputs)
    tables = [] if output is None else [output / name for name in job.outputs]
    own = [*job.side_inputs, *own_outputs(output, *tables, *others)]
    return find_sources(inputs, job.selector, without=own)


def _run(job: Job, inputs: Inputs, targets: Targets, options: Options) -> Result:
    clock = Clock()
    sources = find_inputs(job, inputs, targets.directory, targets.rejects)
    if any(source.store.has_threads for source in sources):
        options = options.for_objects()
    _check_reach(sources, targets, options.backend)
    paths = [source.path for source in sources]
    targets.check(job.outputs, [*paths, *job.side_inputs])
    with targets.spool() as spool:
        merged, workers = _count(job, sources, options, spool, clock)
        if options.budget and not options.budget.holds(merged.malformed, merged.lines):
            malformed = merged.malformed
            targets.write_rejects(spool, malformed=malformed, check=lambda: options.tick(0))
            raise _too_many(merged, options.budget, targets)
        totals = merged.totals.settled()
        clock.lap("reduce")
        tables = job.finish(totals)
        check_tables(tables, job.outputs)
        clock.lap("finish")
        saved = targets.write(
            tables,
            spool,
            malformed=merged.malformed,
            describe=lambda: _described(job, sources, merged),
            inputs=paths,
            side_inputs=job.side_inputs,
            check=lambda: options.tick(0),
        )
    clock.lap("write")
    stats = _stats(
        merged, len(totals), inputs=len(sources), workers=workers, seconds=clock.seconds()
    )
    notes = [*sources.notes, *growth(sources), *saved.notes]
    return Result(totals, tables, stats, merged.rejects, saved.paths, notes)


def _count(
    job: Job, sources: Sequence[Source], options: Options, spool: Spool | None, clock: Clock
) -> tuple[Partial, int]:
    """Map and reduce; return the merged partial, which is whole, and by how many processes."""
    pace, ledger = pace_of(job.mapper), _Ledger()
    costs = [source.cost for source in sources]
    cost = sum(pace.pays_from if one is None else one for one in costs)
    small = options.may_stay and cost < pace.pays_from  # a stream's length shows later
    processes = 1 if small else options.processes
    share = 1 if options.split_size else max(SMALLEST, cost // (16 * processes))
    splits = _splits(job, sources, processes, options)
    settings = MapSettings(
        job.mapper,
        options.block_size,
        SHOWN,
        options.max_line,
        options.max_keys,
        spool,
        run=os.urandom(8).hex(),
    )
    clock.lap("plan")
    recorded = ledger.record(splits)
    with gather(
        recorded, processes, settings=settings, pace=pace, share=share, options=options
    ) as crew:
        arrived = partial(_arrived, clock, None if crew.in_parent else options.tick)
        merged = map_reduce(
            crew.backend,
            crew.count,
            crew.tasks,
            done=crew.done,
            wanted=SHOWN,
            max_keys=options.max_keys,
            mapped=arrived,
            tick=lambda: options.tick(0),
        )
    clock.lap("reduce")
    ledger.check(merged, sources)
    return merged, crew.workers


def _splits(
    job: Job, sources: Sequence[Source], processes: int, options: Options
) -> Iterator[Split]:
    return find_splits(
        sources,
        workers=processes,
        pace=pace_of(job.mapper),
        split_size=options.split_size,
        max_line=options.max_line,
        mapper_for=job.mapper_for,
        tick=options.tick,
    )


def _check_reach(sources: Iterable[Source], targets: Targets, backend: Backend | None) -> None:
    """Raise ``UsageError`` for files that the workers of a backend cannot open."""
    if backend is None or backend.sees_local_files:
        return
    local = [source.name for source in sources if isinstance(source.store, Files) and source.size]
    local += [] if targets.rejects is None else [str(targets.rejects)]
    if local:
        raise UsageError(
            f"{local[0]}: the workers of this backend do not see the files of this machine; "
            "use s3:// and no rejects, or another backend"
        )


def _path(name: str | os.PathLike[str] | None) -> Path | None:
    return None if name is None else Path(name)


def _budget(strict: bool, max_malformed: int | str | None) -> Budget | None:
    if strict and max_malformed is not None:
        raise UsageError("--strict is --max-malformed 0; name one of them")
    if strict:
        return Budget("--strict", number=0)
    return None if max_malformed is None else Budget.of(max_malformed)


def _too_many(merged: Partial, budget: Budget, targets: Targets) -> MalformedError:
    written = "nothing" if targets.rejects is None else f"nothing but {targets.rejects}"
    return MalformedError(merged.malformed, merged.lines, budget.text, merged.rejects, written)


def _arrived(clock: Clock, tick: Tick | None, task: Split | Batch) -> None:
    clock.lap("map")
    if tick:
        tick(sum(split.size for split in task.splits))


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
        files = sum(source.size - source.start for source in sources if source.size is not None)
        handed_out = (self._splits, self._size, files)
        if merged.lines == classes and (merged.splits, merged.size, self._files) == handed_out:
            return
        raise ConservationError(
            f"{merged.lines} lines in {merged.size} of {self._size} bytes and {merged.splits} of "
            f"{self._splits} splits, but {merged.counted} counted + {merged.skipped} skipped + "
            f"{merged.malformed} malformed; nothing was written, please report this"
        )


def _described(job: Job, sources: Sequence[Source], merged: Partial) -> dict[str, Any]:
    """Return what the manifest says of the job, its inputs and what became of their lines."""
    from mapreduce import __version__  # noqa: PLC0415 - which imports this module

    return {
        "version": __version__,
        "job": type(job).__qualname__,
        "options": dict(getattr(job, "described", {})),
        "lines": merged.lines,
        "counted": merged.counted,
        "skipped": merged.skipped,
        "malformed": merged.malformed,
        "inputs": [
            {"path": source.path, "bytes": source.size, "mtime_ns": source.mtime or None}
            for source in sources
        ],
    }


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
