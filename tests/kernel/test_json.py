"""Lines of JSON: every kernel finds what Python's ``json`` finds, and refuses the same lines."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final, TypeAlias

import pytest
from held import unpack
from hypothesis import example, given
from hypothesis import strategies as st
from naive_json import find_in_json, is_text_of
from promises import change, change_text, promise

from mapreduce import kernel
from mapreduce.kernel.json_lines import JsonLines, unescape
from mapreduce.kernel.json_path import MAX_DEPTH, MAX_PATHS, JsonPath, parse_path, path_text
from mapreduce.kernel.misshapen import Misshapen
from mapreduce.kernel.shaped import shape_table

Values: TypeAlias = list[bytes] | None
KERNELS: Final = [*kernel.VARIANTS, "pure"]
every_kernel = pytest.mark.parametrize("name", KERNELS)
AROUND: Final = [(b"", b""), (b'{"a":"\\\n', b'\n]{"a":[\\"\xff' + b'"' * 70)]
"""What may stand before and after a line in its block: misshapen lines."""


def find_values(name: str, paths: tuple[JsonPath, ...], line: bytes) -> Values:
    """Return the values that a kernel finds, ``None`` if it refuses the line."""
    found = [values_in_block(name, paths, *around, line) for around in AROUND]
    assert found[0] == found[1], "what stands around a line makes no difference"
    return found[0]


def values_in_block(
    name: str, paths: tuple[JsonPath, ...], before: bytes, after: bytes, line: bytes
) -> Values:
    table = shape_table(JsonLines((*paths, ("none",))), range(1, len(paths) + 2), name=name)
    scan = table.scan(memoryview(before + line + after))
    keys = [*unpack(table.drain())]
    assert scan.lines == scan.misshapen + scan.empty + len(keys)
    return keys[0].split(b"\n")[:-1] if keys else None


def hold_to_python(name: str, paths: tuple[JsonPath, ...], line: bytes) -> None:
    """Compare a kernel with Python's decoder."""
    expected, found = find_in_json(line, paths), find_values(name, paths, line)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert [*map(is_text_of, found, expected)] == [True] * len(paths), (found, expected)


def joined(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(b"".join)


blanks = st.sampled_from([b""] * 6 + [b" ", b"\t", b"\r ", b" " * 61])
PLAIN: Final = [b"a", b"b", b"null", b"c.d", b"{", b"]", b",", b":", b" ", b"x" * 57, b"\x7f"]
ESCAPES: Final = [
    b"\\n",
    b'\\"',
    b"\\\\",
    b"\\/",
    b"\\u0061",
    b"\\u00E9",
    b"\\ud83d\\ude00",
    b"\\ud83d",
]
WIDE: Final = ["\u00e9".encode(), "\u20ac".encode(), "\U0001f600".encode()]
pieces = st.sampled_from(PLAIN) | st.sampled_from(ESCAPES + WIDE)
strings = st.lists(pieces, max_size=5).map(lambda parts: b'"' + b"".join(parts) + b'"')
names = st.sampled_from([b'"a"', b'"b"', b'"\\u0061"', b'"c.d"', b'""', b'"\xc3\xa9"']) | strings
numbers = st.from_regex(
    rb"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][-+]?[0-9]{1,3})?", fullmatch=True
)
scalars = st.sampled_from([b"true", b"false", b"null", b"0", b"7", b"12345678"]) | numbers | strings


def arrays_and_objects(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    spaced = joined(blanks, values, blanks)
    members = joined(blanks, names, blanks, st.just(b":"), spaced)
    array = st.lists(spaced, max_size=4).map(lambda parts: b"[" + b",".join(parts) + b"]")
    object_ = st.lists(members, max_size=5).map(lambda parts: b"{" + b",".join(parts) + b"}")
    hollow = st.sampled_from([b"[ ]", b"{ }"])
    return array | object_ | object_ | hollow


values = st.recursive(scalars, arrays_and_objects, max_leaves=20)
lines = joined(blanks, arrays_and_objects(values) | values, blanks)
steps = st.sampled_from(["a", "a", "b", "c.d", "", "é", 0, 0, 1, 2])
paths = st.lists(st.lists(steps, max_size=4).map(tuple), max_size=6).map(tuple)
all_paths = st.just((("a",), ("a", "b"), ("b", "a"), (0,), (1, "a"), ())) | paths
few_bytes = st.binary(max_size=2) | st.sampled_from([*map(bytes, zip(b'{}[]:,"\\ 01.-eE\t\x01u'))])


@st.composite
def damaged_lines(draw: st.DrawFn) -> bytes:
    """Draw a line of JSON of which a few bytes were changed, and which may still be one."""
    line = draw(lines)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(line)))
        dropped = draw(st.integers(0, 2))
        line = line[:place] + draw(few_bytes) + line[place + dropped :]
    return line.replace(b"\n", b"")


@promise(
    "Values in lines of JSON are those that Python's json finds",
    broken_by=change_text("mapreduce/kernel/_json_tokens.h", "lowest << 1;", "lowest << 2;"),
)
@every_kernel
@given(paths=all_paths, line=lines)
@example(paths=(("a",),), line=b'{"a":{},"a":1}')
@example(paths=(("a", "b"), ("a", "c")), line=b'{"a":{"b":1,"c":2},"a":{"c":3}}')
@example(paths=(("a",), ("a",), ("a", "b")), line=b'{"a":1}')
def test_every_kernel_finds_the_values_that_python_finds(
    name: str, paths: tuple[JsonPath, ...], line: bytes
) -> None:
    hold_to_python(name, paths, line)


@promise(
    "A line that is not JSON is malformed, as Python's json says",
    broken_by=change_text(
        "mapreduce/kernel/_json.h", "carry->wrong |= controls", "carry->wrong &= controls"
    ),
)
@every_kernel
@given(paths=all_paths, line=damaged_lines())
@example(paths=(), line=b"")
@example(paths=(), line=b"\xef\xbb\xbf1")
@example(paths=(), line="\u0661".encode())
@example(paths=(), line="\xa01".encode())
def test_every_kernel_refuses_the_lines_that_python_refuses(
    name: str, paths: tuple[JsonPath, ...], line: bytes
) -> None:
    hold_to_python(name, paths, line)


@every_kernel
@given(
    st.lists(
        st.sampled_from(
            [*b"\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xed\xee\xef\xf0\xf1\xf4\xf5\xffa"]
        )
    ).map(bytes)
)
def test_every_kernel_refuses_bytes_that_are_not_utf_8(name: str, text: bytes) -> None:
    hold_to_python(name, ((),), b'"%b"' % text)
    hold_to_python(name, ((),), b'["%b%b"]' % (b"a" * 70, text))


@every_kernel
@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", b"1"),
        (b"-1.50E+07", b"-1.50E+07"),
        (b"true", b"true"),
        (b"null", b"null"),
        (b'"null"', b'"null"'),
        (b'""', b'""'),
        (b'"1"', b"1"),
        (b'"a b"', b"a b"),
        (b'"a\\u0041"', b'"a\\u0041"'),
        (b'"\\""', b'"\\""'),
        ('"\u00e9\x7f"'.encode(), "\u00e9\x7f".encode()),
    ],
)
def test_a_value_is_its_text(name: str, text: bytes, value: bytes) -> None:
    for line, path in [
        (b'{"a":%b}' % text, ("a",)),
        (b'[{"b":[0,%b ]}]' % text, (0, "b", 1)),
        (b" %b " % text, ()),
    ]:
        assert find_values(name, (path, ("none",)), line) == [value, b""]


@every_kernel
@pytest.mark.parametrize(
    "text", [b'"\\\\\\"x"', b'"\\u00e9\\ud83d\\ude00"', b"-12.5e-3", b"12345678901234567", b"false"]
)
def test_a_value_is_found_wherever_it_begins(name: str, text: bytes) -> None:
    """Tokens are found in 64 bytes at a time, and listed 2,048 at a time."""
    for before in [*range(70), *range(1970, 2060)]:
        for padding in (b" " * before, b'"%b",' % (b"x" * before)):
            line = b"[%b%b,%b]" % (padding, text, text)
            index = int(padding[:1] == b'"')
            value = text.strip(b'"') if b"\\" not in text else text
            found = find_values(name, ((index,), (index + 1,), (index + 2,)), line)
            assert found == [value, value, b""]
            assert find_values(name, (), line[:-1] + b",]") is None


NO_SCALARS: Final = b"""
    - -- -a --1 +1 1- 1a 00 01 -01 00000000 012345678 -00.5 0x1 0-1
    . .5 -.5 1. 1.. 1.5. 1.5.5 1.a 1.-5 1.5a 1.5-
    e e5 1e 1ea 1e+ 1e+- 1e+a 1.e5 1.5e 1.5e- 1e5.5 1e5e5 1e5a 1e5- 1e5+ 12345678901234567.
    a t tru truee True falsee fals nul nullnull null0 0null true1 1true nan NaN Infinity -Infinity
""".split()


@promise(
    "A number that is cut between two masks is checked as any other",
    broken_by=change_text(
        "mapreduce/kernel/_json_tokens.h",
        "uint64_t behind = bits << 1 | *carry;",
        "uint64_t behind = bits << 1;",
    ),
)
@every_kernel
def test_what_is_no_scalar_is_refused_wherever_it_begins(name: str) -> None:
    lines = [b"[%b%b]" % (b" " * before, text) for before in range(40, 64) for text in NO_SCALARS]
    lines += [line[1:-1] for line in lines] + [line[:-1] + b" ,1]" for line in lines]
    assert refused_lines(name, lines) == lines


CUT: Final = [
    b'"',
    b'"a',
    b'"\\"',
    b'"\\',
    b'"\\u00e',
    b"]",
    b"1,",
    b'{"a"',
    b'{"a":',
    b'{"a":1',
    b"[1",
]
UNKNOWN: Final = [*rb"\x \U0041 \. \u \u00 \u00g0 \u+041".split(), b"\x01", b"\x1f", b"\t"]


@every_kernel
@pytest.mark.parametrize("line", CUT + [b'"%b"' % text for text in UNKNOWN] + [b"\x01", b"1\x01"])
def test_what_is_cut_or_unknown_is_refused_wherever_it_begins(name: str, line: bytes) -> None:
    for before in (0, 20, 60, 62, 63):
        assert find_values(name, (), b" " * before + line) is None


def refused_lines(name: str, lines: list[bytes]) -> list[bytes]:
    """Return the lines that a kernel does not count."""
    refused = []
    for line in lines:
        table = shape_table(JsonLines((("a",),)), [1], name=name)
        refused += [line] * table.scan(memoryview(line)).misshapen
    return refused


@every_kernel
@given(st.lists(st.tuples(st.integers(0, 63), numbers), min_size=1, max_size=3))
@example(parts=[(62, b"7"), (63, b"-1")])
@example(parts=[(62, b"-0.5"), (60, b"7")])
def test_a_number_is_found_wherever_it_begins(name: str, parts: list[tuple[int, bytes]]) -> None:
    line = b"[" + b",".join(b" " * before + number for before, number in parts) + b"]"
    wanted = tuple((index,) for index in range(len(parts)))
    assert find_values(name, wanted, line) == [number for _before, number in parts]


@promise(
    "JSON is read to a depth of 1,000, whatever Python's recursion limit is",
    broken_by=change(
        "mapreduce.kernel.json_lines:_parse", "len(around) > ...", "len(around) > 999"
    ),
)
@every_kernel
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")]
)
def test_json_is_read_to_a_depth_of_1000(name: str, opening: bytes, closing: bytes) -> None:
    times = MAX_DEPTH // len(closing)
    ways: dict[bytes, JsonPath] = {b"[": (0,), b'{"a":': ("a",), b'[{"a":': (0, "a")}
    path = ways[opening] * times
    line = opening * times + b"7" + closing * times
    assert find_values(name, (path,), line) == [b"7"]
    assert find_values(name, (), opening * times + b"7" + closing * (times - 1)) is None
    assert find_values(name, (), b"[" + line + b"]") is None
    assert find_values(name, (), b"[" * 100_000) is None


@every_kernel
@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b'{"a":1,"a":2}', [b"2", b""]),
        (b'{"a":{"b":1},"a":2}', [b"2", b""]),
        (b'{"a":{"b":1},"a":2,"c":3}', [b"2", b""]),
        (b'{"a":2,"a":{"b":1}}', None),
        (b'{"a":[],"a":null}', [b"null", b""]),
        (b'{"x":{"a":1},"a":"y"}', [b"y", b""]),
    ],
)
def test_of_members_with_the_same_name_the_last_one_counts(
    name: str, line: bytes, values: Values
) -> None:
    assert find_values(name, (("a",), ("a", "b")), line) == values


@every_kernel
def test_a_name_is_compared_after_its_escapes(name: str) -> None:
    line = (
        rb'{"\u0061b":1,"a\"b":2,"\ud83d\ude00":3,"\ud83d":4,"a\\u0062":5,"a\/":6,"\b\f\n\r\t":7}'
    )
    wanted = ["ab", 'a"b', "\U0001f600", "a\\u0062", "a/", "\b\f\n\r\t", "a", "\\ud83d", "a\\"]
    expected = [b"1", b"2", b"3", b"5", b"6", b"7", b"", b"", b""]
    assert find_values(name, tuple((text,) for text in wanted), line) == expected


@every_kernel
def test_a_name_is_told_from_longer_and_shorter_ones(name: str) -> None:
    line = json.dumps({"n" * length: length for length in range(40)}).encode()
    for length in range(40):
        assert find_values(name, (("n" * length,),), line) == [b"%d" % length]


@every_kernel
def test_many_paths_are_found_at_once(name: str) -> None:
    line = json.dumps({f"name{n}": [n, {"x": -n}] for n in range(31)}).encode()
    both = [((f"name{n}", 0), (f"name{n}", 1, "x")) for n in range(31)]
    found = find_values(name, tuple(path for pair in both for path in pair), line)
    assert found == [b"%d" % number for n in range(31) for number in (n, -n)]


@pytest.mark.skipif(not kernel.BUILT, reason="the native kernel is not built")
@every_kernel
def test_nothing_is_read_outside_the_block(name: str) -> None:
    """The block ends where a page begins that nobody may read: one byte more is a SIGSEGV."""
    script = """
import ctypes, mmap, sys
from mapreduce.kernel.json_lines import JsonLines
from mapreduce.kernel.shaped import shape_table
size = mmap.PAGESIZE
area = mmap.mmap(-1, 2 * size)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mprotect(ctypes.c_void_p(address + size), size, 0) == 0
escapes = rb'{"x\\\\\\u00e9":null,"c":true}'
paths = (("a",), ("b", 1))
whole = b'{"a":"%b","b":[1,-1.5e7,' + escapes + b'], "a":"\\xc3\\xa9"}'
for padding in range(130):
    line = whole % (b"x" * padding)
    for stop in range(len(line) + 1):
        start = size - stop
        area[start:size] = line[:stop]
        table = shape_table(JsonLines(paths), (1, 2), name=sys.argv[1])
        table.scan(memoryview(area)[start:size])
print("whole")
"""
    if name == "pure":
        return
    command = [sys.executable, "-c", script, name]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "whole\n"), run.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a":{}}', "`a` is an object; name a path inside it"),
        (b'{"a":[]}', "`a` is an array; name an element of it, like [0]"),
        (b"", "is not valid JSON: a value was expected at byte 1"),
        (b'{"a":01}', "is not valid JSON: a comma or } was expected at byte 7"),
        (b'{"a" 1}', "is not valid JSON: a colon was expected at byte 6"),
        (
            b"{'a':1}",
            "is not valid JSON: a value, a bracket, a comma or a colon was expected at byte 2",
        ),
        (b'{"a":1,}', "is not valid JSON: a name in quotes was expected at byte 8"),
        (b'{"a":1', "is not valid JSON: a comma or } was expected at byte 7"),
        (b"[1] 2", "is not valid JSON: the end of the line was expected at byte 5"),
        (b'"\\x"', "is not valid JSON: a string has an unknown escape at byte 2"),
        (b'"a\x01"', "is not valid JSON: a string has a control character at byte 3"),
        (b'{"a', "is not valid JSON: the quotes of a string are not closed at byte 4"),
        (b'"\xff"', "is not valid JSON: the bytes are not UTF-8 at byte 2"),
        (b"[" * 1001, "is not valid JSON: more than 1,000 brackets are open at byte 1001"),
    ],
)
def test_a_misshapen_line_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(Misshapen) as caught:
        JsonLines((("a",),)).split(line)
    assert str(caught.value) == reason


def test_a_line_that_is_a_whole_object_says_so() -> None:
    with pytest.raises(Misshapen, match="the whole line is an object"):
        JsonLines(((),)).split(b"{}")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"", b""),
        (b"null", b"null"),
        (b"plain", b"plain"),
        (b'""', b'""'),
        (b'"null"', b'"null"'),
        (b'"nul\\u006c"', b'"null"'),
        (b'"a\\/b"', b"a/b"),
        (b'"caf\\u00e9"', "café".encode()),
        (b'"a\\u000a"', b'"a\\n"'),
        (b'"\\u0001"', b'"\\u0001"'),
        (b'"\\"null\\""', b'"\\"null\\""'),
        (b'"\\ud83d\\ude00"', "\U0001f600".encode()),
        (b'"\\ud83d\\u00e9"', b'"\\ud83d\\u00e9"'),
    ],
)
def test_a_value_is_shown_as_its_text(value: bytes, shown: bytes) -> None:
    assert unescape(value) == shown


@given(strings, strings)
def test_strings_are_shown_alike_only_if_they_are_equal(one: bytes, two: bytes) -> None:
    shown = [unescape(JsonLines(((),)).split(text)[0]) for text in (one, two)]
    assert (shown[0] == shown[1]) == (json.loads(one) == json.loads(two))
    assert not {*shown} & {b"", b"null"}
    assert b"\n" not in b"".join(shown)


@given(
    st.lists(st.text('ab.[] "\\\n\u00e9', max_size=5) | st.integers(0, 2**32 - 2), min_size=1).map(
        tuple
    )
)
def test_a_path_is_written_as_it_is_read(path: JsonPath) -> None:
    assert parse_path(path_text(path)) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("http.status", ("http", "status")),
        ("tags[0]", ("tags", 0)),
        ("[1][2].x", (1, 2, "x")),
        ('"a.b".c', ("a.b", "c")),
        (r'a."say \"\u00e9\""[3]', ("a", 'say "é"', 3)),
        ("user-agent.@type", ("user-agent", "@type")),
    ],
)
def test_a_path_is_read(text: str, path: JsonPath) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "a name is missing at character 1"),
        ("a..b", "a name is missing at character 3"),
        ("a.", "a name is missing at character 3"),
        ("a[x]", "an index is a number from 0 in brackets, like [0] at character 2"),
        ("a[4294967295]", "the largest index is 4294967294 at character 2"),
        ("a[0]b", "a dot or a bracket is missing at character 5"),
        ('a."b', "the quotes are not closed at character 3"),
        (r'"\x"', "a name in quotes must be a string of JSON at character 1"),
    ],
)
def test_what_is_no_path_says_where(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=r"is no path into JSON") as caught:
        parse_path(text)
    assert str(caught.value) == f"`{text}` is no path into JSON: {what}"


WRONG_PATHS: Final[list[Any]] = [
    ((-1,),),
    ((2**32 - 1,),),
    (("\ud800",),),
    ((0,) * (MAX_DEPTH + 1),),
    ((),) * (MAX_PATHS + 1),
]


class Unchecked(JsonLines):
    """Lines of JSON whose paths only the native kernel checks."""

    def __post_init__(self) -> None:
        pass


@pytest.mark.parametrize("wrong", WRONG_PATHS, ids=range(len(WRONG_PATHS)))
def test_paths_that_no_line_has_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"choose at most 128|at most 1,000 steps|index|UTF-8"):
        JsonLines(wrong)
    if kernel.BUILT:
        with pytest.raises(ValueError, match=r"at most 128|at most 1000 steps|indexes|utf-8"):
            shape_table(Unchecked(wrong), [1], name=kernel.VARIANTS[0])
