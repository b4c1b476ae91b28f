"""A field mapper judges keys, not lines, and every line is counted, skipped or malformed."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from collections.abc import Callable

import pytest
from held import unpack
from hypothesis import example, given
from hypothesis import strategies as st
from naive import count_fields
from naive import lines_of as naive_lines_of
from promises import change, promise

from mapreduce import SKIPPED, FieldMapper, UsageError
from mapreduce.mapping.fields import FieldCombiner
from mapreduce.mapping.lines import lines_of
from mapreduce.mapping.mapper import Combiner, Judgement, Tally

VALUES = st.sampled_from([b"a", b"b", b"skip", b"bad", b"", b"\r", b"\0"])
LINES = st.lists(VALUES, max_size=4).map(b",".join)
BLOCKS = st.lists(
    st.lists(LINES, min_size=1, max_size=10).map(lambda lines: b"\n".join([*lines, b""])),
    min_size=1,
    max_size=4,
)


def judge(key: bytes) -> Judgement:
    """Skip keys that begin with ``skip`` and refuse those that begin with ``bad``."""
    if key.startswith(b"skip"):
        return SKIPPED
    return f"{key!r} is bad" if key.startswith(b"bad") else None


def started(*fields: int, width: int | None = None) -> Combiner:
    return FieldMapper(b",", fields, width, judge).start()


def sums(tallies: list[Tally]) -> tuple[int, int, int]:
    return (
        sum(tally.lines for tally in tallies),
        sum(tally.skipped for tally in tallies),
        sum(tally.malformed for tally in tallies),
    )


@given(BLOCKS, st.lists(st.integers(1, 3), min_size=1, max_size=3), st.sampled_from([None, 3]))
def test_every_line_is_counted_skipped_or_malformed(
    blocks: list[bytes], fields: list[int], width: int | None
) -> None:
    combiner = started(*fields, width=width)
    tallies = [combiner.map_block(memoryview(block), 0) for block in blocks]
    naive = count_fields(b"".join(blocks), b",", fields, width)
    judged = {kind: Counter[bytes]() for kind in ("counted", "skipped", "malformed")}
    for key, count in naive.keys.items():
        verdict = judge(key)
        kind = "counted" if verdict is None else "skipped" if verdict is SKIPPED else "malformed"
        judged[kind][key] = count
    counts, counted, skipped, _notes = combiner.drain()[:4]
    lines, told, malformed = sums(tallies)
    assert (lines, told + skipped, malformed) == (
        naive.lines,
        naive.empty + judged["skipped"].total(),
        naive.misshapen + judged["malformed"].total(),
    )
    assert (unpack(counts), counted) == (judged["counted"], judged["counted"].total())


@given(BLOCKS, st.integers(0, 5), st.sampled_from([None, 3]))
def test_the_first_malformed_lines_are_located(
    blocks: list[bytes], wanted: int, width: int | None
) -> None:
    combiner = started(2, 1, width=width)
    for block in blocks:
        alone = started(2, 1, width=width)  # judges every line by itself
        bad = [
            offset
            for offset, line in naive_lines_of(block)
            if alone.map_block(memoryview(line + b"\n"), 0).malformed
        ]
        tally = combiner.map_block(memoryview(block), wanted)
        assert [offset for offset, _reason in tally.malformed_at] == bad[:wanted]


@pytest.mark.parametrize(
    ("width", "line", "reason"),
    [
        (3, b"a,b", "2 fields where 3 are expected"),
        (3, b"a,b,c,d\r", "4 fields where 3 are expected"),
        (None, b"a", "1 fields where at least 2 are expected"),
        (3, b"x,bad\0,y", r"b'bad\x00,x' is bad"),
    ],
)
def test_a_reason_says_what_is_wrong(width: int | None, line: bytes, reason: str) -> None:
    block = b"fine,a,b\n" + line + b"\n"
    tally = started(2, 1, width=width).map_block(memoryview(block), 9)
    assert list(tally.malformed_at) == [(9, reason)]


def noting_judge() -> tuple[Counter[bytes], Callable[[bytes], Judgement]]:
    """Return a judge, and the list to which it adds the keys that it sees."""
    seen: Counter[bytes] = Counter()

    def judge_and_note(key: bytes) -> Judgement:
        seen[key] += 1
        return judge(key)

    return seen, judge_and_note


def test_a_key_is_judged_once_but_a_malformed_one_in_each_block() -> None:
    seen, judge_and_note = noting_judge()
    combiner = FieldMapper(b",", (1,), None, judge_and_note).start()
    for _ in range(3):
        combiner.map_block(memoryview(b"a\na\nbad\nbad\nskip\n"), 0)
        combiner.drain()
    assert seen == {b"a": 1, b"bad": 3, b"skip": 1}


def test_a_key_that_the_pattern_matches_whole_is_counted_without_a_judge() -> None:
    seen, judge_and_note = noting_judge()
    combiner = FieldMapper(b",", (1,), None, judge_and_note, re.compile(b"a[0-9]")).start()
    combiner.map_block(memoryview(b"a1\na\na12\nxa1\na1\na1\r\n"), 0)
    assert unpack(combiner.drain()[0]) == {b"a1": 3, b"a": 1, b"a12": 1, b"xa1": 1}
    assert seen == {b"a": 1, b"a12": 1, b"xa1": 1}


def test_a_mapper_is_a_value() -> None:
    mapper = FieldMapper(b",", (1, 2), 3, judge, re.compile(b"a"))
    assert pickle.loads(pickle.dumps(mapper)) == mapper  # noqa: S301 - our own
    assert len({mapper, FieldMapper(b",", (1, 2), 3, judge, re.compile(b"a"))}) == 1


@pytest.mark.parametrize(
    ("delimiter", "fields", "width"),
    [(b"::", (1,), None), (b"\n", (1,), None), (b",", (), None), (b",", (0,), 3), (b",", (4,), 3)],
)
def test_columns_that_cannot_be_are_refused_while_the_job_is_built(
    delimiter: bytes, fields: tuple[int, ...], width: int | None
) -> None:
    with pytest.raises((ValueError, UsageError)):
        FieldMapper(delimiter, fields, width)


@promise(
    "Only a line feed ends a line",
    broken_by=change(
        "mapreduce.mapping.lines:lines_of",
        "bytes(block)[:-1].split(b'\\n')",
        "bytes(block).splitlines()",
    ),
)
@given(st.binary(max_size=200) | BLOCKS.map(b"".join))
@example(b"")
@example(b"\r")
@example(b"a\r\r\n\x0b\x0c\x1c\x85\r\n")
def test_only_a_line_feed_ends_a_line(data: bytes) -> None:
    block = data + b"\n"
    assert list(lines_of(memoryview(block))) == list(naive_lines_of(block))


def test_a_line_without_the_expected_field_is_malformed_and_told() -> None:
    mapper = FieldMapper(b" ", (2,), 3, expected=(1, b"2"))
    tally = mapper.start().map_block(memoryview(b"2 a x\n3 a x\n2 b x\n"), 5)
    assert (tally.lines, tally.malformed, tally.keys) == (3, 1, 2)
    assert tally.malformed_at == [(6, "field 1 is '3', and not '2'")]


@pytest.mark.parametrize("summed", [(), (2,)])
def test_skipped_keys_take_bounded_memory_within_a_split(
    monkeypatch: pytest.MonkeyPatch, summed: tuple[int, ...]
) -> None:
    """A log may skip ever new keys, in a split of any size: neither table nor set may keep them."""
    monkeypatch.setattr("mapreduce.mapping.counting.REMEMBERED", 50)
    mapper = FieldMapper(b" ", (1,), 2, lambda _key: SKIPPED, summed=summed)
    combiner = mapper.start()
    assert isinstance(combiner, FieldCombiner)
    skipped = 0
    for number in range(20):
        block = b"".join(b"%d-%d 1\n" % (number, key) for key in range(30))
        skipped += combiner.map_block(memoryview(block), 0).skipped
        assert combiner._table.scan(memoryview(b"")).known <= 80
        assert len(combiner._skipped) <= 80
    drained = combiner.drain()
    assert (skipped + drained.skipped, drained.counted) == (600, 0)
