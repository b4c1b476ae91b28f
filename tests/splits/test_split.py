"""A line belongs to the split that holds its first byte; all splits together are the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import ReadStdin, WriteLogs, cut_sizes, flow_logs, is_lines
from hypothesis import assume, example, given
from hypothesis import strategies as st
from naive import lines_of
from promises import change, promise

from mapreduce.errors import InputError
from mapreduce.formats.format import HEAD
from mapreduce.inputs.sources import Source, find_sources
from mapreduce.kernel.pace import PYTHON, Pace
from mapreduce.splits import split
from mapreduce.splits.split import Split, find_splits


class StopError(Exception):
    """Raised by a tick to end a run."""


def ignore(_size: int) -> None:
    """Do nothing, as a tick."""


def splits_of(
    *paths: Path | str,
    size: int | None,
    tick: Callable[[int], None] = ignore,
    workers: int = 2,
    pace: Pace = PYTHON,
) -> Iterator[Split]:
    return find_splits(find_sources(paths), workers=workers, pace=pace, split_size=size, tick=tick)


def line_starts(data: bytes) -> list[int]:
    return [offset for offset, _line in lines_of(data)]


@promise(
    "A line belongs to the split that holds its first byte",
    broken_by=change(
        "mapreduce.formats.text:_next_line", "position = offset - 1", "position = offset"
    ),
)
@given(flow_logs.filter(bool), cut_sizes)
@example(b"\n\n\n", 1)
@example(b"a\nb", 2)
@example(b"no end", 1)
def test_a_line_belongs_to_the_split_that_holds_its_first_byte(
    write_logs: WriteLogs, data: bytes, size: int
) -> None:
    """Each cut is at the first start of a line at or after the wanted offset."""
    starts, end = line_starts(data), 0
    for part in splits_of(*write_logs(data), size=size):
        assert part.start == end
        wanted = part.start + size
        end = part.end
        assert end == next((start for start in starts if start >= wanted), len(data))
    assert end == len(data)


@given(
    flow_logs.filter(bool),
    st.integers(1, 9),
    st.tuples(st.integers(1, 50), st.integers(0, 400), st.integers(0, 99)),
)
def test_splits_of_no_given_size_are_the_file_and_become_smaller(
    write_logs: WriteLogs, data: bytes, workers: int, drawn: tuple[int, int, int]
) -> None:
    smallest, more, trial = drawn
    largest = smallest + more
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "SMALLEST_SPLIT", smallest)
        pace = Pace(1, largest, trial)
        parts = list(splits_of(*write_logs(data), size=None, workers=workers, pace=pace))
    assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert parts[-1].end == len(data)
    assert {part.start for part in parts} <= set(line_starts(data))
    longest = max(end - start for start, end in pairwise([*line_starts(data), len(data)]))
    if trial and workers > 1:
        assert min(trial, len(data)) <= parts[0].size < trial + longest
        parts = parts[1:]
    sizes = [part.size for part in parts]  # each less than the longest line more than was wanted
    assert all(size < largest + longest for size in sizes)
    assert all(size >= smallest for size in sizes[:-1])
    assert all(later < size + longest for size, later in pairwise(sizes))


def test_the_splits_of_several_files_come_in_the_order_of_the_files(write_logs: WriteLogs) -> None:
    paths = write_logs(b"a\nb\n", b"", b"c\n")
    parts = splits_of(paths[2], paths[1], paths[0], size=1)
    assert [(part.source.path, part.start, part.end) for part in parts] == [
        (str(paths[0]), 0, 2),
        (str(paths[0]), 2, 4),
        (str(paths[2]), 0, 2),
    ]


def test_a_split_says_which_bytes_it_is() -> None:
    part = Split(Source(0, "a\tb.log", 9), 3, 7)
    assert (str(part), part.size) == (r"a\tb.log, bytes 3 to 7", 4)


@pytest.mark.parametrize("before", [b"", b"x\n" * 60_000])
def test_a_file_that_became_shorter_is_an_error(write_logs: WriteLogs, before: bytes) -> None:
    (path,) = write_logs(before)
    status = path.stat()
    source = Source(0, str(path), len(before) + 9, identity=(status.st_dev, status.st_ino))
    with pytest.raises(InputError, match="truncated"):
        list(find_splits([source], workers=1, split_size=len(before) + 1, tick=ignore))


@pytest.mark.parametrize("more", [b"more\n", b"\n", b"x" * 100_000])
@pytest.mark.parametrize("data", [b"one\ntwo\n", b"one\ntwo"])
def test_a_file_that_became_longer_is_split_up_to_its_size_at_the_start(
    write_logs: WriteLogs, data: bytes, more: bytes
) -> None:
    (path,) = write_logs(data)
    sources = find_sources([path])
    path.write_bytes(data + more)
    parts = find_splits(sources, workers=1, split_size=len(data) - 1, tick=ignore)
    assert [(part.start, part.end) for part in parts] == [(0, len(data))]


def test_a_file_that_was_replaced_is_an_error(write_logs: WriteLogs) -> None:
    (source,) = find_sources(write_logs(b"x\n"))
    other = replace(source, identity=(0, 0))
    with pytest.raises(InputError, match="replaced"):
        next(find_splits([other], workers=1, split_size=1, tick=ignore))


def check_stream(parts: list[Split], data: bytes, start: int, size: int) -> None:
    """Check that the parts are a stream from ``start``, in whole lines of about ``size`` bytes."""
    bodies = [part.data or b"" for part in parts]
    assert b"".join(bodies) == data[start:]
    assert all(bodies)
    assert all(body.endswith(b"\n") for body in bodies[:-1])
    longest = max((len(line) + 2 for _offset, line in lines_of(data)), default=0)
    room = max(size, split.SMALLEST_CHUNK) + longest
    blank = len(data[start:]) - len(data[start:].lstrip(b" \t\r\n"))  # stands before the first line
    assert all(len(body) < room + blank for body in bodies[:1])
    assert all(len(body) < room for body in bodies[1:])
    assert [part.start for part in parts] == [start, *(part.end for part in parts)][: len(parts)]
    assert [part.size for part in parts] == [len(body) for body in bodies]


@given(data=flow_logs, size=cut_sizes, start=st.integers(0, 20))
def test_a_redirected_file_is_read_from_where_it_was_left(
    write_logs: WriteLogs, data: bytes, size: int, start: int
) -> None:
    start = min(start, len(data))
    assume(is_lines(data[start:]))
    (path,) = write_logs(data)
    with pytest.MonkeyPatch.context() as patch, path.open() as stdin:
        os.lseek(stdin.fileno(), start, os.SEEK_SET)
        patch.setattr(sys, "stdin", stdin)
        parts = list(splits_of("-", size=size))
    check_stream(parts, data, start, size)


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=20), max_size=8).filter(
        lambda pieces: is_lines(b"".join(pieces))
    ),
    size=cut_sizes,
)
def test_a_pipe_that_brings_little_by_little_is_split_into_whole_lines(
    pieces: list[bytes], size: int
) -> None:
    """Each time the reader is about to wait, the writer writes one piece or closes the pipe."""
    reading, writing = os.pipe()
    left = iter(pieces)

    def write_or_close(_size: int) -> None:
        if piece := next(left, None):
            os.write(writing, piece)
        else:
            end.close()

    end = open(writing, "wb", buffering=0)  # noqa: PTH123, SIM115 - closed by the writer
    with pytest.MonkeyPatch.context() as patch, end, open(reading) as stdin:  # noqa: PTH123
        patch.setattr(sys, "stdin", stdin)
        parts = list(splits_of("-", size=size, tick=write_or_close))
    check_stream(parts, b"".join(pieces), 0, size)


def test_waiting_for_a_silent_pipe_can_be_stopped(read_stdin: ReadStdin) -> None:
    reading, writing = os.pipe()
    ticks: list[int] = []

    def stop_at_the_second(size: int) -> None:
        ticks.append(size)
        if len(ticks) == 2:
            raise StopError

    with open(writing, "wb"):  # noqa: PTH123
        read_stdin(reading)
        with pytest.raises(StopError):
            next(splits_of("-", size=None, tick=stop_at_the_second))
    assert ticks == [0, 0]


def test_a_stream_is_read_only_as_far_as_splits_are_taken(read_stdin: ReadStdin) -> None:
    """It is also read as far as is needed to find its format."""
    reading, writing = os.pipe()
    lines = b"line %03d\n" * 200 % tuple(range(200))
    with open(writing, "wb", buffering=0) as end:  # noqa: PTH123
        end.write(lines)
        read_stdin(reading)
        assert next(splits_of("-", size=12)).data == b"line 000\n"
    assert os.read(reading, 9999) == lines[-(-HEAD // 12) * 12 :]


@pytest.mark.skipif(sys.platform != "linux", reason="has a file that cannot be read from its start")
def test_a_stream_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(InputError, match=r"^/proc/self/mem: "):
        next(splits_of("/proc/self/mem", size=None))
