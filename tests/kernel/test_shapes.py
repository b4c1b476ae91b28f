"""Shapes of lines: every kernel splits and counts them as naive readers do, whatever the bytes."""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import pytest
from held import columns as columns_of
from hypothesis import example, given
from hypothesis import strategies as st
from naive_shapes import Question, count_shaped, split_access, split_csv
from promises import change, change_text, promise

from mapreduce import kernel
from mapreduce.kernel.misshapen import Misshapen
from mapreduce.kernel.shaped import shape_table
from mapreduce.kernel.shapes import AccessLog, Blanks, Chosen, Cut, Plain, Quoted, Shape

KERNELS: Final = [*kernel.VARIANTS, "pure"]
every_kernel = pytest.mark.parametrize("name", KERNELS)
SHAPES: Final[dict[str, Shape]] = {
    "quoted": Quoted(b","),
    "access": AccessLog(),
    "blanks": Blanks(),
    "plain": Plain(b","),
}
EDGES: Final = [*range(60, 68), *range(126, 131)]
"""Places of bytes around the ends of the windows that the native kernel examines."""
ODD_QUOTES: Final = b'"a""b",1\n"","\n"a"x,1\na"b,"c"\n"a\n'
REQUEST: Final = b'h - u [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.0" 200 %b "-" "Mo (x)"'


def shape_of(asked: Question) -> Shape:
    makers: dict[str, Any] = {"quoted": Quoted, "plain": Plain}
    kind = asked.shape
    return makers[kind](asked.delimiter) if kind in makers else SHAPES[kind]


def part_of(key: Chosen) -> tuple[int, int, bytes, int]:
    cut = key if isinstance(key, Cut) else Cut(key)
    return (cut.field, cut.skip, cut.until, cut.length)


def hold_to_oracle(name: str, kind: str, block: bytes, keys: list[Chosen], **more: Any) -> None:
    """Count a block twice with one kernel, and compare all figures with the naive count."""
    asked = Question(kind, [*map(part_of, keys)], **more)
    naive = count_shaped(block, asked)
    table = shape_table(shape_of(asked), keys, asked.weights, asked.width, name=name)
    scan = table.scan(memoryview(block))
    assert (scan.lines, scan.empty, scan.misshapen) == (naive.lines, naive.empty, naive.misshapen)
    assert sorted(scan.fresh) == sorted(naive.keys)
    assert scan.known == len(naive.keys)
    assert table.scan(memoryview(block)).fresh == []
    counts, *sums = columns_of(table.drain())
    assert counts == {key: 2 * count for key, count in naive.keys.items()}
    doubled = [{key: 2 * value for key, value in column.items() if value} for column in naive.sums]
    assert [{**+column} for column in sums] == doubled


def joined(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(b"".join)


digits = st.from_regex(rb"[0-9]{1,25}", fullmatch=True)
long = st.sampled_from([0, 1, 7, 31, 32, 33, 61, 62, 63, 64, 65, 126, 127, 128, 300, 5000]).map(
    lambda size: b"x" * size
)
lengths = st.sampled_from(EDGES).map(lambda size: b"y" * size)
texts = st.sampled_from([b"", b"a", b"b c", b"-", b"\xff", b"\\", b"?", b"\r", b"\0"]) | lengths
signs: Final = {
    "quoted": b'"",,,ab1\r\t 1234',
    "plain": b'",,,ab1\r 1234',
    "access": b'"[]\\ ab1\r\t',
    "blanks": b"   \tab1\r",
}


def of_signs(kind: str) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from([*map(bytes, zip(signs[kind]))]), max_size=140).map(b"".join)


def in_quotes(text: bytes) -> bytes:
    return b'"%b"' % text.replace(b'"', b'""')


csv_values = st.one_of(
    digits, texts, long, digits.map(in_quotes), joined(texts, of_signs("quoted")).map(in_quotes)
)
csv_lines = st.lists(csv_values, min_size=1, max_size=6).map(b",".join)
tails = st.sampled_from([b"", b" x", b"\\", b'"', b" [a b]", b' "\\""', b' "', b" [", b"]"])
times = st.sampled_from([b"[10/Oct/2000:13:55:36 -0700]", b"[]", b"x", b"", b"[a]b", b"[[]"])
requests = st.sampled_from([b'"GET /a?b=1 HTTP/1.0"', b'"-"', b'""', b'"\\""', b"GET", b'"a"b'])
plain = st.sampled_from([b"h", b"", b"::1", b"200", b"-", b"a]", b'a"b', b"a[b", b"x" * 45])
access_lines = st.one_of(
    joined(digits.map(lambda text: REQUEST % text), tails),
    st.tuples(plain, plain, plain, times, requests, plain, plain | digits, requests).map(b" ".join),
)
blanks = st.sampled_from([b" ", b"\t", b"  \t ", b" " * 61, b" " * 63, b" " * 64])
blank_lines = st.lists(joined(blanks, texts | digits), max_size=6).map(b"".join) | blanks
lines_of: Final = {
    "quoted": csv_lines,
    "plain": csv_lines,
    "access": access_lines,
    "blanks": blank_lines,
}
ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n", b"\r\r\n"])


def blocks_of(kind: str) -> st.SearchStrategy[bytes]:
    whole = st.lists(joined(lines_of[kind] | of_signs(kind), ends), max_size=8).map(b"".join)
    return joined(whole, st.just(b"") | of_signs(kind))


numbers = st.integers(1, 6)
cuts = st.builds(
    Cut,
    numbers,
    st.integers(0, 3),
    st.sampled_from([b"", b" ", b"?", b" ?", b"x1"]),
    st.sampled_from([0, 0, 1, 14, 70]),
)
questions = {
    "keys": st.lists(numbers | cuts, min_size=1, max_size=4),
    "weights": st.lists(numbers, max_size=3).map(tuple),
    "width": st.sampled_from([None, None, 6, 9]),
}


@promise(
    "Fields in quotes are read as Python's csv module reads them",
    broken_by=change_text("mapreduce/kernel/_shape_variant.h", "delimiters &= ~inside;", ";"),
)
@every_kernel
@given(block=blocks_of("quoted"), delimiter=st.sampled_from([b",", b"\t"]), **questions)
@example(
    block=b'"a""b",1\n"","\n"a"x,1\na"b,"c"\n"a\n',
    delimiter=b",",
    keys=[1],
    weights=(2,),
    width=None,
)
def test_every_kernel_reads_quotes_as_python_does(name: str, block: bytes, **question: Any) -> None:
    hold_to_oracle(name, "quoted", block, **question)


@every_kernel
@given(block=blocks_of("plain"), **questions)
def test_every_kernel_takes_quotes_for_text_where_they_mean_nothing(
    name: str, block: bytes, **question: Any
) -> None:
    hold_to_oracle(name, "plain", block, **question)


@promise(
    "Access logs are split at the blanks that are not in quotes or brackets",
    broken_by=change_text(
        "mapreduce/kernel/_shape_variant.h", "return blanks & ~inside;", "return blanks & ~quoted;"
    ),
)
@every_kernel
@given(block=blocks_of("access"), **questions)
@example(block=REQUEST % b"1" + b'"\n', keys=[9], weights=(), width=None)
def test_every_kernel_reads_access_logs_as_a_naive_loop_does(
    name: str, block: bytes, **question: Any
) -> None:
    hold_to_oracle(name, "access", block, **question)


@promise(
    "A line of blanks is skipped, wherever a window of the kernel ends",
    broken_by=change_text(
        "mapreduce/kernel/_shape_variant.h", "kind == BLANKS && fields == 0", "0"
    ),
)
@every_kernel
@given(block=blocks_of("blanks"), **questions)
@example(block=b" " * 63 + b"\r\n", keys=[1], weights=(), width=None)
def test_every_kernel_reads_runs_of_blanks_as_a_naive_loop_does(
    name: str, block: bytes, **question: Any
) -> None:
    hold_to_oracle(name, "blanks", block, **question)


@every_kernel
@pytest.mark.parametrize("sign", [b'"', b'""', b'",', b',"', b"\r", b'"\r', b'""\r', b'"x'])
def test_quotes_may_stand_wherever_a_window_ends(name: str, sign: bytes) -> None:
    block = bytearray()
    for place in EDGES:
        for before in (b"", b'"', b'a,"', b"a,"):
            block += before.ljust(place, b"z") + sign + b"\n" + before.ljust(place, b"z") + sign
            block += b'"\r\n' + before.ljust(place, b"z") + sign + b'",7\n'
    for line in bytes(block).splitlines(keepends=True):
        hold_to_oracle(name, "quoted", line, [1])
    hold_to_oracle(name, "quoted", bytes(block), [1, 2], weights=(2,))
    hold_to_oracle(name, "quoted", bytes(block[:-1]), [1])


@every_kernel
@pytest.mark.parametrize("sign", [*map(bytes, zip(b'[]"\\\rx')), b'\\"', b'" ', b"] ", b'"\r'])
def test_brackets_may_stand_wherever_a_window_ends(name: str, sign: bytes) -> None:
    head = b'h - - [t] "'
    for place in EDGES:
        for tail in (b"", b'"', b' 2 3 "a"', b'" 2 3 [b]', b'" 2 3 "x\\"'):
            line = head.ljust(place, b"z") + sign + tail
            for end in (b"\n", b"\r\n", b""):
                hold_to_oracle(name, "access", line + end, [5, Cut(5, 1)], weights=(7,))


@every_kernel
@pytest.mark.parametrize("kind", ["quoted", "plain", "access", "blanks"])
@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 63, 64, 65, 5000])
def test_values_have_any_length(name: str, kind: str, size: int) -> None:
    value = b"v" * size
    line = {
        "quoted": b'"%b",%b,"9"\n' % (value, value),
        "plain": b'"%b",%b,"9"\n' % (value, value),
        "access": b'%b - %b [%b] "%b" 9 9\n' % (value, value, value, value),
        "blanks": b"%b  %b\t9\n" % (value, value),
    }[kind]
    hold_to_oracle(name, kind, line * 40, [2, 1, Cut(1, length=3)], weights=(3,))


@every_kernel
@pytest.mark.parametrize("kind", ["quoted", "plain", "blanks"])
def test_lines_have_many_fields(name: str, kind: str) -> None:
    row = [b'"%d"' % number if number % 3 else b"%d" % number for number in range(1, 1001)]
    line = (b" " if kind == "blanks" else b",").join(row) + b"\n"
    hold_to_oracle(name, kind, line * 3, [1000, 1, 500], weights=(999,), width=1000)
    hold_to_oracle(name, kind, line * 3, [1], width=999)
    hold_to_oracle(name, kind, line * 3, [1001])


@promise(
    "A sum is exact however many digits its numbers have, in quotes or not",
    broken_by=change_text("mapreduce/kernel/_weight.h", "MAX_DIGITS = 19", "MAX_DIGITS = 20"),
)
@every_kernel
@pytest.mark.parametrize("quotes", [b"%b", b'"%b"'])
@pytest.mark.parametrize("size", range(26))
def test_weights_have_any_number_of_digits(name: str, quotes: bytes, size: int) -> None:
    nines = quotes % (b"9" * size)
    block = b"".join(b"a,%b,%b\n" % (nines, other) for other in (b"1", nines, b"x", b'"1"'))
    for kind in ("quoted", "plain"):
        hold_to_oracle(name, kind, block, [1], weights=(2, 3))
        hold_to_oracle(name, kind, block, [1], weights=(2,))


@pytest.mark.parametrize("kind", [*SHAPES])
@given(data=st.data())
def test_a_shape_says_why_a_line_is_malformed_and_splits_no_other(
    kind: str, data: st.DataObject
) -> None:
    line = data.draw(lines_of[kind] | of_signs(kind)).replace(b"\n", b"")
    naive = {"quoted": lambda: split_csv(line, b","), "access": lambda: split_access(line)}
    reason = "-"
    try:
        values: Any = list(SHAPES[kind].split(line)) if line else None
    except Misshapen as error:
        values, reason = None, str(error)
    assert reason
    if kind in naive:
        assert values == (naive[kind]() if line else None)


@promise(
    "A line whose quotes are not closed is malformed, with a reason that says so",
    broken_by=change("mapreduce.kernel.shapes:Quoted._quoted", "end < 0", "False"),
)
@pytest.mark.parametrize(
    ("shape", "line", "reason"),
    [
        (Quoted(b","), b'a,"b', "the quotes of field 2 are not closed in this line"),
        (Quoted(b","), b'"a"b,c', "field 1 goes on after its closing quote"),
        (AccessLog(), b"h - u [t", r"field 4 begins with \[ and does not end"),
        (AccessLog(), b'h - u [t] "GET', 'field 5 begins with " and does not end'),
        (AccessLog(), b'h - u [t]x "GET"', "field 4 goes on after its closing ]"),
        (AccessLog(), b'h - u [t] "GET"x', 'field 5 goes on after its closing "'),
        (AccessLog(), b'h - u t "GET"', r"field 4, the time, does not begin with \["),
        (AccessLog(), b"h - u [t] GET", 'field 5, the request, does not begin with "'),
        (AccessLog(), b'h - u [t] "GET" 1', "6 fields where at least 7 are expected"),
    ],
)
def test_the_reason_of_a_malformed_line_is_told(shape: Shape, line: bytes, reason: str) -> None:
    with pytest.raises(Misshapen, match=reason):
        shape.split(line)


@every_kernel
@pytest.mark.parametrize(
    ("keys", "weights", "width", "reason"),
    [
        ([], (), None, "choose 1 to 64 fields to count by, not 0"),
        ([1] * 65, (), None, "choose 1 to 64 fields to count by, not 65"),
        ([1], (1,) * 9, None, "choose at most 8 fields to sum, not 9"),
        ([0], (), None, "the numbers of the fields must be 1 to 1000000"),
        ([1], (0,), None, "the numbers of the fields must be 1 to 1000000"),
        ([1_000_001], (), None, "the numbers of the fields must be 1 to 1000000"),
        ([3], (), 2, "the numbers of the fields must be 1 to 2"),
        ([1], (), 0, "lines may have 1 to 1000000 fields, not 0"),
        ([Cut(1, skip=-1)], (), None, "that no value has"),
        ([Cut(1, skip=1 << 32)], (), None, "that no value has"),
        ([Cut(1, length=-1)], (), None, "that no value has"),
        ([Cut(1, length=1 << 63)], (), None, "that no value has"),
        ([Cut(1, until=b"abc")], (), None, "at most 2 bytes"),
    ],
)
def test_what_no_line_can_have_is_refused(
    name: str, keys: list[Chosen], weights: tuple[int, ...], width: int | None, reason: str
) -> None:
    for shape in SHAPES.values():
        with pytest.raises(ValueError, match=reason):
            shape_table(shape, keys, weights, width, name=name)


@pytest.mark.parametrize("delimiter", [b"", b"ab", b"\n", b"\r", b'"'])
def test_no_other_delimiter_of_csv_is_accepted(delimiter: bytes) -> None:
    with pytest.raises(ValueError, match="the delimiter must be one byte"):
        Quoted(delimiter)


@every_kernel
def test_a_delimiter_of_several_bytes_separates_fields(name: str) -> None:
    hold_to_oracle(name, "plain", b"a::b:c::1\nx\n::::2\r\n", [2, 1], weights=(3,), delimiter=b"::")


@every_kernel
@pytest.mark.parametrize("kind", [*SHAPES])
def test_forgotten_keys_are_counted_anew(name: str, kind: str) -> None:
    line = {"blanks": b"a 1 2\n", "access": REQUEST % b"5" + b"\n"}.get(kind, b'"a",1,2\n')
    table = shape_table(SHAPES[kind], [1], (6 if kind == "access" else 2,), name=name)
    (key,) = table.scan(memoryview(line * 3)).fresh
    assert table.forget([key, b"other"]) == [3, 0]
    assert table.scan(memoryview(line), False).fresh == []
    counts, *_sums = columns_of(table.drain())
    assert counts == {key: 1}
    assert columns_of(table.drain())[0] == {}


@pytest.mark.skipif(not kernel.VARIANTS, reason="the native kernel is not built")
def test_a_table_of_shaped_lines_refuses_a_second_thread() -> None:
    block = memoryview(b'"a",x\n' * 500_000)
    for _ in range(100):  # a thread may be over before this one has its turn
        table = shape_table(Quoted(b","), [1], name=kernel.VARIANTS[0])
        thread = threading.Thread(target=table.scan, args=(block,))
        thread.start()
        refused = 0
        while thread.is_alive() and not refused:
            try:
                table.forget([])
            except RuntimeError:
                refused += 1
        thread.join()
        assert columns_of(table.drain())[0] == {b"a": 500_000}
        if refused:
            return
    pytest.fail("nobody was refused")


@pytest.mark.skipif(not kernel.VARIANTS, reason="the native kernel is not built")
@pytest.mark.parametrize(
    "arguments",
    [
        ("other", b",", (), ((1, 0, b"", 0),), (), 1, 0),
        ("quoted", b",,", (), ((1, 0, b"", 0),), (), 1, 0),
        ("quoted", b",", (), ((0, 0, b"", 0),), (), 1, 0),
        ("quoted", b",", (), ((1, 0, b"abc", 0),), (), 1, 0),
        ("quoted", b",", (), ((1, 0, b"", -1),), (), 1, 0),
        ("quoted", b",", (), (), (), 1, 0),
        ("quoted", b",", (), ((1, 0, b"", 0),) * 65, (), 1, 0),
        ("quoted", b",", (), ((1, 0, b"", 0),), (1,) * 9, 1, 0),
        ("plain", b",", (), ((1, 1, b"", 0),), (), 1, 0),
        ("json", b" ", (), ((1, 0, b"", 0),), (), 1, 0),
    ],
)
def test_the_native_kernel_itself_refuses_what_it_cannot_count(arguments: Any) -> None:
    from mapreduce.kernel import _native

    table: Any = _native.ShapeTable
    with pytest.raises(ValueError, match=r"."):
        table(*arguments, kernel.VARIANTS[0], os.urandom(32))
