"""Plain text is cut near the wanted offsets; errors give the offsets of long lines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise, repeat

import pytest
from conftest import WriteLogs
from hypothesis import example, given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce.errors import InputError
from mapreduce.formats.stream import whole_lines
from mapreduce.formats.text import SEARCHED, Text
from mapreduce.inputs.sources import Source, find_sources


class Recorder(io.BytesIO):
    """A file that remembers how far it has been read."""

    farthest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.farthest = max(self.farthest, self.tell())
        return data


def cut(data: bytes, size: int, max_line: int) -> tuple[list[tuple[int, int]], Recorder]:
    file, source = Recorder(data), Source(0, "x", len(data))
    ranges = Text().cut(source, file, repeat(size), max_line=max_line, tick=lambda _size: None)
    return list(ranges), file


@promise(
    "A line that is too long is not looked for to its end",
    broken_by=change("mapreduce.formats.text:_next_line", "position - offset > max_line", "False"),
)
def test_a_line_that_is_too_long_is_not_looked_for_to_its_end() -> None:
    """To plan splits, a file of one line, such as a disk image, is not read to its end."""
    max_line = 200_000
    ranges, file = cut(bytes(5_000_000), 1000, max_line)
    assert ranges == [(0, 5_000_000)]
    assert file.farthest <= 1000 + max_line + SEARCHED


def test_lines_up_to_the_limit_are_cut_apart_however_long() -> None:
    max_line = 3 * SEARCHED
    data = (b"x" * max_line + b"\n") * 4
    ranges, _file = cut(data, 1, max_line)
    assert ranges == list(pairwise(range(0, len(data) + 1, max_line + 1)))


texts = st.lists(st.binary(max_size=30), max_size=8).map(b"\n".join)


@given(texts, st.lists(st.integers(1, 40), min_size=1), st.integers(1, 25))
@example(b"abc\nd\nlong line\n", [3, 99], 5)
def test_a_line_that_is_too_long_begins_where_the_error_says(
    data: bytes, sizes: list[int], max_line: int
) -> None:
    def pieces() -> Iterator[bytes]:
        at = 0
        for size in [*sizes, len(data)]:
            if piece := data[at : at + size]:
                yield piece
            at += size

    lines, start = [], 0
    for line in data.split(b"\n"):
        lines.append((start, line))
        start += len(line) + 1
    too_long = [start for start, line in lines if len(line) > max_line]
    read = whole_lines("x", pieces(), 1, max_line)
    if too_long:
        with pytest.raises(InputError, match=f"^x: byte {1 + too_long[0]}: a line of more"):
            list(read)
    else:
        assert b"".join(text for _start, text in read) == data


@pytest.mark.parametrize("block_size", [1, 7, 100])
def test_the_longest_line_that_is_allowed_is_read_and_no_longer_one(
    write_logs: WriteLogs, block_size: int
) -> None:
    (source,) = find_sources(write_logs(b"ab\n" + b"x" * 50 + b"\n" + b"y" * 50))
    read = Text().read(source, 0, 104, block_size=block_size, max_line=50)
    assert b"".join(bytes(block.view) for block in read).count(b"\n") == 3
    with pytest.raises(InputError, match="byte 3: a line of more than 49 bytes"):
        list(Text().read(source, 0, 104, block_size=block_size, max_line=49))
    with pytest.raises(InputError, match="byte 54: a line of more than 49 bytes"):
        list(Text().read(source, 54, 104, block_size=block_size, max_line=49))
