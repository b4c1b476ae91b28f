"""Plan a run: into which tasks the sources are cut, and how many processes count them.

This is the one place that decides it. Starting processes must never cost more than it saves, so a
small input stays in this process. So does one with ever new keys: to send those to and fro between
processes takes longer than to count them. How long a stream is shows only while it is read, and
whether the keys are ever new only in a trial; that is why a plan is settled in a second step.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from mapreduce.backends.backend import Backend, adapt_backend, can_start_processes
from mapreduce.backends.cpus import usable_cpus
from mapreduce.backends.travel import why_stuck
from mapreduce.errors import MapReduceError, TaskError, UsageError, named
from mapreduce.splits.fitting import fit_sources
from mapreduce.splits.ledger import Ledger
from mapreduce.splits.split import SMALLEST, Batch, Split, batches, find_splits

if TYPE_CHECKING:
    from mapreduce.inputs.sources import Source
    from mapreduce.job import Job
    from mapreduce.kernel.pace import Pace
    from mapreduce.mapping.mapper import Mapper
    from mapreduce.options import Options, Tick
    from mapreduce.reducing.partial import Partial

HEAVY: Final = 0.25
"""Bytes of packed counts for each byte of a trial from which on several processes do not pay: two
addresses as a key have 0.34 and are counted by one process in half the time, ports and protocols
0.05 (benchmarks/NOTES.md)."""
TASKS_PER_WORKER: Final = 16
"""A batch of small inputs is at least this part of a worker's share: each task costs a partial."""

Task = Split | Batch
Count = Callable[[Any], "Partial"]


@dataclass(frozen=True)
class Plan:
    """What is going to be done: the sources as splits, how they are batched, and who counts.

    ``splits`` are cut when they are taken. ``workers`` processes count at most. ``may_stay`` says
    that this process counts a small input, and ``needs_others`` that it counts nothing. ``reason``
    says in words why.
    """

    sources: Sequence[Source]
    splits: Iterator[Split]
    pace: Pace
    workers: int
    may_stay: bool
    needs_others: bool
    batch_cost: int
    reason: str
    tick: Tick
    ledger: Ledger
    backend: Backend | None = None
    start_method: str | None = None
    done: tuple[Partial, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def in_this_process(self) -> bool:
        """Whether this process counts: not what the caller's backend counts, and no objects in S3.

        A signal cannot stop a process that waits for a server.
        """
        return self.workers == 1 and self.backend is None and not self.needs_others

    @property
    def tasks(self) -> Iterator[Task]:
        """The splits, small ones several in one task."""
        return batches(self.splits, self.batch_cost)


def make_plan(sources: Sequence[Source], job: Job, options: Options) -> Plan:
    """Decide what the sources decide by their sizes and first lines.

    Raises ``UsageError`` for what cannot work.
    """
    pace = pace_of(job.mapper)
    remote = any(source.store.has_threads for source in sources)
    if remote and options.start_method == "fork":
        method = named("start_method", "fork")
        raise UsageError(f"{method} cannot be used with s3://: the client has threads")
    backend = None if options.backend is None else adapt_backend(options.backend)
    _check_reach(sources, options, backend)
    sources = fit_sources(sources, partial(_mapper_for, job), options.tick)
    stuck = None if backend else _why_one_process(job, options, remote=remote)
    most = 1 if stuck else _most_workers(options, backend)
    costs = [source.cost for source in sources]
    cost = sum(pace.parallel_threshold if one is None else one for one in costs)
    small = cost < pace.parallel_threshold and not remote and options.backend is None
    workers, ledger = 1 if small else most, Ledger()
    return Plan(
        sources,
        ledger.record(_cut(sources, job, options, workers)),
        pace,
        workers,
        may_stay=not remote and backend is None,
        needs_others=remote,
        batch_cost=1 if options.split_size else max(SMALLEST, cost // (TASKS_PER_WORKER * workers)),
        reason=_reason(small, stuck, most, options),
        notes=() if small or not stuck else (f"counted in one process: {stuck}",),
        tick=options.tick,
        ledger=ledger,
        backend=backend,
        start_method=options.start_method or ("forkserver" if remote else None),
    )


def pace_of(mapper: Mapper) -> Pace:
    """Return how fast a mapper says that it counts."""
    return mapper.pace


def _check_reach(sources: Sequence[Source], options: Options, backend: Backend | None) -> None:
    """Raise ``UsageError`` for files that the workers of a backend cannot open."""
    if backend is None or backend.sees_local_files:
        return
    local = [source.name for source in sources if source.is_local and source.size]
    if local or options.rejects is not None:
        raise UsageError(
            f"{local[0] if local else options.rejects}: the workers of this backend do not see the "
            "files of this machine; use s3:// and no rejects, or another backend"
        )


def _most_workers(options: Options, backend: Backend | None) -> int:
    if backend is not None:
        return backend.workers
    if not can_start_processes():
        return 1
    return usable_cpus() if options.workers is None else options.workers


def _why_one_process(job: Job, options: Options, *, remote: bool) -> str | None:
    """Return why no other process can count, or ``None`` if one can.

    Raises ``UsageError`` if only other processes could: those read S3 (see ``Store.has_threads``).
    """
    forked = sys.platform == "linux" and options.start_method in {None, "fork"} and not remote
    forked = forked and threading.active_count() == 1
    stuck = "this process is a daemon, which may have no children" if _is_daemon() else None
    stuck = stuck or why_stuck(job.mapper, forked=forked)
    if stuck and remote:
        raise UsageError(f"objects in S3 are read by other processes, but {stuck}")
    return stuck


def _is_daemon() -> bool:
    """Return whether this process is a worker of somebody's Pool, of Celery and the like."""
    process = sys.modules.get("multiprocessing.process")  # else nobody has started this process
    return process is not None and process.current_process().daemon


def _reason(small: bool, stuck: str | None, most: int, options: Options) -> str:
    if options.backend is not None:
        return "the caller's backend counts"
    if small:
        return "the input is small: to start processes would cost more than it saves"
    if stuck:
        return stuck
    if most == 1:
        return "one process may be used"
    return "the input is large enough for all processes that may be used"


def _cut(sources: Sequence[Source], job: Job, options: Options, workers: int) -> Iterator[Split]:
    return find_splits(
        sources,
        workers=workers,
        pace=pace_of(job.mapper),
        split_size=options.split_size,
        max_line=options.max_line,
        mapper_for=partial(_mapper_for, job),
        tick=options.tick,
    )


def _mapper_for(job: Job, name: str, line: bytes) -> Mapper:
    """Let the job choose the mapper of a source; blame what it raises on the job."""
    try:
        return job.mapper_for(name, line)
    except MapReduceError:
        raise
    except (Exception, SystemExit) as error:
        raise TaskError.of(name, error) from error


def settle(plan: Plan, count: Count) -> Plan:
    """Decide what only the data can tell: how long a stream is, and whether keys are ever new.

    ``count`` counts the trial; its result is in ``done`` of the plan that is returned.
    """
    if plan.workers == 1 or not plan.may_stay:
        return plan
    head = _take(plan.splits, plan.pace.parallel_threshold)
    rest = chain(head, plan.splits)
    if sum(split.cost for split in head) < plan.pace.parallel_threshold:
        return replace(plan, splits=rest, workers=1, reason="the input turned out to be small")
    if not _is_trial(head[0], plan.pace):
        return replace(plan, splits=rest)
    trial = count(head[0])
    plan.tick(trial.size)
    plan = replace(plan, splits=chain(head[1:], plan.splits), done=(trial,))
    if (trial.totals.packed_size or 0) <= HEAVY * trial.size:
        return plan
    reason = "nearly every line has a new key: to send them around would cost more than it saves"
    return replace(plan, workers=1, reason=reason)


def _take(splits: Iterator[Split], cost: int) -> list[Split]:
    """Take splits until they cost as much as ``cost`` bytes of plain text together."""
    taken = []
    while cost > 0 and (split := next(splits, None)):
        taken.append(split)
        cost -= split.cost
    return taken


def _is_trial(split: Split, pace: Pace) -> bool:
    """Return whether a split is plain text and not much larger than a trial needs to be."""
    return split.size < 2 * pace.trial and split.source.format.is_plain
