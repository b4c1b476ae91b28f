"""Merge partial results two by two, inside the pool, as soon as two of one size are there.

So the merges form a tree whose depth is about the logarithm of the number of splits. The parent
only passes partials on. Merging is commutative and associative, so
that the order in which splits happen to end cannot be seen in the result.
"""

from __future__ import annotations

from collections import Counter
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
    ready: list[Partial] = []
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


def _tasks(ready: list[Partial], splits: Iterator[Split]) -> Iterator[Split | Merge]:
    """Yield a merge whenever two partials of one size are ready, else the next split.

    Sizes are powers of two: merging whatever comes would add one split after the other to one
    ever larger partial, a chain and no tree. What is left when the splits are, is merged anyway.
    """
    while True:
        if pair := _pair(ready):
            yield Merge(*pair)
        elif split := next(splits, None):
            yield split
        else:
            break
    while len(ready) >= 2:
        ready.sort(key=_level, reverse=True)
        yield Merge(ready.pop(), ready.pop())


def _pair(ready: list[Partial]) -> tuple[Partial, Partial] | None:
    """Take two partials of one level out of those that are ready, if there are two."""
    waiting: dict[int, Partial] = {}
    for part in ready:
        other = waiting.setdefault(_level(part), part)
        if other is not part:
            ready[:] = [rest for rest in ready if rest is not part and rest is not other]
            return other, part
    return None


def _level(part: Partial) -> int:
    return part.splits.bit_length()


def _step(
    map_split: Callable[[Split], Partial], wanted: int, pack: bool, task: Split | Merge
) -> Partial:
    if isinstance(task, Split):
        result = map_split(task)
    else:
        result = merge(task.left, task.right, wanted)
    return replace(result, counts=counts.pack(result.counts)) if pack else result
