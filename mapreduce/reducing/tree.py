"""Merge partial results two by two, in the backend, as soon as two of one level are there.

A partial result that a mapper has made is of level 0, a merged one is one level above the higher of
its two parts. So the merges form a tree whose depth is about the logarithm of the number of tasks.
The parent keeps handles and levels; it looks at nothing but the last result. Merging is commutative
and associative, so that the order in which tasks happen to finish cannot be seen in the result.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from mapreduce.backends.backend import Backend, Handle, progress_of
from mapreduce.errors import LimitError
from mapreduce.outputs.rejects import Reject
from mapreduce.reducing.partial import Partial
from mapreduce.reducing.totals import EMPTY

PATIENCE: Final = 0.1
"""Seconds between two looks at whether the run should stop."""

_END: Final = object()


@dataclass(slots=True)
class _Call:
    """A function, the level of its result, its arguments, and how much of its size is done."""

    function: Callable[..., Partial]
    level: int
    arguments: tuple[Any, ...]
    size: int = 0
    done: int = 0

    def advance(self, reported: int) -> int:
        """Note how much is done; return how much more that is than ever before."""
        further = max(0, min(reported, self.size) - self.done)
        self.done += further
        return further


@dataclass(frozen=True, slots=True)
class Merging:
    """Merges two partials; raises ``LimitError`` for more than ``max_keys`` distinct keys."""

    wanted: int
    max_keys: int

    def __str__(self) -> str:
        return "merging two partial results"

    def __call__(self, left: Partial, right: Partial) -> Partial:
        try:
            result = merge(left, right, self.wanted)
        except MemoryError as error:
            raise LimitError.of_memory(f"{self} of {left.lines + right.lines} lines") from error
        if len(result.totals) > self.max_keys:
            raise LimitError.of_keys("all inputs together", self.max_keys)
        return result


class _Ready:
    """The partial results, or handles of them, that are to be merged, by their levels."""

    def __init__(self, done: Iterable[Partial]) -> None:
        self._levels: defaultdict[int, list[Partial | Handle]] = defaultdict(list, {0: [*done]})

    def add(self, level: int, result: Handle) -> None:
        self._levels[level].append(result)

    def take_pair(self) -> tuple[int, tuple[Any, Any]] | None:
        """Take two results of one level; return them behind the level that they have merged."""
        for level, results in self._levels.items():
            if len(results) >= 2:
                return level + 1, (results.pop(), results.pop())
        return None

    def take_lowest_pair(self) -> tuple[int, tuple[Any, Any]] | None:
        """Take the results of the two lowest levels, if there are so many."""
        levels = sorted(level for level, results in self._levels.items() if results)
        if len(levels) < 2:
            return None
        low, high = levels[:2]
        return high + 1, (self._levels[low].pop(), self._levels[high].pop())

    def whole(self, backend: Backend) -> Partial:
        """Return the only result that is left, or an empty one if there never was any."""
        left = [result for results in self._levels.values() for result in results]
        if not left:
            return Partial(EMPTY)
        (whole,) = left
        return whole if isinstance(whole, Partial) else cast(Partial, backend.fetch(whole))


def map_reduce(
    backend: Backend,
    map_task: Callable[[Any], Partial],
    tasks: Iterable[Any],
    *,
    done: Iterable[Partial] = (),
    wanted: int,
    max_keys: int = sys.maxsize,
    mapped: Callable[[Any], object],
    size_of: Callable[[Any], int] = lambda _task: 0,
    tick: Callable[[int], object] = lambda _size: None,
) -> Partial:
    """Map every task and merge all partials into one; keep the first ``wanted`` rejects.

    A task is a split, or whatever ``map_task`` takes; it is taken from ``tasks`` only when the
    backend has room for it. ``done`` are partials that are there already. ``mapped`` is called with
    each task when it has been mapped. ``tick`` is called at least ten times a second, unless the
    backend works in this thread, with how much more of the tasks has been mapped: in the end all of
    ``size_of`` each task, whatever workers were lost. Both may raise to end the run. Raises
    ``LimitError`` for more than ``max_keys`` distinct keys.
    """
    merging = Merging(wanted, max_keys)
    ready, remaining, unfinished = _Ready(done), iter(tasks), dict[Handle, _Call]()
    progress = progress_of(backend)
    try:
        while True:
            while len(unfinished) < backend.capacity:
                call = _next_call(ready, remaining, map_task, size_of, merging)
                if call is None:
                    break
                unfinished[backend.submit(call.function, *call.arguments)] = call
            if not unfinished:
                return ready.whole(backend)
            tick(sum(call.advance(progress(handle)) for handle, call in unfinished.items()))
            for handle in backend.wait(PATIENCE):
                call = unfinished.pop(handle)
                ready.add(call.level, handle)
                if call.function is map_task:
                    mapped(*call.arguments)
                    tick(call.advance(call.size))
    finally:
        backend.cancel()


def _next_call(
    ready: _Ready,
    tasks: Iterator[Any],
    map_task: Callable[[Any], Partial],
    size_of: Callable[[Any], int],
    merging: Merging,
) -> _Call | None:
    """Return what can be done now, or ``None`` if that depends on what is unfinished.

    Two results of one level are merged before another task is begun. Merging whatever comes would
    add one task after the other to one ever larger partial, a chain and no tree. What is left when
    there are no more tasks is merged whatever its level.
    """
    if pair := ready.take_pair():
        return _Call(merging, *pair)
    if (task := next(tasks, _END)) is not _END:
        return _Call(map_task, 0, (task,), size_of(task))
    pair = ready.take_lowest_pair()
    return _Call(merging, *pair) if pair else None


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
        notes=left.notes | right.notes,
    )


def _place(reject: Reject) -> tuple[int, int]:
    return reject.index, reject.offset
