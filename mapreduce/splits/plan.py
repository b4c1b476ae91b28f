"""Plan a run: cut the sources into tasks, and decide how many processes count them.

Starting processes must never cost more than it saves. So this process counts a small input itself,
and also an input in which nearly every line has a new key: sending these keys between processes
takes longer than counting them. The length of a stream is known only when it has been read, and the
number of keys only after a trial, so ``adjust_plan`` changes the plan in a second step.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mapreduce.backends.backend import Backend, adapt_backend, can_start_processes
from mapreduce.errors import MapReduceError, TaskError, UsageError, named
from mapreduce.splits.choice import choose_mappers
from mapreduce.splits.ledger import Ledger
from mapreduce.splits.split import SMALLEST_SPLIT, Batch, Split, batches, find_splits

if TYPE_CHECKING:
    from mapreduce.inputs.sources import Source
    from mapreduce.job import Job
    from mapreduce.kernel.pace import Pace
    from mapreduce.mapping.mapper import Mapper
    from mapreduce.options import Options, Tick
    from mapreduce.reducing.partial import Partial

MOST_PACKED: Final = 0.25
"""If a trial yields more bytes of packed counts than this for each byte of input, one process is
faster than several. A key of two addresses yields 0.34, and one process takes half the time; a key
of port and protocol yields 0.05 (benchmarks/NOTES.md)."""
TASKS_PER_WORKER: Final = 16
"""Batches of small inputs: about so many for each worker, because each task costs a partial."""

Task = Split | Batch
Count = Callable[[Any], "Partial"]


class Plan(NamedTuple):
    """The decisions for a run: its splits, how they are batched, and which processes count them.

    ``splits`` are cut when they are taken. At most ``workers`` processes count.
    ``may_count_here`` says that this process may count a small input itself, ``needs_workers`` that
    it must not count anything itself. ``reason`` explains the number of workers. ``done`` are
    partial results of a trial.
    """

    sources: Sequence[Source]
    splits: Iterator[Split]
    pace: Pace
    workers: int
    may_count_here: bool
    needs_workers: bool
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
        """Whether this process itself counts everything.

        It does not if the caller has given a backend. Nor does it if a source is in S3, because a
        signal cannot interrupt a process that waits for a server, unless the run is inline.
        """
        return self.workers == 1 and self.backend is None and not self.needs_workers

    @property
    def tasks(self) -> Iterator[Task]:
        """The tasks: large splits alone, and batches of small ones."""
        return batches(self.splits, self.batch_cost)


def make_plan(sources: Sequence[Source], job: Job, options: Options) -> Plan:
    """Plan a run by the sizes and first lines of its sources.

    Raises ``UsageError`` if the run cannot work.
    """
    pace = pace_of(job.mapper)
    remote = any(source.store.has_threads for source in sources)
    if remote and options.start_method == "fork" and not options.inline:
        method = named("start_method", "fork")
        raise UsageError(f"{method} cannot be used with s3://, whose client starts threads")
    backend = None if options.backend is None else adapt_backend(options.backend)
    _check_local_files(sources, options, backend)
    sources = choose_mappers(sources, partial(_mapper_for, job), options.tick)
    costs = [source.cost for source in sources]
    cost = sum(pace.parallel_threshold if one is None else one for one in costs)
    small = cost < pace.parallel_threshold and not remote and options.backend is None
    alone, ledger = small or options.inline, Ledger()
    stuck = None if alone or backend else _why_one_process(job, options, remote=remote)
    workers = 1 if alone or stuck else _most_workers(options, backend)
    share = cost // (TASKS_PER_WORKER * workers)
    return Plan(
        sources,
        ledger.record(_cut(sources, job, options, workers)),
        pace,
        workers,
        may_count_here=not remote and backend is None,
        needs_workers=remote and not options.inline,
        batch_cost=1 if options.split_size else max(SMALLEST_SPLIT, share),
        reason=_reason(small, stuck, workers, options),
        notes=(f"counted in one process: {stuck}",) if stuck else (),
        tick=options.tick,
        ledger=ledger,
        backend=backend,
        start_method=options.start_method or ("forkserver" if remote else None),
    )


def pace_of(mapper: Mapper) -> Pace:
    """Return the pace of a mapper. Tests replace this function."""
    return mapper.pace


def _check_local_files(
    sources: Sequence[Source], options: Options, backend: Backend | None
) -> None:
    """Raise ``UsageError`` if a source is a file that the workers of the backend cannot open."""
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
    from mapreduce.backends.cpus import usable_cpus  # noqa: PLC0415 - a small input needs one CPU

    return usable_cpus() if options.workers is None else options.workers


def _why_one_process(job: Job, options: Options, *, remote: bool) -> str | None:
    """Return why only this process can count, or ``None`` if other processes can.

    Raises ``UsageError`` if a source is in S3: only other processes may read it (see
    ``Plan.in_this_process``).
    """
    from mapreduce.backends.sending import why_not_sendable  # noqa: PLC0415 - for large inputs

    forked = sys.platform == "linux" and options.start_method in {None, "fork"} and not remote
    forked = forked and threading.active_count() == 1
    daemon = "this process is a daemon, which may not start processes"
    stuck = why_not_sendable(job.mapper, forked=forked) if can_start_processes() else daemon
    if stuck and remote:
        raise UsageError(f"only other processes can read objects in S3, but {stuck}")
    return stuck


def _reason(small: bool, stuck: str | None, workers: int, options: Options) -> str:
    if options.backend is not None:
        return "the caller's backend counts"
    if options.inline:
        return "the run is inline, so that print and breakpoint() work in the job's code"
    if small:
        return "the input is small: starting processes would cost more than it saves"
    if stuck:
        return stuck
    if workers == 1:
        return "only one process may be used"
    return "the input is large enough for all usable processes"


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
    """Let the job choose the mapper of a source. Raises ``TaskError`` for a fault of the job."""
    try:
        return job.mapper_for(name, line)
    except MapReduceError:
        raise
    except (Exception, SystemExit) as error:
        raise TaskError.of(name, error) from error


def adjust_plan(plan: Plan, count: Count) -> Plan:
    """Return the plan with fewer workers, if the data shows that more would not be faster.

    That is so if a stream ends early, or if nearly every line of a trial has a new key. ``count``
    counts the trial; the plan that is returned has the result in ``done``.
    """
    if plan.workers == 1 or not plan.may_count_here:
        return plan
    head = _take(plan.splits, plan.pace.parallel_threshold)
    rest = chain(head, plan.splits)
    if sum(split.cost for split in head) < plan.pace.parallel_threshold:
        return plan._replace(splits=rest, workers=1, reason="the input turned out to be small")
    if not _is_trial(head[0], plan.pace):
        return plan._replace(splits=rest)
    trial = count(head[0])
    plan.tick(trial.size)
    plan = plan._replace(splits=chain(head[1:], plan.splits), done=(trial,))
    if (trial.totals.packed_size or 0) <= MOST_PACKED * trial.size:
        return plan
    reason = "nearly every line has a new key: sending the keys between processes would take longer"
    return plan._replace(workers=1, reason=reason)


def _take(splits: Iterator[Split], cost: int) -> list[Split]:
    """Take splits until together they cost as much as ``cost`` bytes of plain text."""
    taken = []
    while cost > 0 and (split := next(splits, None)):
        taken.append(split)
        cost -= split.cost
    return taken


def _is_trial(split: Split, pace: Pace) -> bool:
    """Return whether a split is plain text and not much larger than a trial needs to be."""
    return split.size < 2 * pace.trial and split.source.format.is_plain
