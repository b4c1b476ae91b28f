"""Measures are exact, and merge to the same in any order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import (
    Distinct,
    FieldMeasure,
    Largest,
    Malformed,
    Mean,
    Measure,
    Smallest,
    Sum,
    Totals,
    check_measure,
)
from mapreduce.reducing import distinct
from mapreduce.reducing.distinct import EXACT, estimate, sketch
from mapreduce.reducing.numbers import read_number, show_number

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=4).map(
    lambda number: format(number, "f").encode()
)
FIELD_MEASURES: Sequence[FieldMeasure] = [Smallest("n"), Largest("n"), Mean("n"), Distinct("n")]


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_read_and_shown_with_all_its_digits(number: Decimal) -> None:
    text = format(number, "f")
    read = read_number(text.encode())
    assert read == Fraction(number)
    assert read is not None
    shown = show_number(read)
    assert Decimal(str(shown)) == number
    assert "e" not in str(shown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+1",
        "1.",
        ".5",
        "1,5",
        "0x10",
        "nan",
        "inf",
        "1e",
        "1e1000",
        "²",
        "1_0",
        " 1",
        "--1",
    ],
)
def test_a_text_that_is_not_surely_a_number_is_none(text: str) -> None:
    assert read_number(text.encode()) is None


def test_a_number_of_more_than_a_thousand_digits_is_none() -> None:
    assert read_number(b"9" * 1000) == 10**1000 - 1
    assert read_number(b"9" * 1001) is None


@promise(
    "A measure gives the same for any order and grouping of its values",
    broken_by=change(
        "mapreduce.reducing.field_measures:Mean.merge", "left[1] + right[1]", "left[1] + 1"
    ),
)
@pytest.mark.parametrize("measure", FIELD_MEASURES, ids=lambda one: str(one.title))
@given(texts=st.lists(st.tuples(NUMBERS, st.integers(1, 9)), min_size=1, max_size=5))
def test_a_measure_gives_the_same_for_any_order_and_grouping(
    measure: FieldMeasure, texts: list[tuple[bytes, int]]
) -> None:
    values = [measure.of(text, count) for text, count in texts]
    check_measure(measure, values)
    assert reduce(measure.merge, values) == measure.gather(texts)


def test_a_mean_is_exact_and_half_a_digit_goes_to_the_even_one() -> None:
    mean = Mean("n")
    tenths = mean.gather([(b"0.1", 10**9), (b"0.3", 1)])
    assert tenths == (Fraction(10**9, 10) + Fraction(3, 10), 10**9 + 1)
    assert mean.show(tenths) == 0.1
    assert mean.show(mean.gather([(b"0", 1), (b"0.000001", 1)])) == 0
    assert mean.show(mean.gather([(b"0.000001", 1), (b"0.000002", 1)])) == "0.000002"
    big = mean.gather([(b"9" * 30, 1), (b"1", 2)])
    assert mean.show(big) == "333333333333333333333333333333.666667"


@promise(
    "The number of distinct values is exact up to the bound, and near to the truth beyond it",
    broken_by=change("mapreduce.reducing.distinct:_bounded", "len(values) <= EXACT", "False"),
)
def test_distinct_is_exact_up_to_the_bound_and_near_beyond_it() -> None:
    measure, texts = Distinct("n"), [(b"%d" % number, 1) for number in range(300_000)]
    assert measure.show(measure.gather(texts[:EXACT])) == EXACT
    beyond = measure.gather(texts[: EXACT + 1])
    assert measure.show(beyond) > EXACT
    for number in (EXACT + 1, 30_000, 100_000, 300_000):
        shown = measure.show(measure.gather(texts[:number]))
        assert abs(shown - number) / number < 3 * distinct.ERROR


@promise(
    "Sketches merge to the same, whichever values met first",
    broken_by=change("mapreduce.reducing.distinct:Distinct.merge", "sketch(right, left)", "left"),
)
def test_sketches_merge_to_the_same_whichever_values_met_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distinct, "EXACT", 4)
    measure = Distinct("n")
    parts = [
        measure.gather([(b"%d" % number, 1) for number in numbers])
        for numbers in (range(2), range(1, 4), range(3, 10), range(8), range(20, 23))
    ]
    assert {type(part) for part in parts} == {frozenset, bytes}
    check_measure(measure, parts)
    every = [*range(10), *range(20, 23)]
    assert reduce(measure.merge, parts) == sketch(b"%d" % number for number in every)


@pytest.mark.parametrize("number", [0, 1, 10, 1000, 16384, 50_000, 200_000])
def test_the_estimate_of_a_sketch_is_near_to_the_truth_in_every_range(number: int) -> None:
    found = estimate(sketch(b"value %d" % one for one in range(number)))
    assert abs(found - number) <= 3 * distinct.ERROR * number


def test_an_estimate_is_told_and_is_never_within_the_exact_range() -> None:
    measure = Distinct("user")
    exact, beyond = (
        measure.gather([(b"%d" % one, 1) for one in range(number)]) for number in (3, EXACT + 50)
    )
    assert measure.note([exact, None]) == ""
    assert measure.note([exact, beyond]) == (
        "Distinct(user): 1 numbers above 10,000 are estimates, with a standard error of 0.81%"
    )


def test_a_value_that_is_missing_on_one_side_is_that_of_the_other() -> None:
    left = Totals.of({b"a": 1, b"b": 1}, {b"a": None, b"b": 3}, measures=[Largest("n")])
    right = Totals.of({b"a": 1, b"b": 2}, {b"a": 5, b"b": None}, measures=[Largest("n")])
    assert (left + right).rows() == [("b", 3, 3), ("a", 2, 5)]
    nothing = Totals.of({b"a": 1}, {b"a": None}, measures=[Largest("n")])
    assert nothing.rows() == [("a", 1, "")]


def test_a_text_that_is_no_number_is_refused_with_its_field() -> None:
    with pytest.raises(Malformed, match="Field7 'x' is not a number"):
        Mean(7).check(b"x")


class Difference(Measure):
    def merge(self, left: Any, right: Any, /) -> Any:
        return left - right


class Average(Measure):
    def merge(self, left: Any, right: Any, /) -> Any:
        return (left + right) / 2


@promise(
    "check_measure finds what is not commutative or not associative",
    broken_by=change(
        "mapreduce.reducing.checking:check_measure", "product(values, repeat=3)", "[]"
    ),
)
def test_check_measure_finds_what_is_not_commutative_or_not_associative() -> None:
    check_measure(Sum(), [1, 2, -3])
    with pytest.raises(ValueError, match="Difference is not commutative: 1 with 2 gives -1"):
        check_measure(Difference(), [1, 2])
    with pytest.raises(ValueError, match="Average is not associative"):
        check_measure(Average(), [1, 2, 3])
