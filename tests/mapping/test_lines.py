"""A line mapper counts the keys that a function finds in each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import lines_of

from mapreduce import LineMapper, Malformed, Totals
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
