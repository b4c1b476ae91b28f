"""A table's text is CSV that any reader reads back exactly, whichever way it was made."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import Table, Totals, kernel
from mapreduce.outputs.csv_writer import csv_text
from mapreduce.outputs.table import ROWS, CsvRows
from mapreduce.outputs.writers import table_text
from mapreduce.reducing.totals import Order

needs_native = pytest.mark.skipif(not kernel.VARIANTS, reason="the native kernel is not built")

values = st.text(st.sampled_from('a,"\r\n é\0\udcff='), max_size=6)


def read_back(data: bytes) -> list[tuple[str, ...]]:
    text = data.decode("utf-8", "surrogateescape")
    return [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))]


@promise(
    "Text is read back exactly",
    broken_by=change("mapreduce.outputs.csv_writer:csv_text", "'\\r' in text", "False"),
)
@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[values] * n), max_size=9)))
def test_any_text_is_read_back_exactly(rows: list[tuple[str, ...]]) -> None:
    assert read_back(csv_text(rows)) == rows


def test_only_what_needs_quotes_has_them() -> None:
    rows = [("a b", 1), ("a,b", 2), ('"', 3), ("a\nb", 4), ("a\rb", 5), ("", 6)]
    assert csv_text(rows) == b'a b,1\n"a,b",2\n"""",3\n"a\nb",4\n"a\rb",5\n,6\n'
    assert csv_text(rows[:2]) == b'a b,1\n"a,b",2\n'
    assert csv_text([("",)]) == csv_text([("",), ("\r",)])[:3] == b'""\n'


def test_a_table_begins_with_its_header_and_has_all_its_rows() -> None:
    rows = [(str(number), number) for number in range(ROWS + 1)]
    text = b"".join(table_text(Table("t.csv", ("Key", "Count"), rows)))
    assert read_back(text) == [("Key", "Count"), *((key, key) for key, _ in rows)]


keys = st.lists(st.binary(max_size=9), min_size=2, max_size=2).map(b"|".join) | st.binary()
long_keys = st.tuples(st.sampled_from([b"k" * 120, b"k" * 200, b"\0" * 9]), st.binary(max_size=20))
counters = st.dictionaries(
    keys | long_keys.map(b"".join), st.integers(1, 3) | st.integers(1, 2**63), max_size=40
)


orders = st.sampled_from([None, Order(0, False), Order(None, False), Order(None, True)])


@needs_native
@given(
    counters, st.sampled_from([None, b"|", b"\0", b"\xc3"]), st.none() | st.integers(1, 9), orders
)
def test_packed_counts_are_ranked_and_written_as_a_counter_is(
    counts: dict[bytes, int], delimiter: bytes | None, top: int | None, order: Order | None
) -> None:
    from mapreduce.kernel.native import PackedCounts

    expected = Totals.of(counts).rows(split_at=delimiter, top=top, order=order)
    found = Totals(PackedCounts.of(counts)).rows(split_at=delimiter, top=top, order=order)
    assert len(found) == len(expected)
    assert list(found) == expected
    assert isinstance(found, CsvRows)
    assert b"".join(found.csv()) == csv_text(expected)


@needs_native
@pytest.mark.parametrize("few", [0, 1, 11, 12, 13, 5000])
def test_many_packed_counts_are_ranked_too(few: int) -> None:
    from mapreduce.kernel.native import PackedCounts

    counts = {b"%d.%d" % (n * 7919 % 10007, n % 3): 1 + n % 5 for n in range(few)}
    assert list(Totals(PackedCounts.of(counts)).rows()) == Totals.of(counts).rows()


@needs_native
def test_a_ranking_is_a_sequence_of_rows() -> None:
    from mapreduce.kernel.native import PackedCounts

    rows: Any = Totals(PackedCounts.of({b"a": 1, b"b": 2, b"c": 3})).rows()
    assert (rows[0], rows[-1], rows[0:2]) == (("c", 3), ("a", 1), [("c", 3), ("b", 2)])
    assert (rows[::-1], rows[5:], rows[2:1]) == ([("a", 1), ("b", 2), ("c", 3)], [], [])
    for wrong in (3, -4):
        with pytest.raises(IndexError):
            rows[wrong]
