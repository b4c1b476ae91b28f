"""A kernel may expect one field to hold given bytes: a line with others is misshapen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import count_fields
from test_kernel import DELIMITERS, every_kernel, scanned

from mapreduce.kernel import _pure

NARROW = [b"2", b"3", b"", b"22", b"2\r", b"\0", b"2\0"]
WIDE = [*NARROW, b"expects", b"expecte", b"x" * 90]


@every_kernel
@given(
    st.integers(2, 5),
    st.data(),
    DELIMITERS,
    st.sampled_from([b"2", b"", b"expects"]),
)
def test_a_line_whose_field_is_not_as_expected_is_misshapen(
    table: Any, width: int, data: st.DataObject, delimiter: bytes, text: bytes
) -> None:
    number, end = data.draw(st.integers(1, width - 1)), data.draw(st.sampled_from([b"\n", b"\r\n"]))
    if delimiter in text:
        text = b""
    value = st.sampled_from([text] * 5 + data.draw(st.sampled_from([NARROW, WIDE, [text]])))
    row = st.lists(value, min_size=width, max_size=width)
    rows = data.draw(st.lists(row.map(delimiter.join), min_size=1, max_size=30))
    block = b"".join(row + end for row in rows)
    chosen = (delimiter, (width, 1), width, (), (number, text))
    assert scanned(table(*chosen), [block, block]) == count_fields(block + block, *chosen)


@every_kernel
@pytest.mark.parametrize(
    ("width", "expected"),
    [(None, (1, b"2")), (3, (3, b"2")), (3, (4, b"2")), (3, (1, b"x" * 8)), (3, (1, b"a b"))],
)
def test_an_expectation_that_cannot_be_is_refused(
    table: Any, width: int | None, expected: tuple[int, bytes]
) -> None:
    with pytest.raises(ValueError, match="cannot be expected"):
        table(b" ", (1,), width, (), expected)


def test_the_pure_kernel_needs_no_second_look_at_lines_that_are_as_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(_pure.FieldTable, "_chosen_by_line")
    for number in (1, 2):
        table = _pure.FieldTable(b" ", (3,), 3, (), (number, b"2"))
        assert table.scan(memoryview(b"2 2 a\n2 2 b\n")).misshapen == 0
