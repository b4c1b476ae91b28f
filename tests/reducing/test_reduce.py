"""Merging is commutative and associative, so the order in which splits end cannot be seen."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest
from held import unpack
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Totals
from mapreduce.inputs.sources import Source
from mapreduce.outputs.rejects import Reject
from mapreduce.reducing.partial import Partial
from mapreduce.reducing.totals import EMPTY
from mapreduce.reducing.tree import MapPool, Merge, map_reduce, merge
from mapreduce.splits.split import Split

SOURCES = [Source(index, f"{9 - index}.log", 1000) for index in range(3)]


@st.composite
def partials(draw: st.DrawFn) -> list[Partial]:
    """Return partials of different ranges, as splits give them: rejects in order."""
    places = st.tuples(st.sampled_from(SOURCES), st.integers(0, 10**6))
    rejects = draw(st.lists(places, unique=True, max_size=20))
    number = st.integers(0, 9)
    numbers = st.tuples(number, number, number, number, number)
    counts = st.dictionaries(st.sampled_from([b"a", b"b", b"", b"\xff"]), st.integers(1, 99))
    parts = []
    for first in range(draw(st.integers(1, 8))):
        own = [reject_at(*place) for place in rejects[first::8]]
        own.sort(key=place_of)
        parts.append(Partial(Totals.of(draw(counts)), 1, *draw(numbers), tuple(own)))
    return parts


def reject_at(source: Source, offset: int) -> Reject:
    return Reject(source.index, source.name, source.path, offset, "why", b"line")


def place_of(reject: Reject) -> tuple[int, int]:
    return reject.index, reject.offset


def total_of(parts: list[Partial], wanted: int) -> Partial:
    """Return the sum of partials, found without ``merge``."""
    rejects = sorted((reject for part in parts for reject in part.rejects), key=place_of)
    counts: Counter[bytes] = sum((unpack(part.totals) for part in parts), Counter())
    names = ["splits", "size", "lines", "counted", "skipped", "malformed"]
    sums: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in names}
    return Partial(Totals.of(counts), rejects=tuple(rejects[:wanted]), **sums)


@given(partials(), st.integers(0, 12), st.randoms())
def test_partials_merged_in_any_order_give_one_result(
    parts: list[Partial], wanted: int, chance: random.Random
) -> None:
    expected, left = total_of(parts, wanted), [merge(p, Partial(EMPTY), wanted) for p in parts]
    while len(left) > 1:
        chance.shuffle(left)
        one, two = left.pop(), left.pop()
        left.append(merge(one, two, wanted))
    assert [unpacked(part) for part in left] == [expected]


@pytest.mark.parametrize("size", [1, 2, 4, 16])
def test_the_merges_form_a_tree_however_many_tasks_are_in_flight(size: int) -> None:
    """64 splits, and how deep the merges went: a chain would be 63 deep."""

    @dataclass
    class Depths:
        def imap_unordered(self, func: Any, tasks: Any, /) -> Any:
            flight: list[Any] = []
            for task in tasks:
                flight.append(task)
                if len(flight) == size:
                    yield self.done(flight.pop(0))
            yield from map(self.done, flight)

        def done(self, task: Any) -> Partial:
            if isinstance(task, Merge):
                return merge(task.left, task.right, 0)
            return Partial(EMPTY, splits=1)

    splits = [Split(Source(0, "x", 64), n, n + 1) for n in range(64)]
    options: dict[str, Any] = {"wanted": 0, "mapped": lambda _part: None}
    whole = map_reduce(Depths(), lambda _split: Partial(EMPTY), splits, **options)
    assert whole.splits == 64
    assert whole.level <= 2 * 6  # twice the logarithm of 64


def unpacked(part: Partial) -> Partial:
    return replace(part, totals=Totals.of(unpack(part.totals)))


@dataclass
class LazyPool:
    """Has up to ``size`` tasks in hand and finishes them in any order, as a pool of workers does.

    A ``size`` of ``None`` takes all tasks at once, as ``multiprocessing.Pool`` does.
    """

    size: int | None
    chance: random.Random
    merges: int = 0

    def imap_unordered(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], /
    ) -> Iterator[Any]:
        tasks, held = iter(iterable), list[Any]()
        while True:
            while self.size is None or len(held) < self.size:
                try:
                    held.append(next(tasks))
                except StopIteration:
                    break
            if not held:
                return
            task = held.pop(self.chance.randrange(len(held)))
            self.merges += isinstance(task, Merge)
            yield func(task)


POOL_SIZES = st.sampled_from([1, 2, 3, 8, None])


@given(partials(), POOL_SIZES, st.integers(0, 12), st.booleans(), st.randoms())
def test_any_pool_gives_the_sum_of_all_splits(
    parts: list[Partial], size: int | None, wanted: int, pack: bool, chance: random.Random
) -> None:
    pool, mapped = LazyPool(size, chance), list[Partial]()
    splits = [Split(SOURCES[0], number, number + 1) for number in range(len(parts))]
    parts = [replace(part, rejects=part.rejects[:wanted]) for part in parts]

    def mapper(split: Split) -> Partial:
        return deepcopy(parts[split.start])  # a merge uses it up

    def note(part: Partial) -> None:
        mapped.append(unpacked(deepcopy(part)))

    result = map_reduce(pool, mapper, splits, wanted=wanted, mapped=note)
    assert unpacked(result) == total_of(parts, wanted)
    assert pool.merges == len(parts) - 1
    assert sorted(map(repr, mapped)) == sorted(map(repr, parts))


@pytest.mark.parametrize("size", [1, None])
def test_no_splits_give_an_empty_partial(size: int | None) -> None:
    pool: MapPool = LazyPool(size, random.Random(0))  # noqa: S311
    result = map_reduce(pool, lambda _split: Partial(EMPTY), [], wanted=1, mapped=print)
    assert result == Partial(EMPTY)


def test_splits_are_taken_only_as_the_pool_asks_for_them() -> None:
    taken: list[int] = []

    def splits() -> Iterator[Split]:
        for number in range(9):
            taken.append(number)
            yield Split(SOURCES[0], number, number + 1)

    def check(_part: Partial) -> None:
        assert len(taken) <= arrived[0] + 2
        arrived[0] += 1

    arrived = [0]
    pool = LazyPool(2, random.Random(0))  # noqa: S311
    empty = Partial(EMPTY, splits=1)
    result = map_reduce(pool, lambda _: empty, splits(), wanted=1, mapped=check)
    assert (result.splits, arrived) == (9, [9])


def test_a_merge_says_what_it_is() -> None:
    task = Merge(Partial(EMPTY, lines=2), Partial(EMPTY, lines=3))
    assert str(task) == "merging two partial results of 5 lines"
