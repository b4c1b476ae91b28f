"""An object is read like the same file, in ranges that grow, and never beyond its stop."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import InputError
from mapreduce.inputs.ranges import LARGEST, REQUESTS, SMALLEST, ObjectFile
from mapreduce.inputs.stores import Login

DATA = bytes(range(256)) * 64
Asked = list[tuple[int, int]]


def serve(patch: pytest.MonkeyPatch, data: bytes = DATA) -> Asked:
    """Replace the server by one that has ``DATA``; return the list of ranges requested from it."""
    asked: Asked = []

    def read_range(_url: str, start: int, stop: int, etag: str, _login: Login) -> memoryview:
        assert etag == "tag"
        asked.append((start, stop))
        return memoryview(data[start:stop])

    patch.setattr("mapreduce.inputs.ranges.read_range", read_range)
    return asked


@given(st.lists(st.tuples(st.integers(0, len(DATA)), st.integers(1, 3000)), max_size=20))
def test_any_seeks_and_reads_give_what_a_file_gives(steps: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.inputs.ranges.SMALLEST", 100)
        patch.setattr("mapreduce.inputs.ranges.LARGEST", 700)
        asked = serve(patch)
        with ObjectFile("s3://b/x", len(DATA), "tag", len(DATA)) as file:
            for offset, size in steps:
                assert file.seek(offset) == offset
                whole = b""
                while len(whole) < size and (more := file.read(size - len(whole))):
                    whole += more
                assert whole == DATA[offset : offset + size]
                assert file.tell() == offset + len(whole)
        assert all(start < stop <= len(DATA) for start, stop in asked)


def test_who_reads_on_is_given_larger_ranges_and_some_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = bytes(40 * LARGEST)
    asked = serve(monkeypatch, data)
    stop = 30 * LARGEST
    with ObjectFile("s3://b/x", len(data), "tag", stop) as file:
        total = 0
        while got := file.read(1 << 20):
            total += len(got)
            assert max(end for _start, end in asked) - total <= (REQUESTS + 1) * LARGEST
    assert total == stop
    sizes = [end - start for start, end in sorted(asked)]
    assert sizes[:5] == [SMALLEST, 2 * SMALLEST, 4 * SMALLEST, 8 * SMALLEST, LARGEST]
    assert max(sizes) == LARGEST
    assert sum(sizes) == stop


def test_what_a_range_raises_is_raised_where_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> memoryview:
        raise InputError("denied")

    monkeypatch.setattr("mapreduce.inputs.ranges.read_range", refuse)
    with ObjectFile("s3://b/x", 10, "", 10) as file, pytest.raises(InputError, match="denied"):
        file.read(1)


def test_no_thread_is_left_when_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve(monkeypatch)
    before = threading.active_count()
    with ObjectFile("s3://b/x", len(DATA), "tag", len(DATA)) as file:
        file.read(10)
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(5)
    assert threading.active_count() <= before
