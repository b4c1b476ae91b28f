"""Merge partial results in pairs, in the backend, as soon as two of the same level exist.

The partial result of a task has level 0. A merged result is one level above the higher of its two
parts. So the merges form a tree whose depth is about the logarithm of the number of tasks. The
parent keeps handles and levels, and fetches only the last result. Merging is commutative and
associative, so the order in which tasks finish does not change the result.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from mapreduce.backends.backend import Backend, Handle, progress_of
from mapreduce.errors import LimitError
from mapreduce.reducing.partial import Partial, add_kinds
from mapreduce.reducing.totals import EMPTY

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Reject

TICK_SECONDS: Final = 0.1
"""Seconds between two ticks at most."""

_END: Final = object()


class _Call:
    """A call, the level of its result, and how much of its ``size`` is ``done``."""

    def __init__(
        self,
        function: Callable[..., Partial],
        level: int,
        arguments: tuple[Any, ...],
        size: int = 0,
    ) -> None:
        self.function, self.level, self.arguments = function, level, arguments
        self.size, self.done = size, 0

    def advance(self, reported: int) -> int:
        """Update ``done`` to the reported progress; return the increase, at least 0."""
        further = max(0, min(reported, self.size) - self.done)
        self.done += further
        return further


class Merging:
    """Merges two partials. Raises ``LimitError`` for more than ``max_keys`` distinct keys."""

    def __init__(self, wanted: int, max_keys: int) -> None:
        self.wanted, self.max_keys = wanted, max_keys

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
    """The partial results that wait to be merged, or their handles, by level."""

    def __init__(self, done: Iterable[Partial]) -> None:
        self._levels: defaultdict[int, list[Partial | Handle]] = defaultdict(list, {0: [*done]})

    def add(self, level: int, result: Handle) -> None:
        self._levels[level].append(result)

    def take_pair(self) -> tuple[int, tuple[Any, Any]] | None:
        """Remove two results of one level; return the level of their merged result, and the two."""
        for level, results in self._levels.items():
            if len(results) >= 2:
                return level + 1, (results.pop(), results.pop())
        return None

    def take_lowest_pair(self) -> tuple[int, tuple[Any, Any]] | None:
        """Remove the two results of the lowest levels, if there are two; see ``take_pair``."""
        levels = sorted(level for level, results in self._levels.items() if results)
        if len(levels) < 2:
            return None
        low, high = levels[:2]
        return high + 1, (self._levels[low].pop(), self._levels[high].pop())

    def result(self, backend: Backend) -> Partial:
        """Return the only result that is left, or an empty one if there were no tasks."""
        left = [result for results in self._levels.values() for result in results]
        if not left:
            return Partial(EMPTY)
        (last,) = left
        return last if isinstance(last, Partial) else cast(Partial, backend.fetch(last))


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

    The next of the ``tasks`` is taken only when the backend has room for it. ``done`` are earlier
    partials. ``mapped`` is called with each mapped task, and ``tick`` with the progress since its
    last call: at least ten times a second, unless calls run in this thread. The progress of a task
    adds up to its ``size_of``, even if workers are lost. Both functions may raise to end the run.
    Raises ``LimitError`` for more than ``max_keys`` distinct keys.
    """
    merging = Merging(wanted, max_keys)
    ready, remaining, unfinished = _Ready(done), iter(tasks), dict[Handle, _Call]()
    progress = progress_of(backend)
    try:
        while True:
            while len(unfinished) < backend.capacity:
                if not (call := _next_call(ready, remaining, map_task, size_of, merging)):
                    break
                unfinished[backend.submit(call.function, *call.arguments)] = call
            if not unfinished:
                return ready.result(backend)
            tick(sum(call.advance(progress(handle)) for handle, call in unfinished.items()))
            for handle in backend.wait(TICK_SECONDS):
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
    """Return the next call, or ``None`` if it must wait for unfinished calls.

    Two results of the same level are merged before the next task begins. Merging results of any
    levels would add one task after the other to one growing partial: a chain instead of a tree.
    When there are no more tasks, the remaining results are merged whatever their levels.
    """
    if pair := ready.take_pair():
        return _Call(merging, *pair)
    if (task := next(tasks, _END)) is not _END:
        return _Call(map_task, 0, (task,), size_of(task))
    pair = ready.take_lowest_pair()
    return _Call(merging, *pair) if pair else None


def merge(left: Partial, right: Partial, wanted: int) -> Partial:
    """Return the sum of two partials with the first ``wanted`` rejects. This uses both up."""
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
        kinds=add_kinds(left.kinds, right.kinds),
    )


def _place(reject: Reject) -> tuple[int, int]:
    return reject.index, reject.offset
