"""Merge partial results two by two, inside the pool, as soon as two are there.

The oldest two are merged first, so the merges form a tree whose depth is the logarithm of the
number of splits. The parent only passes partials on. Merging is commutative and associative, so
that the order in which splits happen to end cannot be seen in the result.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from mapreduce import counts
from mapreduce.partial import Partial, Reject
from mapreduce.split import Split


class MapPool(Protocol):
    """All that is needed of a pool; ``multiprocessing.Pool`` has it too."""

    def imap_unordered(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], /
    ) -> Iterator[Any]:
        """Yield ``func(task)`` for each task in any order."""


@dataclass(frozen=True, slots=True)
class Merge:
    """The task of merging two partials."""

    left: Partial
    right: Partial

    def __str__(self) -> str:
        return f"merging two partial results of {self.left.lines + self.right.lines} lines"


def map_reduce(
    pool: MapPool,
    map_split: Callable[[Split], Partial],
    splits: Iterable[Split],
    *,
    wanted: int,
    pack: bool,
    mapped: Callable[[Partial], object],
) -> Partial:
    """Map every split and merge all partials into one; keep the first ``wanted`` rejects.

    ``mapped`` is called with the partial of each split as it arrives. ``pack`` says that partials
    travel between processes.
    """
    ready: deque[Partial] = deque()
    step = partial(_step, map_split, wanted, pack)
    remaining = iter(splits)
    while True:
        for result in pool.imap_unordered(step, _tasks(ready, remaining)):
            ready.append(result)
            if result.splits == 1:
                mapped(result)
        if len(ready) < 2:
            return ready.pop() if ready else Partial(Counter())


def merge(left: Partial, right: Partial, wanted: int) -> Partial:
    """Return the sum of two partials with the first ``wanted`` rejects; uses up both."""
    return Partial(
        counts.merge(left.counts, right.counts),
        splits=left.splits + right.splits,
        size=left.size + right.size,
        lines=left.lines + right.lines,
        counted=left.counted + right.counted,
        skipped=left.skipped + right.skipped,
        malformed=left.malformed + right.malformed,
        rejects=tuple(sorted(left.rejects + right.rejects, key=_place)[:wanted]),
    )


def _place(reject: Reject) -> tuple[int, int]:
    return reject.source.index, reject.offset


def _tasks(ready: deque[Partial], splits: Iterator[Split]) -> Iterator[Split | Merge]:
    """Yield a merge whenever two partials are ready, else the next split."""
    while True:
        if len(ready) >= 2:
            yield Merge(ready.popleft(), ready.popleft())
        elif split := next(splits, None):
            yield split
        else:
            return


def _step(
    map_split: Callable[[Split], Partial], wanted: int, pack: bool, task: Split | Merge
) -> Partial:
    if isinstance(task, Split):
        result = map_split(task)
    else:
        result = merge(task.left, task.right, wanted)
    return replace(result, counts=counts.pack(result.counts)) if pack else result
