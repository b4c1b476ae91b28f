"""A line mapper counts the keys that a function finds in each line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from held import unpack
from hypothesis import given
from hypothesis import strategies as st
from naive import lines_of

from mapreduce import SKIPPED, KeyCount, Largest, LineMapper, Malformed, Measure, run
from mapreduce.errors import TaskError
from mapreduce.mapping.mapper import Combiner, LineFailedError

WORDS = st.sampled_from([b"a", b"b", b"", b"\r", b"bad", b"\xff", b"\0"])
BLOCKS = st.lists(
    st.lists(st.lists(WORDS, max_size=4).map(b" ".join), min_size=1, max_size=8).map(
        lambda lines: b"\n".join([*lines, b""])
    ),
    min_size=1,
    max_size=4,
)


def words(line: bytes) -> Iterator[bytes]:
    """Yield the words before the word ``bad``, which makes the line malformed."""
    for word in line.split(b" "):
        if word == b"bad":
            raise Malformed(f"bad after {line.index(b'bad')} bytes")
        if word:
            yield word


def drained(combiner: Combiner) -> tuple[Counter[bytes], int]:
    """Return the counts and the number of counted lines."""
    totals, counted, skipped, _notes = combiner.drain()[:4]
    assert skipped == 0
    return unpack(totals), counted


@given(BLOCKS)
def test_every_line_is_counted_skipped_or_malformed(blocks: list[bytes]) -> None:
    combiner = LineMapper(words).start()
    tallies = [combiner.map_block(memoryview(block), 0) for block in blocks]
    lines = [line.split(b" ") for _offset, line in lines_of(b"".join(blocks))]
    good = [[word for word in line if word] for line in lines if b"bad" not in line]
    assert sum(tally.lines for tally in tallies) == len(lines)
    assert sum(tally.malformed for tally in tallies) == len(lines) - len(good)
    assert sum(tally.skipped for tally in tallies) == good.count([])
    keys = Counter(word for line in good for word in line)
    assert drained(combiner) == (keys, len(good) - good.count([]))


@given(BLOCKS, st.integers(0, 3))
def test_the_first_malformed_lines_are_located_with_their_reason(
    blocks: list[bytes], wanted: int
) -> None:
    combiner = LineMapper(words).start()
    for block in blocks:
        bad = [
            (offset, f"bad after {line.index(b'bad')} bytes")
            for offset, line in lines_of(block)
            if b"bad" in line.split(b" ")
        ]
        assert combiner.map_block(memoryview(block), wanted).malformed_at == bad[:wanted]


def test_a_malformed_line_leaves_none_of_its_keys() -> None:
    combiner = LineMapper(words).start()
    combiner.map_block(memoryview(b"a b bad\nb\n"), 0)
    assert drained(combiner) == ({b"b": 1}, 1)


def test_a_drained_combiner_starts_again_from_zero() -> None:
    combiner = LineMapper(words).start()
    combiner.map_block(memoryview(b"a a\n"), 0)
    assert drained(combiner) == ({b"a": 2}, 1)
    assert drained(combiner) == ({}, 0)


def test_any_other_exception_is_the_job_s_own() -> None:
    combiner = LineMapper(lambda line: [b"%d" % int(line)]).start()
    with pytest.raises(LineFailedError) as caught:
        combiner.map_block(memoryview(b"1\nx\n"), 1)
    assert caught.value.offset == 2
    assert isinstance(caught.value.cause, ValueError)


def number(line: bytes) -> Any:
    return len(line)


def pairs(line: bytes) -> Any:
    return [(line, 1)]


def text(line: bytes) -> Any:
    return [line.decode()]


def bare(line: bytes) -> Any:
    return [line]


def lists(line: bytes) -> Any:
    return [[line]]


@pytest.mark.parametrize(
    ("function", "measures", "message"),
    [
        (number, (), "the function returned 1, and must return a key or a list of keys; None or"),
        (number, (Largest(),), "the function returned 1, and must return a key or a list of keys;"),
        (bytes.decode, (), "the key 'x' is str, and keys are bytes: return a list of them"),
        (text, (), "the key 'x' is str, and keys are bytes: return a list of them"),
        (
            pairs,
            (),
            "the key (b'x', 1) is a tuple: a list holds several keys; for a key of 2 columns write",
        ),
        (lists, (), "the key [b'x'] is list, and keys are bytes"),
        (bare, (Largest(),), "with 1 measure the function returns a list of tuples of a key and 1"),
        (pairs, (Largest(), Largest()), "with 2 measures the function returns a list of tuples"),
    ],
)
def test_what_a_line_function_must_return_is_told_with_its_line(
    function: Any, measures: tuple[Measure, ...], message: str
) -> None:
    combiner = LineMapper(function, measures).start()
    with pytest.raises(LineFailedError) as caught:
        combiner.map_block(memoryview(b"x\ny\n"), 0)
    assert caught.value.offset == 0
    assert message in str(caught.value.cause)


def test_only_the_first_line_with_a_wrong_key_is_blamed() -> None:
    combiner = LineMapper(lambda line: [line if line != b"bad" else line.decode()]).start()
    with pytest.raises(LineFailedError) as caught:
        combiner.map_block(memoryview(b"fine\nfine\nbad\nbad\n"), 0)
    assert caught.value.offset == 10


class Faulty(Measure):
    def merge(self, _left: Any, _right: Any, /) -> Any:
        raise ValueError("cannot merge these")


def test_an_error_of_a_measure_is_its_own() -> None:
    combiner = LineMapper(pairs, (Faulty(),)).start()
    with pytest.raises(ValueError, match="cannot merge these"):
        combiner.map_block(memoryview(b"x\nx\n"), 0)


RETURNED = [[b"a", b"b"], {b"a": 0, b"b": 0}, {b"a", b"b"}]


@pytest.mark.parametrize("returned", RETURNED, ids=lambda found: type(found).__name__)
def test_a_line_function_returns_any_collection_of_keys(returned: Any) -> None:
    combiner = LineMapper(lambda line: iter(returned) if line == b"i" else returned).start()
    for block in (b"x\ny\n", b"x\ni\n", b"i\ni\n"):
        combiner.map_block(memoryview(block), 0)
    assert drained(combiner) == ({b"a": 6, b"b": 6}, 6)


@given(st.lists(st.lists(st.sampled_from([b"a", b"bb", b"", b"-", b"\r"]), min_size=1), min_size=1))
def test_a_line_function_may_return_one_key_or_none(blocks: list[list[bytes]]) -> None:
    combiner = LineMapper(lambda line: None if line == b"-" else line).start()
    lines = [line.removesuffix(b"\r") for block in blocks for line in block]
    tallies = [combiner.map_block(memoryview(b"\n".join([*block, b""])), 0) for block in blocks]
    assert sum(tally.lines for tally in tallies) == len(lines)
    assert sum(tally.skipped for tally in tallies) == lines.count(b"-")
    kept = Counter(line for line in lines if line != b"-")
    assert drained(combiner) == (kept, kept.total())


def test_a_line_function_that_raises_stop_iteration_loses_no_line() -> None:
    """``map`` takes it for the end of the lines."""
    combiner = LineMapper(lambda line: next(iter(line.split()))).start()
    with pytest.raises(LineFailedError) as caught:
        combiner.map_block(memoryview(b"a\n\nb\n"), 0)
    assert caught.value.offset == 2
    assert "raised StopIteration" in str(caught.value.cause)


def test_an_error_that_would_not_come_again_is_told_with_its_line() -> None:
    seen = list[bytes]()

    def fail_once(line: bytes) -> bytes:
        seen.append(line)
        return b"%d" % (1 // (len(seen) - 1))

    combiner = LineMapper(fail_once).start()
    with pytest.raises(LineFailedError) as caught:
        combiner.map_block(memoryview(b"a\nb\n"), 0)
    assert (caught.value.offset, type(caught.value.cause)) == (0, ZeroDivisionError)
    assert seen == [b"a"]


def test_a_function_is_called_once_for_a_line_if_nothing_is_wrong() -> None:
    seen = Counter[bytes]()

    def note(line: bytes) -> list[bytes]:
        seen[line] += 1
        return [line]

    combiner = LineMapper(note).start()
    combiner.map_block(memoryview(b"a\nb\n"), 5)
    assert seen == {b"a": 1, b"b": 1}


def judged(key: bytes) -> Any:
    """Skip ``skip``, refuse what begins with ``bad``, and let other keys be their first byte."""
    if key.startswith(b"bad"):
        raise Malformed(f"{key!r} is bad")
    return SKIPPED if key == b"skip" else key[:1]


KEYS = st.sampled_from([b"a1", b"a2", b"b", b"", b"skip", b"bad1", b"bad2", b"-", b"junk"])


def first_key(line: bytes) -> Any:
    if line == b"junk":
        raise Malformed("junk")
    return None if line == b"-" else line


@given(st.lists(st.lists(KEYS, min_size=1, max_size=9), min_size=1, max_size=4), st.integers(0, 5))
@pytest.mark.parametrize("measures", [(), (Largest(),)])
def test_keys_are_mapped_skipped_and_refused(
    measures: tuple[Measure, ...], blocks: list[list[bytes]], wanted: int
) -> None:
    def with_value(line: bytes) -> Any:
        key = first_key(line)
        return [(key, 7)] if key is not None else []

    combiner = LineMapper(with_value if measures else first_key, measures, judged).start()
    expected, counted = Counter[bytes](), 0
    for block in blocks:
        text = b"\n".join([*block, b""])
        bad = [
            (offset, "junk" if line == b"junk" else f"{line!r} is bad")
            for offset, line in lines_of(text)
            if line.startswith((b"bad", b"junk"))
        ]
        tally = combiner.map_block(memoryview(text), wanted)
        skipped = block.count(b"-") + block.count(b"skip")
        assert (tally.lines, tally.skipped, tally.malformed) == (len(block), skipped, len(bad))
        assert tally.malformed_at == bad[:wanted]
        good = [line[:1] for line in block if not line.startswith((b"bad", b"junk", b"skip", b"-"))]
        expected.update(good)
        counted += len(good)
    assert drained(combiner) == (expected, counted)


def test_a_line_with_two_keys_cannot_be_mapped() -> None:
    combiner = LineMapper(bytes.split, map_key=judged).start()
    combiner.map_block(memoryview(b"a\n\nb\n"), 0)
    with pytest.raises(LineFailedError, match="more than one key") as caught:
        combiner.map_block(memoryview(b"a\na b\n"), 0)
    assert caught.value.offset == 2


def host_and_level(line: bytes) -> tuple[bytes, bytes] | None:
    host, _, level = line.partition(b" ")
    return (host, level) if level else None


def test_a_key_of_several_columns_is_a_tuple(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a x\nb y\na x\nlonely\n\n")
    job = KeyCount(LineMapper(host_and_level, columns=2), "x.csv", ("Host", "Level", "Count"))
    result = run(job, tmp_path / "log")
    assert list(result.tables[0].rows) == [("a", "x", 2), ("b", "y", 1)]
    assert (result.stats.counted, result.stats.skipped) == (3, 2)


def one_column(line: bytes) -> bytes:
    return line


def test_what_a_function_must_not_return_is_told_with_the_place_of_the_function(
    tmp_path: Path,
) -> None:
    (tmp_path / "log").write_bytes(b"a x\n")
    job = KeyCount(LineMapper(one_column, columns=2), "x.csv", ("Host", "Level", "Count"))
    line = one_column.__code__.co_firstlineno
    place = f"{re.escape(__file__)}, line {line}: the key b'a x' is no tuple of 2 bytes"
    with pytest.raises(TaskError, match=place):
        run(job, tmp_path / "log")
