"""A view of a table shows what a naive program makes of all its rows, whichever kernel counted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import becomes, change, change_text, promise

from mapreduce import (
    FieldMapper,
    KeyCount,
    Largest,
    Measure,
    Sum,
    Table,
    TableView,
    Totals,
    UsageError,
    kernel,
    run,
)
from mapreduce.reducing.table_view import Percent

HEADER = ("Key", "Count", "Sum(x)")
BYTES = Sum("x")


def totals_of(rows: Mapping[bytes, tuple[int, int]], *, packed: bool) -> Totals:
    """Return totals of counts and sums by key: dictionaries, or as the native kernel makes them."""
    if not packed:
        counts, sums = ({key: row[at] for key, row in rows.items()} for at in (0, 1))
        return Totals.of(counts, sums, measures=(BYTES,))
    mapper = FieldMapper(b"|", (1,), summed=(2,), measures=(BYTES,))
    tally = mapper.start()
    lines = [
        b"%b|%d\n" % (key, number if line == 0 else 0)
        for key, (count, number) in rows.items()
        for line in range(count)
    ]
    tally.map_block(memoryview(b"".join(lines)), 0)
    return tally.drain().totals.settled()


def percent(part: int, whole: int) -> str:
    if not whole:
        return ""
    with localcontext(prec=200):
        exact = Decimal(100 * part) / Decimal(whole)
        return str(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


def naive(rows: Mapping[bytes, tuple[int, int]], view: TableView) -> list[list[str]]:
    """Return the cells of the table that a view shows."""
    name, way = [*view.order.split(":"), ""][:2]
    listed: list[Any] = [(key, *row) for key, row in rows.items()]
    at = {"key": 0, "count": 1, "Sum(x)": 2}[name]
    descending = way == "desc" or (way == "" and at > 0)
    listed.sort()
    listed.sort(key=lambda row: row[at], reverse=descending)
    measured = max(at, 1)
    whole = sum(row[measured] for row in listed)
    part, made = 0, []
    top = len(listed) if view.top is None else view.top
    numbered = view.others or view.total
    for number, row in enumerate(listed[:top], start=1):
        part += row[measured]
        cells = [*[str(number)] * numbered, row[0].decode(), str(row[1]), str(row[2])]
        cells += [percent(row[measured], whole)] * view.percent
        made.append(cells + [percent(part, whole)] * view.cumulative)
    rest = listed[top:]
    for label, some, end in (("Others", rest, percent(whole, whole)), ("Total", listed, "")):
        wanted = view.others and bool(rest) if label == "Others" else view.total
        sums = [sum(row[at] for row in some) for at in (1, 2)]
        cells = [label, "", *map(str, sums)]
        cells += [percent(sums[measured - 1], whole)] * view.percent
        made += [cells + [end] * view.cumulative] * wanted
    return made


def written(table: Table) -> list[list[str]]:
    return [[str(value) for value in row] for row in table.rows]


keys = st.text(st.sampled_from("abz\0 "), max_size=9) | st.sampled_from(["Others", "Total", "1"])
rows_by_key = st.dictionaries(
    keys.map(str.encode), st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=12
) | st.dictionaries(
    keys.map(str.encode),
    st.tuples(st.integers(1, 2), st.integers(0, 10**19 - 1)),
    max_size=5,
)
orders = st.sampled_from(
    [f"{name}{way}" for name in ("count", "key", "Sum(x)") for way in ("", ":asc", ":desc")]
)
flags = st.booleans()


@st.composite
def views(draw: st.DrawFn) -> TableView:
    top = draw(st.none() | st.integers(1, 13))
    others = top is not None and draw(flags)
    return TableView(top, draw(orders), draw(flags), draw(flags), others, draw(flags))


@promise(
    "What a table shows is what a naive program makes of all rows: order, shares, Others, Total",
    broken_by=change(
        "mapreduce.reducing.table_view:_Shown._others", "whole - value", "whole - value + 1"
    ),
)
@given(rows_by_key, views(), st.booleans())
def test_a_view_shows_what_a_naive_program_does(
    rows: dict[bytes, tuple[int, int]], view: TableView, packed: bool
) -> None:
    table = view.table("t.csv", HEADER, totals_of(rows, packed=packed), (BYTES,))
    assert written(table) == naive(rows, view)
    assert all(len(row) == len(table.header) for row in table.rows)


@promise(
    "Rows of the native kernel are ordered by a sum of more than 64 bits, then by key",
    broken_by=change_text(
        "mapreduce/kernel/_rank.h",
        "items[j].word = sum_of(items[j].record, (unsigned)order.by - 1).low ^ order.flip;",
        "items[j].word = 0;",
    ),
)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("way", ["", ":asc"])
def test_sums_of_more_than_64_bits_are_ordered(packed: bool, way: str) -> None:
    big = 10**19 - 1
    rows = {b"b": (3, big), b"a": (2, big), b"c": (1, 5), b"d": (1, big - 1)}
    lines = {key: (count, number) for key, (count, number) in rows.items()}
    totals = totals_of(lines, packed=packed) + totals_of(lines, packed=packed)
    totals += totals_of({b"b": (1, big)}, packed=packed)
    table = TableView(order=f"Sum(x){way}", total=True).table("t", HEADER, totals, (BYTES,))
    expected = [("b", 7, 3 * big), ("a", 4, 2 * big), ("d", 2, 2 * big - 2), ("c", 2, 10)]
    ordered = expected if not way else expected[::-1]
    assert [row[1:] for row in table.rows] == [*ordered, ("", 15, 7 * big + 8)]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        (1, 20_000, "0.01"),
        (1, 20_001, "0.00"),
        (3, 20_000, "0.02"),
        (1, 1, "100.00"),
        (0, 7, "0.00"),
        (19_999, 20_000, "100.00"),
        (10**40 // 4, 10**40, "25.00"),
    ],
)
def test_half_of_a_hundredth_is_rounded_up(part: int, whole: int, text: str) -> None:
    assert str(Percent.of(part, whole)) == text


@given(st.integers(0, 10**30), st.integers(1, 10**30))
def test_a_percentage_is_the_rounded_exact_one(part: int, more: int) -> None:
    assert str(Percent.of(part, part + more)) == percent(part, part + more)
    assert json.loads(json.dumps(Percent.of(part, part + more))) == float(
        percent(part, part + more)
    )


@promise(
    "A key that is called Others or Total is not taken for the row of that name",
    broken_by=becomes("mapreduce.reducing.table_view:_Shown.numbered", "return False"),
)
def test_keys_called_others_and_total_are_told_from_these_rows() -> None:
    totals = Totals.of({b"Others": 5, b"Total": 4, b"": 3, b"x": 2})
    view = TableView(top=3, others=True, total=True)
    table = view.table("t.csv", ("Key", "Count"), totals)
    assert table.header == ("Row", "Key", "Count")
    assert list(table.rows) == [
        (1, "Others", 5),
        (2, "Total", 4),
        (3, "", 3),
        ("Others", "", 2),
        ("Total", "", 14),
    ]


@promise(
    "What is not shown is told",
    broken_by=change("mapreduce.reducing.table_view:_Shown.note", "self.hidden and ...", "False"),
)
def test_rows_that_are_not_shown_are_told_in_the_note() -> None:
    totals = Totals.of({b"a": 5, b"b": 4, b"c": 2_000})
    cut = TableView(top=1).table("t.csv", ("Key", "Errors"), totals)
    assert cut.note == "1 of 3 keys; Errors 9 of 2,009 is not shown"
    assert TableView(top=1, others=True).table("t", ("Key", "Count"), totals).note == "1 of 3 keys"
    assert TableView(top=3).table("t", ("Key", "Count"), totals).note == "3 keys"


class Names(Measure):
    """The names of a key; its merge changes its first argument, as a measure may."""

    def merge(self, left: Any, right: Any, /) -> Any:
        left += right
        return left


def test_measures_that_are_no_sums_are_merged_in_the_rows_others_and_total() -> None:
    counts = {b"a": 3, b"b": 2, b"c": 1}
    totals = Totals.of(
        counts,
        {b"a": 7, b"b": 9, b"c": 8},
        {b"a": ["x"], b"b": ["y"], b"c": ["z"]},
        measures=(Largest(), Names()),
    )
    view = TableView(top=1, others=True, total=True, percent=True)
    table = view.table("t.csv", ("Key", "Count", "Most", "Names"), totals, totals.measures)
    rows: list[Any] = [row[:-1] for row in table.rows]
    assert [*rows[0]] == [1, "a", 3, 7, ["x"]]
    assert [*rows[1][:4], sorted(rows[1][4])] == ["Others", "", 3, 9, ["y", "z"]]
    assert [*rows[2][:4], sorted(rows[2][4])] == ["Total", "", 6, 9, ["x", "y", "z"]]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((5, -3), "2 keys; no percentages, because Sum(x) has negative values"),
        ((0, 0), "2 keys; no percentages, because Sum(x) is 0"),
    ],
)
def test_there_is_no_percentage_of_what_is_no_share(values: tuple[int, int], why: str) -> None:
    totals = Totals.of({b"a": 1, b"b": 1}, {b"a": values[0], b"b": values[1]}, measures=(BYTES,))
    view = TableView(order="Sum(x)", percent=True, cumulative=True, total=True)
    table = view.table("t.csv", HEADER, totals, (BYTES,))
    assert table.note == why
    assert {row[-2:] for row in table.rows} == {("", "")}


def test_a_table_without_keys_has_a_total_of_0() -> None:
    view = TableView(top=1, percent=True, others=True, total=True)
    table = view.table("t.csv", HEADER, Totals([{}]), (BYTES,))
    assert list(table.rows) == [("Total", "", 0, 0, "")]


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (TableView(top=0), "top=0: must be at least 1"),
        (TableView(top=True), "top=True: must be at least 1"),
        (TableView(top=1.5), "top=1.5: must be at least 1"),  # type: ignore[arg-type]
        (TableView(others=True), "without top=, all rows are written"),
        (TableView(order="x"), "order=x: write count, key, Sum(x), Most; :asc or :desc behind"),
        (TableView(order="count:down"), "order=count:down: write count, key"),
        (TableView(order=":asc"), "order=:asc: write count, key"),
        (TableView(order=3), "order=3: must be a text"),  # type: ignore[arg-type]
        (TableView(order="Most", percent=True), "order=Most: percentages are of counts and sums"),
    ],
)
def test_a_view_that_no_table_can_have_is_refused(view: TableView, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        view.checked((*HEADER, "Most"), (BYTES, Largest()))
    assert told in str(raised.value)


def test_a_title_with_colon_is_a_column() -> None:
    totals = Totals.of({b"a": 1, b"b": 1}, {b"a": 1, b"b": 2}, measures=(BYTES,))
    for order, first in (("x:asc", "b"), ("x:asc:asc", "a")):
        view = TableView(order=order)
        assert view.table("t", ("Key", "Count", "x:asc"), totals, (BYTES,)).rows[0][0] == first


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_each_format_has_all_rows_and_columns(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "log").write_bytes(b"a 1\nb 2\na 3\nc 4\n")
    view = TableView(top=1, percent=True, cumulative=True, others=True, total=True)
    mapper = FieldMapper(b" ", (1,), summed=(2,), measures=(BYTES,))
    job = KeyCount(mapper, f"t.{suffix}", HEADER, view=view)
    [path] = run(job, tmp_path / "log", output=tmp_path / "out").written
    if suffix == "csv":
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        assert [*rows[0].values()] == ["1", "a", "2", "4", "50.00", "50.00"]
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [*rows[0].values()] == [1, "a", 2, 4, 50.0, 50.0]
    assert [row["Row"] for row in rows[1:]] == ["Others", "Total"]
    assert list(rows[0]) == ["Row", *HEADER, "Percent(Count)", "Cumulative(Count)"]


def test_top_of_a_job_is_short_for_a_view() -> None:
    mapper = FieldMapper(b" ", (1,))
    job = KeyCount(mapper, "t.csv", ("Key", "Count"), top=2)
    assert job.described == {"top": 2}
    with pytest.raises(ValueError, match="top is given twice"):
        KeyCount(mapper, "t.csv", ("Key", "Count"), top=2, view=TableView(top=1))
    with pytest.raises(TypeError, match="3 is no view: make a TableView"):
        KeyCount(mapper, "t.csv", ("Key", "Count"), view=3)  # type: ignore[arg-type]


@pytest.mark.skipif(not kernel.VARIANTS, reason="the native kernel is not built")
@promise(
    "The first rows of many keys are shown without a Python object for each key",
    broken_by=change(
        "mapreduce.reducing.totals:Totals.rows",
        "self.held.ranked(split_at, top, *order)",
        "Totals(self.columns(), self.measures).rows(split_at=split_at, top=top, order=order)",
    ),
)
@pytest.mark.parametrize("order", ["count", "key:desc", "Sum(x)"])
def test_the_first_rows_are_shown_without_unpacking_all(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = totals_of({b"%d" % n: (1, n) for n in range(500)}, packed=True)
    if isinstance(totals.held, list):
        pytest.skip("the pure kernel is in use")
    monkeypatch.setattr(type(totals.held), "columns", None)
    view = TableView(3, order, percent=True, cumulative=True, others=True, total=True)
    assert len(view.table("t.csv", HEADER, totals, (BYTES,)).rows) == 5
