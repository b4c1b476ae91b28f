"""A job's function maps each distinct raw key, once in a worker, and loses no line and no value."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from engine_runs import run_split
from held import unpack
from hypothesis import given
from hypothesis import strategies as st
from naive import lines_of
from promises import change, promise

from mapreduce import (
    SKIPPED,
    BlockMapper,
    KeyCount,
    Largest,
    Malformed,
    Mapper,
    Sum,
    Totals,
    WordMapper,
)
from mapreduce.mapping import keys as keys_module
from mapreduce.mapping.keys import KeyMap, KeyMapping
from mapreduce.mapping.mapper import KeyFailedError, LineFailedError


def first_byte(key: bytes) -> bytes:
    return key[:1]


@given(
    st.dictionaries(
        st.binary(max_size=2), st.tuples(st.integers(1, 9), st.integers(), st.integers())
    )
)
def test_raw_keys_that_become_equal_are_added_up_with_their_measures(
    held: dict[bytes, tuple[int, int, int]],
) -> None:
    measures = (Sum(), Largest())
    columns = [{key: row[at] for key, row in held.items()} for at in range(3)]
    mapped = KeyMapping(KeyMap(first_byte)).map_totals(Totals([*columns], measures))
    expected: dict[bytes, tuple[int, int, int]] = {}
    for key, (count, one, two) in held.items():
        known = expected.get(key[:1], (0, 0, two))
        expected[key[:1]] = (known[0] + count, known[1] + one, max(known[2], two))
    assert mapped.columns() == [{k: row[at] for k, row in expected.items()} for at in range(3)]
    assert mapped.measures == measures


@promise(
    "A worker maps each distinct key once",
    broken_by=change(
        "mapreduce.mapping.keys:KeyMapping._mapped", "self._known[key] = mapped", "..."
    ),
)
def test_a_worker_maps_each_distinct_key_once() -> None:
    seen = Counter[bytes]()

    def note(key: bytes) -> Any:
        seen[key] += 1
        return SKIPPED if key == b"skip" else key.lower()

    combiner = WordMapper(note).start()
    for _ in range(3):
        combiner.map_block(memoryview(b"a A skip\nA b\n"), 0)
        assert unpack(combiner.drain().totals) == {b"a": 3, b"b": 1}
    assert seen == {b"a": 1, b"A": 1, b"b": 1, b"skip": 1}


def test_mapped_keys_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "REMEMBERED", 50)
    mapping = KeyMapping(KeyMap(first_byte))
    keys = [b"%d" % number for number in range(1000)]
    assert mapping.refused(keys) == {}
    assert len(mapping._known) <= 50
    mapped = mapping.map_totals(Totals([dict.fromkeys(keys, 1)]))
    assert unpack(mapped) == Counter(key[:1] for key in keys)


@pytest.mark.parametrize(
    ("returned", "columns", "message"),
    [
        ("a", 1, "the function returned 'a', and must return bytes or SKIPPED"),
        ((b"a", b"b"), 1, "and must return bytes or SKIPPED"),
        (b"a", 2, "the function returned b'a', and must return a tuple of 2 bytes or SKIPPED"),
        ((b"a",), 2, "and must return a tuple of 2 bytes or SKIPPED"),
        ((b"a", "b"), 2, "and must return a tuple of 2 bytes or SKIPPED"),
        ((b"a", b"b\n"), 2, "a column has a line feed"),
    ],
)
def test_what_map_key_must_return_is_told(returned: Any, columns: int, message: str) -> None:
    mapping = KeyMapping(KeyMap(lambda _key: returned, columns))
    with pytest.raises(KeyFailedError) as caught:
        mapping.judge(b"k")
    assert caught.value.key == b"k"
    assert message in str(caught.value.cause)


@pytest.mark.parametrize(
    ("mapper", "offset"),
    [
        (WordMapper(lambda word: b"%d" % (1 // (word != b"bad"))), 5),
        (BlockMapper(bytes.splitlines, map_key=lambda key: b"%d" % (1 // (key != b"bad"))), 11),
    ],
)
def test_an_error_of_map_key_names_the_line(mapper: Mapper, offset: int) -> None:
    with pytest.raises(LineFailedError) as caught:
        mapper.start().map_block(memoryview(b"abad\nx bad\nbad\n"), 0)
    assert caught.value.offset == offset
    assert isinstance(caught.value.cause, ZeroDivisionError)


def refuse_words(_word: bytes) -> bytes:
    raise Malformed("bad")


def test_a_word_cannot_be_malformed() -> None:
    with pytest.raises(LineFailedError) as caught:
        WordMapper(refuse_words).start().map_block(memoryview(b"\na\n"), 0)
    assert caught.value.offset == 1
    assert "a word can only be skipped" in str(caught.value.cause)


LINES = st.lists(st.sampled_from([b"a;1", b"b;2", b"a;3", b"-", b"skip;1", b"bad;1", b"a;1\r"]))


def pairs_of(block: bytes) -> list[tuple[bytes, ...]]:
    rows = [line.removesuffix(b"\r").split(b";") for line in block.split(b"\n")[:-1]]
    return [tuple(row) for row in rows if len(row) == 2]


def swap(left: bytes, right: bytes) -> Any:
    if left == b"bad":
        raise Malformed("left is bad")
    return SKIPPED if left == b"skip" else (right, left)


@given(st.lists(LINES, min_size=1, max_size=4), st.integers(0, 4))
def test_the_columns_of_the_keys_of_a_block_are_mapped(
    blocks: list[list[bytes]], wanted: int
) -> None:
    combiner, expected = BlockMapper(pairs_of, 2, swap).start(), Counter[bytes]()
    for block in blocks:
        text = b"".join(line + b"\n" for line in block)
        tally = combiner.map_block(memoryview(text), wanted)
        bad = [(at, "left is bad") for at, line in lines_of(text) if line.startswith(b"bad")]
        skipped = block.count(b"-") + block.count(b"skip;1")
        assert (tally.lines, tally.skipped, tally.malformed) == (len(block), skipped, len(bad))
        assert list(tally.malformed_at) == bad[:wanted]
        good = [line.strip() for line in block if line[:1] in b"ab" and line != b"bad;1"]
        expected.update(line[2:] + b"\n" + line[:1] for line in good)
    drained = combiner.drain()
    assert (unpack(drained.totals), drained.counted) == (expected, expected.total())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda block: [block] * 3, "map_block returned 3 keys for 2 lines"),
        (lambda block: block, r"map_block returned b'a\\nb\\n', and must return a list of keys"),
        (lambda _block: None, "map_block returned None, and must return a list of keys"),
        (lambda _block: [b"a", "b"], "of the list that map_block returned, item 1 is not bytes"),
        (lambda _block: [b"a", None], "of the list that map_block returned, item 1 is not bytes"),
    ],
)
def test_what_a_block_function_must_return_is_told(function: Any, message: str) -> None:
    combiner = BlockMapper(function).start()
    with pytest.raises((TypeError, ValueError), match=message):
        combiner.map_block(memoryview(b"a\nb\n"), 0)


def test_a_block_function_skips_the_lines_that_it_gives_no_key_for() -> None:
    combiner = BlockMapper(lambda block: (w for w in block.split(b"\n") if w)).start()
    tally = combiner.map_block(memoryview(b"a\n\na\n"), 0)
    assert (tally.lines, tally.skipped, tally.malformed, tally.keys) == (3, 1, 0, 1)
    assert unpack(combiner.drain().totals) == {b"a": 2}


def test_columns_of_a_block_function_are_columns_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a;1\nskip;1\na;1\nb;1\n")
    job = KeyCount(BlockMapper(pairs_of, 2, swap), "pairs.csv", ("Right", "Left", "Count"))
    result = run_split([path], job)
    assert list(result.tables[0].rows) == [("1", "a", 2), ("1", "b", 1)]
    assert (result.stats.counted, result.stats.skipped) == (3, 1)


@pytest.mark.parametrize(("columns", "key_columns"), [(0, 0), (1, 2)])
def test_columns_that_cannot_be_are_refused(columns: int, key_columns: int) -> None:
    with pytest.raises(ValueError, match="column"):
        BlockMapper(pairs_of, columns, key_columns=key_columns)
