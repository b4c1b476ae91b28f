"""Merge partial results two by two, inside the pool, as soon as two of one level are there.

So the merges form a tree whose depth is about the logarithm of the number of splits. The parent
only passes partials on. Merging is commutative and associative, so that the order in which splits
happen to end cannot be seen in the result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Protocol

from mapreduce.errors import LimitError
from mapreduce.outputs.rejects import Reject
from mapreduce.reducing.partial import Partial
from mapreduce.reducing.totals import EMPTY


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
    map_task: Callable[[Any], Partial],
    tasks: Iterable[Any],
    *,
    done: Iterable[Partial] = (),
    wanted: int,
    max_keys: int = sys.maxsize,
    mapped: Callable[[Partial], object],
) -> Partial:
    """Map every task and merge all partials into one; keep the first ``wanted`` rejects.

    A task is a split, or whatever ``map_task`` takes. ``done`` are partials that are there already.
    ``mapped`` is called with the partial of each task as it arrives. Raises
    ``LimitError`` for more than ``max_keys`` distinct keys.
    """
    ready = list(done)
    step = partial(_step, map_task, wanted, max_keys)
    remaining = iter(tasks)
    while True:
        for result in pool.imap_unordered(step, _tasks(ready, remaining)):
            ready.append(result)
            if result.level == 0:
                mapped(result)
        if len(ready) < 2:
            return ready.pop() if ready else Partial(EMPTY)


def merge(left: Partial, right: Partial, wanted: int) -> Partial:
    """Return the sum of two partials with the first ``wanted`` rejects; uses up both."""
    return Partial(
        left.totals + right.totals,
        splits=left.splits + right.splits,
        size=left.size + right.size,
        lines=left.lines + right.lines,
        counted=left.counted + right.counted,
        skipped=left.skipped + right.skipped,
        malformed=left.malformed + right.malformed,
        rejects=tuple(sorted(left.rejects + right.rejects, key=_place)[:wanted]),
        level=max(left.level, right.level) + 1,
    )


def _place(reject: Reject) -> tuple[int, int]:
    return reject.index, reject.offset


def _tasks(ready: list[Partial], remaining: Iterator[Any]) -> Iterator[Any]:
    """Yield a merge whenever two partials of one level are ready, else the next task.

    Merging whatever comes would add one split after the other to one ever larger partial, a chain
    and no tree. What is left when there are no more tasks is merged anyway.
    """
    while True:
        if pair := _pair(ready):
            yield Merge(*pair)
        elif task := next(remaining, None):
            yield task
        else:
            break
    while len(ready) >= 2:
        ready.sort(key=attrgetter("level"), reverse=True)
        yield Merge(ready.pop(), ready.pop())


def _pair(ready: list[Partial]) -> tuple[Partial, Partial] | None:
    """Take two partials of one level out of those that are ready, if there are two."""
    waiting: dict[int, Partial] = {}
    for part in ready:
        other = waiting.setdefault(part.level, part)
        if other is not part:
            ready[:] = [rest for rest in ready if rest is not part and rest is not other]
            return other, part
    return None


def _step(map_task: Callable[[Any], Partial], wanted: int, max_keys: int, task: Any) -> Partial:
    if isinstance(task, Merge):
        return _merge_within(task, wanted, max_keys)
    return map_task(task)


def _merge_within(task: Merge, wanted: int, max_keys: int) -> Partial:
    try:
        result = merge(task.left, task.right, wanted)
    except MemoryError as error:
        raise LimitError.of_memory(str(task)) from error
    if len(result.totals) > max_keys:
        raise LimitError.of_keys("all inputs together", max_keys)
    return result
