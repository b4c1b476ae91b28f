"""A line mapper counts the keys that a function finds in each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import lines_of

from mapreduce import Largest, LineMapper, Malformed, Measure, Totals
from mapreduce.mapping.mapper import Drained, LineFailedError
from mapreduce.reducing.totals import EMPTY

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
    assert combiner.drain() == Drained(Totals.of(keys), len(good) - good.count([]))


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
    assert combiner.drain() == Drained(Totals.of({b"b": 1}), 1)


def test_a_drained_combiner_starts_again_from_zero() -> None:
    combiner = LineMapper(words).start()
    combiner.map_block(memoryview(b"a a\n"), 0)
    assert combiner.drain() == Drained(Totals.of({b"a": 2}), 1)
    assert combiner.drain() == Drained(EMPTY, 0)


def test_any_other_exception_is_the_job_s_own() -> None:
    combiner = LineMapper(lambda line: [b"%d" % int(line)]).start()
    with pytest.raises(LineFailedError) as caught:
        combiner.map_block(memoryview(b"1\nx\n"), 1)
    assert caught.value.offset == 2
    assert isinstance(caught.value.cause, ValueError)


def nothing(_line: bytes) -> Any:
    return None


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
        (nothing, (), "the function returned None, and must return a list of keys; [] skips"),
        (text, (), "the key 'x' is str, and keys are bytes: return a list of them"),
        (pairs, (), "the key (b'x', 1) is a tuple: only a mapper that has measures takes tuples"),
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
