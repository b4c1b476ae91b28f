"""A split is counted to its last line in blocks of any size, and its first rejects are found."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, WriteLogs, cut_sizes, flow_logs, pairs_of, record
from held import unpack
from hypothesis import example, given
from hypothesis import strategies as st
from naive import count_flow_logs, lines_of
from promises import change, promise

from mapreduce import FieldMapper, LineMapper, Malformed
from mapreduce.backends.report import report
from mapreduce.errors import InputError, TaskError
from mapreduce.inputs.sources import Source, find_sources
from mapreduce.jobs.flowlogs.job import FlowLogs
from mapreduce.mapping import task as mapper_module
from mapreduce.mapping.mapper import Judgement, Mapper
from mapreduce.mapping.task import MapSettings, forget_combiners
from mapreduce.reducing.partial import Partial
from mapreduce.splits.split import Split, find_splits

FLOWS = FlowLogs(LOOKUP).mapper


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    forget_combiners()
    yield
    forget_combiners()


def map_split(
    split: Split, mapper: Mapper, *, tick: Callable[[int], None] | None = None, **settings: Any
) -> Partial:
    return mapper_module.map_task(split, MapSettings(mapper, **settings), tick=tick or report)


def splits_of(path: Path, size: int) -> list[Split]:
    sources = find_sources([path])
    return list(find_splits(sources, workers=1, split_size=size, tick=lambda _size: None))


def whole(path: Path) -> Split:
    (source,) = find_sources([path])
    return Split(source, 0, source.size or 0)


def streamed(data: bytes) -> Split:
    return Split(Source(0, "-", None), 0, len(data), data)


@promise(
    "A last line without its end counts",
    broken_by=change("mapreduce.formats.text:Text.read", "if held: ...", "pass"),
)
@given(flow_logs, cut_sizes, cut_sizes)
@example(record() + b"\n" + record() + b"\r", 1, 1)
def test_any_cuts_and_any_blocks_give_the_oracle_s_answer(
    write_logs: WriteLogs, data: bytes, size: int, block_size: int
) -> None:
    (path,) = write_logs(data)
    parts = [map_split(split, FLOWS, block_size=block_size) for split in splits_of(path, size)]
    expected = count_flow_logs([data], LOOKUP)
    assert sum((pairs_of(unpack(part.totals)) for part in parts), Counter()) == expected.pairs
    assert [
        sum(part.lines for part in parts),
        sum(part.counted for part in parts),
        sum(part.skipped for part in parts),
        sum(part.malformed for part in parts),
    ] == [expected.lines, expected.counted, expected.skipped, expected.malformed]
    assert sum(part.size for part in parts) == len(data)


@given(flow_logs.filter(bool), cut_sizes, st.integers(0, 12))
def test_rejects_are_the_first_malformed_lines_where_they_start(
    write_logs: WriteLogs, data: bytes, block_size: int, wanted: int
) -> None:
    (path,) = write_logs(data)
    expected = [offset for _file, offset in count_flow_logs([data], {}).malformed_at][:wanted]
    for split in (whole(path), streamed(data)):
        rejects = map_split(split, FLOWS, block_size=block_size, wanted=wanted).rejects
        assert [reject.offset for reject in rejects] == expected
        assert {reject.path for reject in rejects} <= {split.source.path}
        lines = dict(lines_of(data))
        assert all(lines[reject.offset].startswith(reject.excerpt) for reject in rejects)


def test_the_offset_of_a_reject_counts_from_the_start_of_its_file(write_logs: WriteLogs) -> None:
    (path,) = write_logs(b"bad 1\n" + record() + b"\nbad 2\nbad 3")
    split = splits_of(path, 7)[1]
    (reject, *_) = map_split(split, FLOWS, wanted=1).rejects
    assert split.start > 0
    assert str(reject).startswith(f"{path}: byte {len(record()) + 7}: 2 fields where 14 are")
    assert str(reject).endswith(": bad 2")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"x" * 60, "x" * 60),
        (b"x" * 60 + b"\r", "x" * 60),
        (b"x" * 61, "x" * 60 + "..."),
        (b"x" * 60 + b"\rmore", "x" * 60 + "..."),
        (b"\x1b[2J\xff\0", r"\x1b[2J\xff\x00"),
        (b"\r\r", r"\r"),
    ],
    ids=["just fits", "fits with its CR", "is cut", "is cut after a CR", "unprintable", "CR CR"],
)
def test_a_reject_shows_how_its_line_begins_and_whether_it_goes_on(line: bytes, shown: str) -> None:
    (reject,) = map_split(streamed(line + b"\nnext\n"), FLOWS, wanted=1).rejects
    assert str(reject).endswith(f" are expected: {shown}")


@given(flow_logs.filter(bool), cut_sizes, cut_sizes)
@example(b"x" * 5000 + b"\n\n", 1, 1)
def test_blocks_are_whole_lines_and_joined_they_are_the_split(
    write_logs: WriteLogs, data: bytes, size: int, block_size: int
) -> None:
    longest = max(len(line) for line in data.split(b"\n")) + 1
    (path,) = write_logs(data)
    for split in splits_of(path, size):
        blocks = [bytes(block.view) for block in split.blocks(block_size)]
        lent = b"" if data[: split.end].endswith(b"\n") else b"\n"
        assert b"".join(blocks) == data[split.start : split.end] + lent
        assert all(block.endswith(b"\n") for block in blocks)
        assert max(map(len, blocks)) <= max(block_size, 2 * longest)


@given(flow_logs.filter(bool), cut_sizes)
def test_ticks_add_up_to_the_size_of_the_split(
    write_logs: WriteLogs, data: bytes, block_size: int
) -> None:
    for split in (whole(*write_logs(data)), streamed(data)):
        ticks: list[int] = []
        map_split(split, FLOWS, block_size=block_size, tick=ticks.append)
        assert sum(ticks) == split.size
        assert min(ticks) > 0


def test_a_worker_judges_a_key_once_for_all_its_splits(write_logs: WriteLogs) -> None:
    seen: Counter[bytes] = Counter()

    def note(key: bytes) -> Judgement:
        seen[key] += 1
        return None

    (path,) = write_logs(b"a\nb\na\n")
    mapper = FieldMapper(b",", (1,), None, note)
    parts = [map_split(split, mapper, run="first") for split in splits_of(path, 1)]
    assert [unpack(part.totals) for part in parts] == [{b"a": 1}, {b"b": 1}, {b"a": 1}]
    assert seen == {b"a": 1, b"b": 1}
    map_split(whole(path), mapper, run="second")
    assert seen == {b"a": 2, b"b": 2}
    assert [run for run, _mapper in mapper_module._idle] == ["second"]
    forget_combiners()
    map_split(whole(path), mapper, run="second")
    assert seen == {b"a": 3, b"b": 3}


def words_unless_poison(line: bytes) -> Iterable[bytes]:
    """Return the words; refuse ``bad`` and fail at ``poison``."""
    if line == b"bad":
        raise Malformed("is bad")
    if line == b"poison":
        raise ZeroDivisionError("no such luck")
    return line.split(b" ")


def test_nothing_of_a_split_that_failed_reaches_the_next(write_logs: WriteLogs) -> None:
    (path,) = write_logs(b"a\na\nbad\npoison\na\n")
    split = whole(path)
    before, poison, after = (replace(split, start=a, end=b) for a, b in [(0, 4), (0, 15), (15, 17)])
    mapper = LineMapper(words_unless_poison)
    assert unpack(map_split(before, mapper, block_size=2).totals) == {b"a": 2}
    with pytest.raises(TaskError, match=r": byte 8: .*ZeroDivisionError: no such luck"):
        map_split(poison, mapper, block_size=2)
    part = map_split(after, mapper)
    assert unpack(part.totals) == {b"a": 1}
    assert part == Partial(part.totals, 1, size=2, lines=1, counted=1)


def test_a_failure_in_a_job_says_where_it_happened(write_logs: WriteLogs) -> None:
    (path,) = write_logs(b"poison\n")
    with pytest.raises(TaskError, match=r"test_mapper\.py, line") as caught:
        map_split(whole(path), LineMapper(words_unless_poison))
    assert str(caught.value).startswith(f"{path}: byte 0: ")
    assert "words_unless_poison" in caught.value.trace


@pytest.mark.parametrize("block_size", [1, 3, 1000])
def test_a_file_that_became_shorter_is_an_error(write_logs: WriteLogs, block_size: int) -> None:
    (path,) = write_logs(b"one\ntwo\n")
    beyond = replace(whole(path), start=4, end=9)
    with pytest.raises(InputError, match=f"{path}, bytes 4 to 9: the file was truncated"):
        map_split(beyond, FLOWS, block_size=block_size)


def test_a_file_that_was_replaced_is_an_error(write_logs: WriteLogs) -> None:
    split = whole(*write_logs(b"one\n"))
    other = replace(split, source=replace(split.source, identity=(0, 0)))
    with pytest.raises(InputError, match="replaced"):
        map_split(other, FLOWS)


@pytest.mark.skipif(sys.platform != "linux", reason="has a file that cannot be read from its start")
def test_a_file_that_cannot_be_read_any_more_is_an_error() -> None:
    path = Path("/proc/self/mem")
    status = path.stat()
    source = Source(0, str(path), 10, identity=(status.st_dev, status.st_ino))
    with pytest.raises(InputError, match=r"^/proc/self/mem, bytes 0 to 10: "):
        map_split(Split(source, 0, 10), FLOWS)
