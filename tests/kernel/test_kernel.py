"""Each kernel counts fields exactly as the naive counter does, block after block."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeAlias

import pytest
from held import columns, merge, unpack
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive import FieldCounts, count_fields
from promises import change, promise

from mapreduce import kernel

Columns: TypeAlias = tuple[bytes, tuple[int, ...], int | None]
"""Delimiter, fields, width."""

KERNELS = ["pure", *kernel.VARIANTS]
"""The reference, and every native variant that this machine can run."""

every_kernel = pytest.mark.parametrize(
    "table", [kernel.choose(name)[1] for name in KERNELS], ids=KERNELS
)


fewer = settings(max_examples=settings().max_examples // 2)
"""Each kernel has as many examples of its own."""


def drained(table: kernel.Table) -> Counter[bytes]:
    return unpack(table.drain())


DELIMITERS = st.sampled_from([b" ", b",", b"\t", b"\0", b"\xff"]) | st.integers(0, 255).map(
    lambda byte: bytes([byte])
).filter(lambda byte: byte not in b"\r\n")


@st.composite
def chosen_columns(draw: st.DrawFn) -> Columns:
    fields = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    width = draw(st.none() | st.integers(max(fields), max(fields) + 3))
    if draw(st.booleans()):
        fields = (*fields[:-1], -fields[-1])  # and all behind it
    return draw(DELIMITERS), fields, width


@st.composite
def tables_and_blocks(draw: st.DrawFn) -> tuple[Columns, list[bytes]]:
    r"""Return columns and blocks of ended lines, most of the width that is asked for."""
    delimiter, _fields, width = chosen = draw(chosen_columns())
    value = st.binary(max_size=3) | st.sampled_from([b"a", b"b", b"", b"\r", b"0123456789" * 8])
    usual = width or draw(st.integers(1, 8))
    proper = st.lists(value, min_size=usual, max_size=usual).map(delimiter.join)
    improper = st.lists(value, max_size=8).map(delimiter.join) | st.just(delimiter * 200)
    lines = draw(st.sampled_from([proper, proper | improper]))
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    block = st.lists(lines, min_size=1, max_size=12).map(lambda some: end.join([*some, b""]))
    return chosen, draw(st.lists(block, min_size=1, max_size=5))


def scanned(table: Any, blocks: list[bytes]) -> FieldCounts:
    """Return what a table says of some blocks and then drains."""
    found = FieldCounts()
    for block in blocks:
        scan = table.scan(memoryview(block))
        found.lines += scan.lines
        found.empty += scan.empty
        found.misshapen += scan.misshapen
    found.keys = drained(table)
    return found


@promise(
    "A carriage return before the line feed is no part of the last field",
    broken_by=change(
        "mapreduce.kernel._pure:FieldTable._chosen_by_line", "ended.removesuffix(b'\\r')", "ended"
    ),
)
@every_kernel
@fewer
@given(tables_and_blocks())
@example(((b" ", (1, 2), 2), [b"a b c\nd\n"]))  # as many delimiters as two lines of two fields
@example(((b" ", (2,), 2), [b"a\nb\nc d e f\n"]))
@example(((b" ", (3,), 3), [b"a b c\n\n\n"]))
@example(((b",", (3, 1, 1), 3), [b"a,b,c\r\r\nd,e,\r\n"]))
@example(((b",", (1,), 1), [b"a\r\n\r\nb,c\n"]))
@example(((b" ", (1,), None), [b"a b\n", b"a\n", b"\r\n \n"]))
def test_a_kernel_counts_what_the_naive_counter_counts(
    table: Any, case: tuple[Columns, list[bytes]]
) -> None:
    chosen, blocks = case
    assert scanned(table(*chosen), blocks) == count_fields(b"".join(blocks), *chosen)


@every_kernel
@fewer
@given(chosen_columns(), st.binary(min_size=1, max_size=200))
def test_a_kernel_counts_any_bytes(table: Any, chosen: Columns, data: bytes) -> None:
    block = data + b"\n"
    assert scanned(table(*chosen), [block]) == count_fields(block, *chosen)


@every_kernel
@fewer
@given(tables_and_blocks(), st.binary(max_size=70), st.binary(max_size=70))
def test_a_kernel_sees_nothing_beside_its_block(
    table: Any, case: tuple[Columns, list[bytes]], before: bytes, after: bytes
) -> None:
    chosen, (block, *_) = case
    around = memoryview(before + block + after)[len(before) : len(before) + len(block)]
    inside = table(*chosen)
    inside.scan(around)
    assert drained(inside) == count_fields(block, *chosen).keys


@every_kernel
@pytest.mark.parametrize(("fields", "width"), [((1,), 2), ((1, 3), None), ((-2,), None)])
def test_a_block_without_lines_changes_nothing(
    table: Any, fields: tuple[int, ...], width: int | None
) -> None:
    tested = table(b" ", fields, width)
    tested.scan(memoryview(b"a b\n" if width else b"a b c\n"))
    before = tested.scan(memoryview(b""))
    assert (before.empty, before.misshapen, list(before.fresh), before.known) == (0, 0, [], 1)
    assert sum(drained(tested).values()) == 1


@every_kernel
@fewer
@given(tables_and_blocks(), st.data())
def test_a_key_is_fresh_until_it_is_known_and_again_once_forgotten(
    table: Any, case: tuple[Columns, list[bytes]], data: st.DataObject
) -> None:
    chosen, blocks = case
    tested, known, counts = table(*chosen), set[bytes](), Counter[bytes]()
    for block in blocks:
        keys = count_fields(block, *chosen).keys
        fresh = tested.scan(memoryview(block)).fresh
        assert sorted(fresh) == sorted(keys.keys() - known)
        known, counts = known | set(keys), counts + keys
        forgotten = [key for key in sorted(known) if data.draw(st.booleans(), label="forget")]
        assert tested.forget(forgotten) == [counts[key] for key in forgotten]
        known -= set(forgotten)
        counts = Counter({key: count for key, count in counts.items() if key in known})
        if data.draw(st.booleans(), label="drain"):
            assert drained(tested) == counts
            counts.clear()
    assert drained(tested) == counts


WEIGHTS = st.one_of(
    st.integers(0, 10**19 - 1).map(lambda number: b"%d" % number),
    st.sampled_from([b"0", b"7", b"00042", b"9" * 16, b"9" * 17, b"9" * 19, b"9" * 20, b"0" * 20]),
    st.sampled_from([b"-", b"", b"+1", b"-1", b"1_0", b" 1", b"1/", b"1:", b"x" * 100]),
    st.binary(max_size=18),
)


def drained_columns(table: kernel.Table) -> list[dict[bytes, int]]:
    """Return the counts and the sums, those of 0 left out."""
    counts, *sums = columns(table.drain())
    assert all(list(column) == list(counts) for column in sums)
    return [dict(counts), *({k: n for k, n in column.items() if n} for column in sums)]


@every_kernel
@fewer
@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c" * 40]), WEIGHTS, WEIGHTS), min_size=1),
    st.sampled_from([(2,), (3,), (3, 2), (1,), (2, 2, 3)]),
    st.tuples(st.sampled_from([(1,), (1, 2)]), st.sampled_from([None, 3])),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_weights_are_summed_by_key_and_what_is_no_number_goes_with_the_key(
    table: Any,
    rows: list[tuple[bytes, bytes, bytes]],
    weights: tuple[int, ...],
    shape: tuple[tuple[int, ...], int | None],
    end: bytes,
) -> None:
    lines = [b",".join(part.translate(None, b",\r\n") for part in row) + end for row in rows]
    tested = table(b",", *shape, weights)
    parts, naive = [], FieldCounts(sums=[{} for _ in weights])
    for block in (b"".join(lines), b"".join(lines[::-1]) + b"\nshort\n"):
        more = count_fields(block, b",", *shape, weights)
        scan = tested.scan(memoryview(block))
        assert (scan.lines, scan.empty, scan.misshapen) == (more.lines, more.empty, more.misshapen)
        parts.append(tested.drain())
        naive.keys += more.keys
        for sums, others in zip(naive.sums, more.sums, strict=True):
            sums.update({key: sums.get(key, 0) + number for key, number in others.items()})
    whole = merge(*parts)
    assert len(whole) == len(naive.keys)
    assert whole.lines == naive.keys.total()
    counts, *found = columns(whole)
    assert counts == naive.keys
    assert [{k: n for k, n in column.items() if n} for column in found] == naive.sums


ALMOST_DIGITS = [*b"\x00\x01\x09\x0f\x10\x19\x1a\x20+-./:;?@AIP_p\x7f\xb0\xb9\xf5\xff"]
"""Bytes that a careless test for digits takes for one; no delimiter and no line end among them."""


@every_kernel
@pytest.mark.parametrize("length", range(1, 20))
def test_one_byte_that_is_no_digit_anywhere_in_a_weight_keeps_it_out_of_the_sums(
    table: Any, length: int
) -> None:
    digits = b"1234567890987654321"[:length]
    weights = [
        digits[:at] + b"%c" % byte + digits[at + 1 :]
        for at in range(length)
        for byte in ALMOST_DIGITS
    ]
    block = b"".join(b"k,%b,x\n" % weight for weight in [digits, *weights, digits])
    tested = table(b",", (1,), 3, (2,))
    tested.scan(memoryview(block + b"filler,1,x\n" * 20))
    counts, sums = drained_columns(tested)
    assert sums == {b"k": 2 * int(digits), b"filler": 20}
    assert counts == Counter([b"k", b"k", *[b"filler"] * 20, *(b"k\n" + odd for odd in weights)])


@every_kernel
@pytest.mark.parametrize("stem", [b"", b"k", b"k" * 8, b"k" * 16, b"k" * 20, b"k" * 40], ids=len)
def test_keys_that_differ_only_in_zeros_at_their_ends_are_different_keys(
    table: Any, stem: bytes
) -> None:
    keys = [stem + bytes(zeros) for zeros in range(20)]
    block = b"".join(b"%b,x\n" % key * (1 + n) for n, key in enumerate(keys))
    tested = table(b",", (1,), 2)
    assert sorted(tested.scan(memoryview(block + b"~,x\n" * 20)).fresh) == [*keys, b"~"]
    assert tested.forget(keys[::2]) == [*range(1, 21, 2)]
    left = {key: 1 + n for n, key in enumerate(keys) if n % 2}
    assert drained(tested) == left | {b"~": 20}


@promise(
    "Sums beyond 64 bits are exact in the kernels",
    broken_by=change(
        "mapreduce.kernel._pure:FieldTable._weigh",
        "sums[key] += weight",
        "sums[key] = (sums[key] + weight) % 2 ** 64",
    ),
)
@every_kernel
def test_sums_are_exact_beyond_64_bits_and_start_again_after_a_drain(table: Any) -> None:
    tested = table(b" ", (1,), 2, (2,))
    largest = 10**19 - 1
    block = memoryview(b"a %d\nb 1\n" % largest * 1000)
    tested.scan(block)
    assert drained_columns(tested) == [{b"a": 1000, b"b": 1000}, {b"a": 1000 * largest, b"b": 1000}]
    tested.scan(block)
    first = tested.drain()
    tested.scan(memoryview(b"b 5\n"))
    merged = columns(merge(first, tested.drain()))
    assert merged == [{b"a": 1000, b"b": 1001}, {b"a": 1000 * largest, b"b": 1005}]


@every_kernel
def test_the_sums_of_a_forgotten_key_are_forgotten_too(table: Any) -> None:
    tested = table(b" ", (1,), 2, (2,))
    tested.scan(memoryview(b"a 5\nb 6\n"))
    assert tested.forget([b"a"]) == [1]
    tested.scan(memoryview(b"a 7\n"))
    assert drained_columns(tested) == [{b"a": 1, b"b": 1}, {b"a": 7, b"b": 6}]


@every_kernel
def test_many_keys_of_all_lengths_keep_their_sums_as_the_table_grows(table: Any) -> None:
    keys = {b"%d%b" % (n, b"k" * (n % 50)): n for n in range(20_000)}
    tested = table(b" ", (1,), 3, (2, 3))
    for _ in range(3):
        tested.scan(memoryview(b"".join(b"%b %d %d\n" % (k, n, 2 * n) for k, n in keys.items())))
    tested.forget(dropped := list(keys)[::3])
    counts, ones, twos = columns(tested.drain())
    left = keys.keys() - set(dropped)
    assert counts == dict.fromkeys(left, 3)
    assert ones == {key: 3 * keys[key] for key in left}
    assert twos == {key: 6 * keys[key] for key in left}


@every_kernel
def test_a_drained_counter_holds_no_zeros_and_is_the_caller_s_own(table: Any) -> None:
    tested = table(b" ", (1,), None)
    tested.scan(memoryview(b"a\nb\n"))
    first = drained(tested)
    first[b"a"] = 99
    tested.scan(memoryview(b"b\n"))
    assert list(drained(tested).items()) == [(b"b", 1)]


@every_kernel
def test_a_kernel_keeps_no_hold_of_a_block(table: Any) -> None:
    buffer = bytearray(b"left right\n")
    tested = table(b" ", (1, 2), 2)
    with memoryview(buffer) as block:
        scan = tested.scan(block)
    buffer[:] = b"other"  # a BufferError if something still looked at it
    assert scan.fresh == [b"left right"]
    assert drained(tested) == {b"left right": 1}


@every_kernel
def test_many_distinct_keys_are_all_counted(table: Any) -> None:
    keys = {b"%d" % number: number % 3 + 1 for number in range(20_000)}
    tested = table(b" ", (2,), 2)
    for repeat in range(3):
        lines = [b"x %b\n" % key for key, count in keys.items() if count > repeat]
        tested.scan(memoryview(b"".join(lines)))
    assert drained(tested) == keys


@every_kernel
@pytest.mark.parametrize(
    "arguments",
    [
        (b"", (1,), None),
        (b"ab", (1,), None),
        (b"\n", (1,), None),
        (b"\r", (1,), None),
        (b" ", (), None),
        (b" ", (0,), None),
        (b" ", (-1, 2), None),
        (b" ", (1, -3), 2),
        (b" ", (1, 3), 2),
        (b" ", (1,), 0),
        (b" ", (1,), None, (0,)),
        (b" ", (1,), 2, (3,)),
        (b" ", (1,), None, (1,) * 9),
    ],
)
def test_columns_that_cannot_be_are_refused(table: Any, arguments: Columns) -> None:
    with pytest.raises(ValueError, match=r"delimiter|fields"):
        table(*arguments)
