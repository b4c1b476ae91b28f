"""Who counts: this process, a pool of ours, or the caller's backend.

Starting processes must never cost more than it saves. A small input stays here. So does one with
ever new keys: to send those to and fro between processes takes longer than to count them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, Final

from mapreduce.backends.backend import Backend
from mapreduce.backends.this_process import ThisProcess
from mapreduce.kernel.pace import Pace
from mapreduce.mapping.task import MapSettings, cool, map_splits, map_task
from mapreduce.options import Options
from mapreduce.reducing.partial import Partial
from mapreduce.splits.split import Split, batches

HEAVY: Final = 0.25
"""Bytes of packed counts for each byte of a trial from which on a pool does not pay: two addresses
as a key have 0.34 and are counted by one process in half the time, ports and protocols 0.05."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who counts, how it counts a task, all tasks, and what has been counted already.

    A task of a pool is a split or a batch. In the parent there is one task of all splits.
    """

    backend: Backend
    count: Callable[[Any], Partial]
    tasks: Iterable[Any]
    workers: int
    in_parent: bool = False
    done: list[Partial] = field(default_factory=list)


@contextmanager
def gather(
    splits: Iterator[Split],
    processes: int,
    *,
    settings: MapSettings,
    pace: Pace,
    share: int,
    options: Options,
) -> Iterator[Crew]:
    """Yield who counts: the given backend, else this process if that is best, else a pool of ours.

    Whoever counts does so with these ``settings``. Splits are small if they cost less than
    ``share``; a task of a pool is a batch of them.
    """
    count = partial(map_task, settings=settings)
    if options.backend is not None:
        try:
            yield Crew(options.backend, count, batches(splits, share), processes)
        finally:
            cool()
        return
    head = [] if processes == 1 or not options.may_stay else _take(splits, pace.pays_from)
    small = options.may_stay and sum(split.cost for split in head) < pace.pays_from
    try:
        trial = count(head[0]) if not small and head and _can_be_tried(head[0], pace) else None
        if small or (trial and _is_heavy(trial)):
            here = partial(map_splits, settings=settings, tick=options.tick)
            yield Crew(ThisProcess(), here, [chain(head, splits)], 1, in_parent=True)
            return
    finally:
        cool()
    done = [trial] if trial else []
    options.tick(sum(part.size for part in done))
    tasks = batches(chain(head[len(done) :], splits), share)
    from mapreduce.backends.pool import Pool  # noqa: PLC0415 - multiprocessing costs a small run 15 ms

    with Pool(processes, start_method=options.start_method) as own:
        yield Crew(own, count, tasks, processes, done=done)


def _can_be_tried(split: Split, pace: Pace) -> bool:
    """Return whether a split is a trial: plain text, and not much more of it than that needs."""
    return split.size < 2 * pace.trial and split.source.format.is_plain


def _is_heavy(done: Partial) -> bool:
    """Return whether the counts are packed and large, compared with the lines that they are of."""
    return (done.totals.packed_size or 0) > HEAVY * done.size


def _take(splits: Iterator[Split], size: int) -> list[Split]:
    """Take splits until they cost ``size`` bytes together."""
    taken = []
    while size > 0 and (split := next(splits, None)):
        taken.append(split)
        size -= split.cost
    return taken
