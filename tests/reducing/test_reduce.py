"""Merging is commutative and associative: the order of finished splits does not matter."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NoReturn

import pytest
from held import unpack
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import Totals
from mapreduce.backends.this_process import Call, ThisProcess
from mapreduce.errors import LimitError
from mapreduce.inputs.sources import Source
from mapreduce.outputs.rejects import Reject
from mapreduce.reducing.partial import Partial
from mapreduce.reducing.totals import EMPTY
from mapreduce.reducing.tree import Merging, map_reduce, merge

SOURCES = [Source(index, f"{9 - index}.log", 1000) for index in range(3)]


@st.composite
def partials(draw: st.DrawFn) -> list[Partial]:
    """Return partials of different ranges, like those of splits: with rejects in order."""
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
    """Return the sum of partials without using ``merge``."""
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


def unpacked(part: Partial) -> Partial:
    return part._replace(totals=Totals.of(unpack(part.totals)))


class AnyOrder(ThisProcess):
    """Holds up to ``capacity`` calls and runs them in any order, as workers do."""

    def __init__(self, capacity: int, chance: random.Random) -> None:
        super().__init__()
        self.capacity, self.chance = capacity, chance
        self.merges = self.in_hand = 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Call:
        self.in_hand += 1
        assert self.in_hand <= self.capacity
        self.merges += isinstance(function, Merging)
        return super().submit(function, *arguments)

    def wait(self, seconds: float, /) -> list[Call]:
        self._unfinished.rotate(self.chance.randrange(99))
        finished = super().wait(seconds)
        self.in_hand -= len(finished)
        return finished


CAPACITIES = st.sampled_from([1, 2, 3, 8, 1000])


@given(partials(), CAPACITIES, st.integers(0, 12), st.integers(0, 3), st.randoms())
def test_any_backend_gives_the_sum_of_all_splits(
    parts: list[Partial],
    capacity: int,
    wanted: int,
    trials: int,
    chance: random.Random,
) -> None:
    backend, mapped = AnyOrder(capacity, chance), list[int]()
    parts = [part._replace(rejects=part.rejects[:wanted]) for part in parts]
    done = deepcopy(parts[:trials])

    def mapper(task: int) -> Partial:
        return deepcopy(parts[task])  # a merge uses it up

    tasks = range(len(done), len(parts))
    result = map_reduce(backend, mapper, tasks, done=done, wanted=wanted, mapped=mapped.append)
    assert unpacked(result) == total_of(parts, wanted)
    assert backend.merges == len(parts) - 1
    assert sorted(mapped) == [*tasks]


@promise(
    "The merges form a tree, however many tasks are in flight",
    broken_by=change(
        "mapreduce.reducing.tree:_next_call",
        "ready.take_pair()",
        "ready.take_pair() or ready.take_lowest_pair()",
    ),
)
@pytest.mark.parametrize("capacity", [1, 2, 4, 16])
def test_the_merges_form_a_tree_however_many_tasks_are_in_flight(
    capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For 64 splits, a tree of merges is 6 deep and a chain would be 63 deep."""
    depths: dict[int, int] = {}
    kept: list[Partial] = []  # so that no id is used twice

    def merge_and_measure(left: Partial, right: Partial, wanted: int) -> Partial:
        result = merge(left, right, wanted)
        kept.extend((left, right, result))
        depths[id(result)] = 1 + max(depths.get(id(left), 0), depths.get(id(right), 0))
        return result

    monkeypatch.setattr("mapreduce.reducing.tree.merge", merge_and_measure)
    chance = random.Random(0)  # noqa: S311
    backend = AnyOrder(capacity, chance)
    whole = map_reduce(backend, one_split, range(64), wanted=0, mapped=lambda _task: None)
    assert whole.splits == 64
    assert max(depths.values()) <= 2 * 6  # twice the logarithm of 64


def one_split(_task: object) -> Partial:
    return Partial(EMPTY, splits=1)


def test_no_tasks_give_an_empty_partial() -> None:
    result = map_reduce(ThisProcess(), one_split, [], wanted=1, mapped=print)
    assert result == Partial(EMPTY)


def test_a_partial_that_is_there_already_is_the_whole_if_there_is_no_other() -> None:
    done = [Partial(Totals.of(Counter([b"a"])), splits=1)]
    assert map_reduce(ThisProcess(), one_split, [], done=done, wanted=1, mapped=print) == done[0]


def test_falsy_tasks_are_tasks() -> None:
    mapped: list[object] = []
    tasks: list[object] = [0, None, "", (), 7]
    result = map_reduce(ThisProcess(), one_split, tasks, wanted=0, mapped=mapped.append)
    assert result.splits == 5
    assert mapped == tasks


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_a_task_is_taken_only_when_there_is_room_for_it(capacity: int) -> None:
    taken: list[int] = []
    arrived: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            assert len(taken) - len(arrived) <= capacity
            yield number

    chance = random.Random(0)  # noqa: S311
    backend = AnyOrder(capacity, chance)
    result = map_reduce(backend, one_split, tasks(), wanted=1, mapped=arrived.append)
    assert (result.splits, len(taken), len(arrived)) == (20, 20, 20)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_nothing_is_awaited_when_nothing_can_come_any_more(number: int) -> None:
    arrived: list[int] = []
    when_ticked: list[int] = []

    def tick(_size: int) -> None:
        when_ticked.append(len(arrived))

    map_reduce(ThisProcess(), one_split, range(number), wanted=0, mapped=arrived.append, tick=tick)
    assert len(arrived) == number
    assert len(when_ticked) == max(0, 3 * number - 1)  # once for each call, and each task


class Boastful(AnyOrder):
    """Reports wrong progress of unfinished calls: less than before, and more than their size."""

    def progress(self, _call: Call, /) -> int:
        return self.chance.randrange(-50, 150)


@given(st.lists(st.integers(0, 100), max_size=20), CAPACITIES, st.randoms())
def test_what_is_told_never_goes_back_nor_beyond_the_sizes_of_the_tasks(
    sizes: list[int], capacity: int, chance: random.Random
) -> None:
    ticks, mapped = [0], list[int]()

    def check(size: int) -> None:
        assert size >= 0
        ticks.append(size)
        assert sum(mapped[:-1]) <= sum(ticks) <= sum(sizes)

    backend = Boastful(capacity, chance)
    options: dict[str, Any] = {"size_of": int, "mapped": mapped.append, "tick": check}
    map_reduce(backend, one_split, sizes, wanted=0, **options)
    assert sum(ticks) == sum(sizes)


@promise(
    "A run that ends early leaves nothing in the backend",
    broken_by=change("mapreduce.reducing.tree:map_reduce", "backend.cancel()", "pass"),
)
def test_a_run_that_ends_early_leaves_nothing_in_the_backend() -> None:
    def stop(_size: int) -> None:
        raise InterruptedError("enough")

    backend = ThisProcess()
    with pytest.raises(InterruptedError, match="enough"):
        map_reduce(backend, one_split, range(9), wanted=0, mapped=print, tick=stop)
    assert backend.wait(0) == []


def test_a_merge_that_fails_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise MemoryError

    left, right = (
        Partial(Totals.of(Counter([b"a"])), lines=2),
        Partial(Totals.of(Counter([b"b"])), lines=3),
    )
    with pytest.raises(LimitError, match="all inputs together: more than 1 distinct keys"):
        Merging(wanted=0, max_keys=1)(left, right)
    monkeypatch.setattr("mapreduce.reducing.tree.merge", fail)
    with pytest.raises(LimitError) as caught:
        Merging(wanted=0, max_keys=1)(left, right)
    assert str(caught.value).startswith("merging two partial results of 5 lines: not enough memory")
