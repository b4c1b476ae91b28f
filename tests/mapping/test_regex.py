"""A regular expression finds in a block what ``re.search`` finds in each of its lines."""

from __future__ import annotations

import pickle
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from engine_runs import run_split
from held import columns, unpack
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from naive import lines_of
from promises import change, promise

from mapreduce import SKIPPED, KeyCount, Malformed, RegexMapper
from mapreduce.mapping.mapper import LineFailedError
from mapreduce.mapping.patterns import at_once

ATOMS = [
    *(
        rb"a",
        rb"b",
        rb"1",
        rb".",
        rb"\d",
        rb"\D",
        rb"\w",
        rb"\W",
        rb"\s",
        rb"\S",
        rb"\b",
        rb"^",
        rb"$",
    ),
    *(
        rb"[ab]",
        rb"[^a]",
        rb"[^ab1]",
        rb"[\s1]",
        rb"[^\s]",
        rb"[^-a]",
        rb"[^a-]",
        rb"[^^]",
        rb"[^\w]",
    ),
    *(
        rb"[^\]a]",
        rb"[ -a]",
        rb"[\t ]",
        rb"[^\d ]",
        rb"\r",
        rb"\t",
        rb'"',
        rb" ",
        rb"\.",
        rb"|",
        rb"|",
    ),
    *(
        rb"[\t-a]",
        rb"[\D]",
        rb"[^]a]",
        rb"\n",
        rb"[\x00-b]",
        rb"\x0a",
        rb"[\s-]",
        rb"\B",
        rb"\A",
        rb"\Z",
    ),
    *(
        rb"(?=a)",
        rb"(?!a)",
        rb"(?<=a)",
        rb"(?<!a)",
        rb"(?>a*)",
        rb"(?i:A)",
        rb"(?s:.)",
        rb"\1",
        rb"{",
    ),
]
REPEATS = [b"*", b"+", b"?", b"*?", b"+?", b"??", b"{1,2}", b"{2}", b"*+", b"++"]


def groups(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    sequence = st.lists(inner, min_size=1, max_size=4).map(b"".join)
    wrapped = st.one_of(sequence.map(lambda s: b"(%b)" % s), sequence.map(lambda s: b"(?:%b)" % s))
    return st.one_of(
        sequence,
        wrapped,
        st.tuples(st.one_of(st.sampled_from(ATOMS), wrapped), st.sampled_from(REPEATS)).map(
            b"".join
        ),
    )


PATTERNS = st.tuples(
    st.sampled_from([b"", b"", b"", b"(?i)", b"(?s)", b"(?x)"]),
    st.recursive(st.sampled_from(ATOMS), groups, max_leaves=7),
    st.recursive(st.sampled_from(ATOMS), groups, max_leaves=4).map(lambda one: b"(%b)" % one),
).map(b"".join)
BLOCKS = st.lists(
    st.text(alphabet='aaabbA1 \t\r."-^]\x0b\x0c\x1c\xff_', max_size=8).map(
        lambda s: s.encode("latin-1")
    ),
    min_size=1,
    max_size=8,
).flatmap(
    lambda lines: st.sampled_from([b"\n", b"\n", b"\r\n"]).map(lambda end: end.join([*lines, b""]))
)


def naive_matches(pattern: bytes, block: bytes) -> list[tuple[bytes, ...]]:
    matches = [re.search(pattern, line) for _offset, line in lines_of(block)]
    return [match.groups(b"") for match in matches if match]


@promise(
    "A regular expression finds in a block what it finds in each line alone",
    broken_by=change(
        "mapreduce.mapping.patterns:at_once", "rewritten += new", "rewritten += part[0]"
    ),
)
@settings(max_examples=600)
@given(PATTERNS, BLOCKS)
@example(rb"(\s)b", b"a\nb\n")
@example(rb"(a[^b]*)", b"a\na\n")
@example(rb"(\W)(b)", b"a\nb\n")
@example(rb"(a*)", b"\n\nb\n")
@example(rb"^(a?)$", b"\n\na\n")
def test_a_pattern_finds_in_a_block_what_search_finds_in_each_line(
    pattern: bytes, block: bytes
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            number = re.compile(pattern).groups
        except re.error:
            assume(False)
        combiner = RegexMapper(pattern).start()
    tally = combiner.map_block(memoryview(block), 0)
    expected = naive_matches(pattern, block)
    lines = block.count(b"\n")
    assert (tally.lines, tally.skipped, tally.malformed) == (lines, lines - len(expected), 0)
    drained = combiner.drain()
    assert drained.counted == len(expected)
    assert unpack(drained.totals) == Counter(map(b"\n".join, expected)), number


COMMON = [
    rb'"[A-Z]+ ([^ ?"]+)[^"]*" (\d{3})',
    rb'^(\S+) \S+ \S+ \[([^:\]]+)[^]]*\] "(?P<method>[A-Z]+) ',
    rb"(?i)error: (\w+)",
    rb"user=(\w+)\b.*status=([0-9]+)$",
    rb"(\d+\.\d+\.\d+)\.\d+",
    rb"(?:GET|POST) (/[^/\s]*)",
]


@pytest.mark.parametrize("pattern", COMMON)
def test_common_patterns_are_searched_in_whole_blocks(pattern: bytes) -> None:
    assert at_once(pattern.replace(b"[^]]", rb"[^\]]"))


@pytest.mark.parametrize(
    "part",
    [
        *(rb"(?=a)", rb"(?!a)", rb"(?<=a)", rb"(?<!a)", rb"(?>a)", rb"a*+", rb"a{2}+", rb"(?(1)a)"),
        *(
            rb"\A",
            rb"\Z",
            rb"\B",
            rb"\1",
            rb"(?i:a)",
            rb"(?s:.)",
            rb"(?#a)",
            rb"(?P=x)",
            rb"\n",
            b"\n",
        ),
        *(
            rb"\x0a",
            rb"\012",
            rb"\0",
            rb"[\n]",
            rb"[\t-~]",
            rb"[\x00-~]",
            rb"[\D]",
            rb"[\W]",
            rb"[]]",
        ),
        *(b"[\t]", rb"[^]]", rb"[^]\]]", rb"[\012]", rb"[\b-~]", rb"[[]", rb"\N", b"{"),
    ],
)
def test_a_pattern_with_a_rare_part_is_searched_line_by_line(part: bytes) -> None:
    assert at_once(rb"(a)" + part) is None


def test_flags_are_only_known_at_the_beginning() -> None:
    assert at_once(rb"(?s)(a)") is None
    assert at_once(rb"(?x)(a)") is None
    assert at_once(rb"(?im)(a)") is None


BLOCK = b"a=1 b=x\nnone\r\na=22 b=y\r\nb=x\na=3\n"


@pytest.mark.parametrize(
    ("pattern", "fields", "keys"),
    [
        (rb"a=(\d+)(?: b=(\w))?", (1,), {b"1": 1, b"22": 1, b"3": 1}),
        (rb"a=(\d+)(?: b=(\w))?", (2,), {b"x": 1, b"y": 1, b"": 1}),
        (rb"a=(\d+)(?: b=(\w))?", (2, 1), {b"x\n1": 1, b"y\n22": 1, b"\n3": 1}),
        (r"b=(?P<b>\w)", ("b",), {b"x": 2, b"y": 1}),
        (r"b=(?P<b>\w)", (1, "b"), {b"x\nx": 2, b"y\ny": 1}),
        (rb"(b)=(?P<b>\w)\Z", ("b", 1), {b"x\nb": 2, b"y\nb": 1}),
        (rb"(=.*)", (), {b"=1 b=x": 1, b"=22 b=y": 1, b"=x": 1, b"=3": 1}),
    ],
)
def test_groups_are_chosen_by_number_or_name(
    pattern: bytes | str, fields: tuple[int | str, ...], keys: dict[bytes, int]
) -> None:
    mapper = RegexMapper(pattern, fields)
    assert pickle.loads(pickle.dumps(mapper)) == mapper  # noqa: S301 - our own
    combiner = mapper.start()
    tally = combiner.map_block(memoryview(BLOCK), 5)
    assert (tally.lines, tally.skipped) == (5, 5 - sum(keys.values()))
    assert unpack(combiner.drain().totals) == keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((rb"a",), "has no group: put"),
        ((rb"(a", (1,)), "is no regular expression"),
        ((rb"(a)", (2,)), "has no group 2"),
        ((rb"(a)", (0,)), "has no group 0"),
        ((rb"(a)", ("x",)), "has no group x"),
        ((rb"(a)", (1,), (2,)), "has no group 2"),
        (("(ä)", (1,)), "write it as bytes"),
        ((rb"(a)", (1,), (), None, 2), "key_columns needs a map_key"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RegexMapper(*arguments)


VALUES = st.sampled_from([b"0", b"7", b"-5", b"-", b"", b"9" * 40, b"x", b"1.5", b"--1"])


def judged(key: bytes) -> Any:
    if key == b"bad":
        raise Malformed("bad key")
    return SKIPPED if key == b"skip" else key[:1]


@given(
    st.lists(
        st.tuples(st.sampled_from([b"a1", b"a2", b"b", b"bad", b"skip"]), VALUES, VALUES),
        min_size=1,
    ),
    st.integers(0, 3),
    st.booleans(),
)
def test_summed_groups_are_added_by_key_and_what_is_no_number_is_malformed(
    rows: list[tuple[bytes, bytes, bytes]], wanted: int, maps: bool
) -> None:
    mapper = RegexMapper(rb"(\w+);(.*);(.*)", (1,), (3, 2), judged if maps else None)
    combiner = mapper.start()
    block = b"".join(b"%b;%b;%b\n" % row for row in rows) + b"no match\n"
    tally = combiner.map_block(memoryview(block), wanted)
    bad, counts, sums = (
        list[tuple[int, str]](),
        Counter[bytes](),
        [Counter[bytes](), Counter[bytes]()],
    )
    skipped = 1
    for offset, line in list(lines_of(block))[:-1]:
        key, *texts = line.split(b";")
        odd = [
            f"group {n} {text.decode()!r} is not a number"
            for n, text in ((3, texts[1]), (2, texts[0]))
            if not re.fullmatch(rb"-?[0-9]+|-?", text)
        ]
        if maps and key == b"skip":
            skipped += 1
        elif (maps and key == b"bad") or odd:
            bad.append((offset, "bad key" if maps and key == b"bad" else odd[0]))
        else:
            key = key[:1] if maps else key
            counts[key] += 1
            for column, text in zip(sums, texts[::-1], strict=True):
                column[key] += int(text) if text not in (b"", b"-") else 0
    assert (tally.lines, tally.skipped, tally.malformed) == (len(rows) + 1, skipped, len(bad))
    assert list(tally.malformed_at) == bad[:wanted]
    drained = combiner.drain()
    assert drained.counted == counts.total()
    assert columns(drained.totals) == [counts, *sums]


def path_only(path: bytes, status: bytes) -> Any:
    if status == b"000":
        raise Malformed(f"no such status as {status.decode()}")
    return SKIPPED if status == b"304" else (path.partition(b"?")[0], status)


def test_the_groups_of_a_key_are_mapped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"/a?x 200\n/a 200\n\n/b 304\n/c 000\n/a?y 404\n")
    job = KeyCount(
        RegexMapper(rb"^(\S+) (\d+)$", map_key=path_only), "paths.csv", ("Path", "Status", "Count")
    )
    result = run_split([log], job)
    assert list(result.tables[0].rows) == [("/a", "200", 2), ("/a", "404", 1)]
    stats = result.stats
    assert (stats.counted, stats.skipped, stats.malformed) == (3, 2, 1)
    assert [(reject.offset, reject.reason) for reject in result.rejects] == [
        (24, "no such status as 000")
    ]


@pytest.mark.parametrize("summed", [(), (2,)])
def test_an_error_of_map_key_names_the_line(summed: tuple[int, ...]) -> None:
    mapper = RegexMapper(rb"(\w)(\d?)", (1,), summed, lambda key: b"%d" % (1 // (key != b"x")))
    with pytest.raises(LineFailedError) as caught:
        mapper.start().map_block(memoryview(b"a\n\nx\n"), 0)
    assert caught.value.offset == 3
