"""Mappers of shaped lines: headers, sums and conservation, however the input is cut."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from conftest import ReadStdin, WriteLogs
from engine_runs import run_split
from hypothesis import example, given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import (
    InputError,
    KeyCount,
    UsageError,
    access_log,
    blank_fields,
    csv_lines,
    delimited_lines,
    json_lines,
)
from mapreduce.errors import NothingCountedError
from mapreduce.formats.format import FIRST_LINE

BOM = b"\xef\xbb\xbf"
WAYS: list[dict[str, Any]] = [
    {"workers": 1},
    {"workers": 1, "block_size": 1},
    {"workers": 1, "block_size": 7, "split_size": 1},
    {"workers": 2, "split_size": 11, "block_size": 16},
]
ways = pytest.mark.parametrize("options", WAYS, ids=str)


class Counts(NamedTuple):
    """What a run says: a row for each key, the classes of lines, and the malformed ones."""

    rows: list[tuple[Any, ...]]
    counted: int
    skipped: int
    malformed: int
    rejects: list[tuple[int, str]]


def count_by(mapper: Any, inputs: Any, **options: Any) -> Counts:
    titles = (*mapper.titles, "Count", *(measure.name for measure in mapper.measures))
    job = KeyCount(mapper, "keys.csv", titles)
    result = run_split(inputs, job, **options)
    stats = result.stats
    assert stats.lines == stats.counted + stats.skipped + stats.malformed
    rejects = [(reject.offset, reject.reason) for reject in result.rejects]
    rows = [tuple(row) for row in result.tables[0].rows]
    return Counts(rows, stats.counted, stats.skipped, stats.malformed, rejects)


HEADERS: dict[str, bytes] = {
    "plain": b"a,b\n",
    "another order": b"b,a\n",
    "a byte order mark": BOM + b"a,b\n",
    "CRLF": b"a,b\r\n",
    "quotes": b'"a","b"\n',
    "capitals and blanks": b" A,B \n",
    "empty lines before it": b"\n" * 40 + b" \t\r\n\na,b\n",
    "a mark and empty lines": BOM + b"\r\n\na,b\n",
    "more columns": b"c,a,d,b,e\n",
    "longer than a block": b"a,b," + b"c" * 300 + b"\n",
    "many columns": b",".join(b"column%d" % number for number in range(9000)) + b",b,a\n",
}


def table_of(header: bytes, rows: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write rows of the columns a and b below a header."""
    names = header.removeprefix(BOM).strip().replace(b'"', b"").lower().split(b",")
    lines = []
    for a, b in rows:
        values = {b"a": b'"%b"' % a.replace(b'"', b'""'), b"b": b}
        lines.append(b",".join(values.get(name.strip(), b"x") for name in names) + b"\n")
    return header + b"".join(lines)


ROWS = [(b"k", b"1"), (b'k"', b"20"), (b"k", b"300"), (b"l,m" * 9, b"9" * 25)]
COUNTED = [("k", 2, 301), ('k"', 1, 20), ("l,m" * 9, 1, int("9" * 25))]


@promise(
    "The header of an input is never counted, wherever splits and blocks end",
    broken_by=change(
        "mapreduce.splits.split:find_splits",
        "_with_header(ranges, _end_of_header(source, file, tick))",
        "ranges",
    ),
)
@ways
@pytest.mark.parametrize("header", HEADERS.values(), ids=[*HEADERS])
def test_a_header_names_the_fields_and_is_never_counted(
    write_logs: WriteLogs, header: bytes, options: dict[str, Any]
) -> None:
    data = table_of(header, ROWS)
    options = options if len(header) < 9000 else {**options, "split_size": 5000}
    found = count_by(csv_lines("a", summed=["b"]), write_logs(data), **options)
    before = header.removeprefix(BOM).count(b"\n")
    assert found == Counts(COUNTED, 4, before, 0, [])


@promise(
    "The header of a stream is never counted, wherever its chunks end",
    broken_by=change(
        "mapreduce.splits.split:_stream_splits",
        "replace(source, mapper=mapper, start=start)",
        "replace(source, mapper=mapper)",
    ),
)
@ways
@pytest.mark.parametrize("header", HEADERS.values(), ids=[*HEADERS])
@pytest.mark.parametrize("before", [b"", b"x,y\n"])
def test_the_header_of_standard_input_is_never_counted(
    write_logs: WriteLogs,
    read_stdin: ReadStdin,
    header: bytes,
    before: bytes,
    options: dict[str, Any],
) -> None:
    """A redirected file may stand elsewhere than at its first byte."""
    if before and header.startswith(BOM):
        pytest.skip("a mark stands only at the beginning of a file")
    (path,) = write_logs(before + table_of(header, ROWS))
    read_stdin(path).buffer.raw.seek(len(before))  # type: ignore[attr-defined]
    options = options if len(header) < 9000 else {**options, "split_size": 5000}
    found = count_by(csv_lines("a", summed=["b"]), "-", **options)
    assert found.rows == COUNTED
    assert (found.counted, found.malformed) == (4, 0)


@ways
def test_each_input_has_its_own_header(write_logs: WriteLogs, options: dict[str, Any]) -> None:
    tables = [table_of(header, ROWS) for header in HEADERS.values() if len(header) < 9000]
    inputs = write_logs(
        *tables, gzip.compress(tables[2]), b"", b"\n \n", HEADERS["capitals and blanks"]
    )
    found = count_by(csv_lines("a", summed=["b"]), inputs, **options)
    times = len(tables) + 1
    assert found.rows == [(key, count * times, total * times) for key, count, total in COUNTED]
    assert found.counted == 4 * times


def test_a_header_longer_than_the_lines_that_may_be_seen_is_refused(write_logs: WriteLogs) -> None:
    long = b"a," + b"b" * FIRST_LINE + b"\n1,2\n"
    for data in (long, gzip.compress(long)):
        with pytest.raises(UsageError, match="the header has 524,288 bytes or more"):
            count_by(csv_lines("a"), write_logs(data))
        assert count_by(csv_lines(1), write_logs(data)).rows == [("1", 1)]


@pytest.mark.parametrize("options", [{}, {"width": 3}])
@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"x,y,z", "the header has no column 'a'; it has x, y, z"),
        (b"a,b,a", "the header has several columns 'a'; it has a, b, a"),
        (b"A,b, a", "the header has several columns 'a'"),
        (b'a,"b', "the header cannot be read: the quotes of field 2 are not closed"),
        (b"\x1b[1m,y,z", r"it has \\x1b\[1m, y, z"),
    ],
)
def test_a_name_that_is_not_there_once_is_refused_before_any_line_is_counted(
    write_logs: WriteLogs, header: bytes, reason: str, options: dict[str, Any]
) -> None:
    good, bad = write_logs(b"a,b,c\n1,2,3\n", header + b"\n1,2,3\n")
    with pytest.raises(UsageError, match=reason) as caught:
        count_by(csv_lines("a", **options), [good, bad])
    assert str(caught.value).startswith(f"{bad}: ")


def test_a_name_as_it_is_goes_before_one_in_other_capitals(write_logs: WriteLogs) -> None:
    paths = write_logs(b"A,a\n1,2\n")
    assert count_by(csv_lines("a"), paths).rows == [("2", 1)]
    assert count_by(csv_lines("A"), paths).rows == [("1", 1)]


def test_a_header_of_another_width_than_wanted_is_refused(write_logs: WriteLogs) -> None:
    with pytest.raises(UsageError, match="the header has 2 columns, and not 3"):
        count_by(csv_lines("a", width=3), write_logs(b"a,b\n1,2,3\n"))


@ways
def test_malformed_lines_behind_a_header_are_told_with_their_bytes(
    write_logs: WriteLogs, options: dict[str, Any]
) -> None:
    data = BOM + b'\na,b\nx"\n"x,1\n"x"y,1\n\ny,z\ny,2\n'
    found = count_by(csv_lines("a", summed=["b"]), write_logs(data), **options)
    assert found == Counts(
        [("y", 1, 2)],
        1,
        3,
        4,
        [
            (8, "1 fields where at least 2 are expected"),
            (
                11,
                "the quotes of field 1 are not closed in this line; "
                "if a field holds a line end, use --multiline",
            ),
            (16, "field 1 goes on after its closing quote"),
            (24, "b 'z' is not a whole number"),
        ],
    )


@promise(
    "Every malformed line stands among the rejects, and no skipped one",
    broken_by=change(
        "mapreduce.mapping.shapes:ShapeMapper.read_line",
        "if not values:\n    return SKIPPED",
        "pass",
    ),
)
@ways
def test_rejects_are_the_malformed_lines_and_no_others(
    write_logs: WriteLogs, tmp_path: Path, options: dict[str, Any]
) -> None:
    (path,) = write_logs(b"a 1\n \t \nb\n   \n c  x\nd 2\n\n")
    rejects = tmp_path / "rejects.csv"
    found = count_by(blank_fields(1, summed=[2]), [path], rejects=rejects, **options)
    assert found[1:4] == (2, 3, 2)
    with rejects.open(newline="") as file:
        rows = [*csv.reader(file)]
    assert [row[1:] for row in rows[1:]] == [
        ["8", "1 fields where at least 2 are expected", "b"],
        ["14", "Field2 'x' is not a whole number", " c  x"],
    ]


ODD = [
    b"",
    b"-",
    b"-5",
    b"+5",
    b"1.5",
    b"--5",
    b"0x1",
    b" 5",
    b"9" * 19,
    b"9" * 20,
    b"1" + b"0" * 24,
]
ODD += [b"007", b"7" * 1000, b"7" * 1001, "\u0665".encode()]


def whole(text: bytes) -> int | None:
    """Return what a text adds to a sum, ``None`` if it is no whole number."""
    if text in (b"", b"-"):
        return 0
    plain = text[1:] if text[:1] == b"-" else text
    is_number = len(text) <= 1000 and plain != b"" and set(plain) <= set(b"0123456789")
    return int(text) if is_number else None


@promise(
    "A sum is exact at any size, whichever kernel adds it",
    broken_by=change(
        "mapreduce.reducing.totals:Totals.settled", "lines * (measure.read(text) or 0)", "0"
    ),
)
@ways
def test_sums_are_exact_and_what_is_no_number_is_malformed(
    write_logs: WriteLogs, options: dict[str, Any]
) -> None:
    pairs = [*zip(ODD, [b"1", *ODD], strict=False)] * 2 + [(b"18446744073709551615", b"2")]
    data = b"k,a,b\n" + b"".join(b'x,%b,"%b"\n' % pair for pair in pairs)
    readings = [(whole(a), whole(b)) for a, b in pairs]
    good = [(a, b) for a, b in readings if a is not None and b is not None]
    expected = [("x", len(good), sum(a for a, _b in good), sum(b for _a, b in good))]
    found = count_by(csv_lines("k", summed=["a", "b"]), write_logs(data), **options)
    assert found.rows == expected
    assert (found.counted, found.skipped) == (len(good), 1)
    assert found.malformed == len(pairs) - len(good)


cells = st.sampled_from([b"x", b"", b'"', b",", b'a"b', b"c d", b"\xff", b"null", b"\r"])


@given(
    st.lists(
        st.tuples(st.lists(cells, max_size=3).map(b"".join), st.sampled_from(ODD)), max_size=12
    ),
    st.integers(1, 40),
    st.integers(1, 60),
)
@example([(b"x", b"1")], 1, 1)
def test_whatever_the_cells_and_cuts_counts_are_those_of_python(
    rows: list[tuple[bytes, bytes]], block_size: int, split_size: int
) -> None:
    text = io.StringIO(newline="")
    texts = [[a.decode("latin-1"), b.decode("latin-1")] for a, b in rows]
    csv.writer(text, lineterminator="\n").writerows([["a", "b"], *texts])
    counts, sums = Counter[str](), Counter[str]()
    for a, b in rows:
        if (number := whole(b)) is not None:
            counts[a.decode(errors="surrogateescape")] += 1
            sums[a.decode(errors="surrogateescape")] += number
    with TemporaryDirectory() as directory:
        path = Path(directory) / "table.csv"
        path.write_bytes(text.getvalue().encode("latin-1"))
        cut = {"workers": 1, "block_size": block_size, "split_size": split_size}
        if rows and not counts:
            with pytest.raises(NothingCountedError):
                count_by(csv_lines("a", summed=["b"]), [path], **cut)
            return
        found = count_by(csv_lines("a", summed=["b"]), [path], **cut)
    assert {row[0]: row[1:] for row in found.rows} == {
        key: (counts[key], sums[key]) for key in counts
    }
    assert found[1:4] == (counts.total(), 1, len(rows) - counts.total())


@ways
def test_values_of_json_that_are_shown_alike_are_added_up_with_all_their_sums(
    write_logs: WriteLogs, options: dict[str, Any]
) -> None:
    data = b"".join(
        b'{"k":%b,"n":%b}\n' % pair
        for pair in [
            (b'"A"', b"1"),
            (b'"\\u0041"', b"20"),
            (b'"\\u0041"', b"-300"),
            (b'"A"', b"null"),
            (b'"\\u0041"', b"9" * 25),
            (b"null", b"1"),
            (b'"null"', b"1"),
            (b'""', b"1"),
            (b'"\\n"', b"1"),
            (b"1", b"1.5"),
            (b"[]", b"1"),
        ]
    )
    found = count_by(json_lines("k", summed=["n"]), write_logs(data), **options)
    assert found.rows == [
        ("A", 5, int("9" * 25) - 279),
        ('""', 1, 1),
        ('"\\n"', 1, 1),
        ('"null"', 1, 1),
        ("null", 1, 1),
    ]
    assert found.malformed == 2


def group(key: bytes) -> bytes:
    return key[:1]


@ways
def test_keys_that_a_function_makes_equal_are_added_up_with_all_their_sums(
    write_logs: WriteLogs, options: dict[str, Any]
) -> None:
    data = b"k,n\n" + b"ab,1\nac,-5\nab,\nad,%b\nbc,7\n" % (b"9" * 25)
    mapper = csv_lines("k", summed=["n"]).map_keys(group, "Group")
    found = count_by(mapper, write_logs(data), **options)
    assert found.rows == [("a", 4, int("9" * 25) - 4), ("b", 1, 7)]


LOG = b"""\
::1 - - [10/Oct/2000:13:55:36 -0700] "GET /a?x=1 HTTP/1.0" 200 5
h - bob [10/Oct/2000:13:59:59 -0700] "GET /a HTTP/1.0" 200 5 "-" "Mozilla (x)"
h - - [31/Xyz/2000:13:55:36 -0700] "-" 408 - "-" "-"
h - - [] "" 400 0
h - - [no time at all] "\\x16\\x03\\x01" 400 7 "-" "-" extra "more of it"
h - - [1/Oct/2000:13:55:36] "GET /b" 200 5
h - - [10/Oct/2000:13:55:36 -0700] "GET  /c x  y" 200 5
h - - [10/Oct/2000:13:55:36 -0700] GET 200 5
"""


@ways
@pytest.mark.parametrize(
    ("field", "counts"),
    [
        ("host", {"h": 6, "::1": 1}),
        ("user", {"-": 6, "bob": 1}),
        (
            "hour",
            {
                "2000-10-10T13": 3,
                "31/Xyz/2000:13": 1,
                "": 1,
                "no time at all": 1,
                "1/Oct/2000:13:": 1,
            },
        ),
        ("method", {"GET": 4, "-": 1, "": 1, r"\x16\x03\x01": 1}),
        ("url", {"/a?x=1": 1, "/a": 1, "": 4, "/b": 1}),
        ("path", {"/a": 2, "": 4, "/b": 1}),
        ("protocol", {"HTTP/1.0": 2, "": 4, "/c x  y": 1}),
        ("status", {"200": 4, "400": 2, "408": 1}),
    ],
)
def test_the_parts_of_requests_and_times_are_found_in_junk_too(
    write_logs: WriteLogs, field: str, counts: dict[str, int], options: dict[str, Any]
) -> None:
    found = count_by(access_log(field, summed=["bytes"]), write_logs(LOG), **options)
    assert {row[0][:14]: row[1] for row in found.rows} == counts
    assert sum(row[2] for row in found.rows) == 27
    assert [reason for _at, reason in found.rejects] == [
        'field 5, the request, does not begin with "'
    ]


def test_a_field_that_some_lines_lack_makes_them_malformed(write_logs: WriteLogs) -> None:
    found = count_by(access_log("agent"), write_logs(LOG))
    assert found.rows == [("-", 2), ("Mozilla (x)", 1)]
    assert (found.malformed, found.rejects[0]) == (5, (0, "7 fields where at least 9 are expected"))


def test_a_name_that_a_shape_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(ValueError, match="no field 'pth'; the names are host, ident, user"):
        access_log("pth")
    with pytest.raises(ValueError, match="hour is a part of a field, which cannot be summed"):
        access_log("path", summed=["hour"])
    with pytest.raises(UsageError, match="give a number"):
        blank_fields("x")
    for many in (csv_lines, delimited_lines):
        with pytest.raises(ValueError, match="choose 1 to 64 fields to count by, not 65"):
            many(*["a"] * 65)
        with pytest.raises(ValueError, match="choose at most 8 fields to sum, not 9"):
            many("a", summed=[*"abcdefghi"])
        with pytest.raises(ValueError, match="lines may have 1 to 1000000 fields"):
            many("a", width=0)


def write_parquet(path: Path, **columns: Sequence[Any]) -> Path:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, row_group_size=2)
    return path


@ways
@pytest.mark.parametrize("make", [csv_lines, json_lines])
def test_columns_of_parquet_are_found_by_their_names(
    tmp_path: Path, make: Any, options: dict[str, Any]
) -> None:
    """Quotes mean nothing in a column, and an empty text is a value; NULL is -, and adds 0."""
    path = write_parquet(
        tmp_path / "t.parquet", n=[1, None, -3, 4], k=['a"b', None, "", 'a"b'], other=[[1]] * 4
    )
    found = count_by(make("k", summed=["n"]), [path], **options)
    assert found == Counts([('a"b', 2, 5), ("", 1, -3), ("-", 1, 0)], 4, 0, 0, [])
    with pytest.raises(UsageError, match="no column 'x'; it has n, k, other"):
        count_by(make("x"), [path])


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1f"])
def test_a_value_of_parquet_that_would_be_two_lines_ends_the_run(tmp_path: Path, sign: str) -> None:
    path = write_parquet(tmp_path / "t.parquet", k=["a", f"b{sign}c"])
    with pytest.raises(InputError, match=r"row 1: the value .* would be two values"):
        count_by(csv_lines("k"), [path])


@ways
def test_parquet_is_counted_together_with_csv_or_json(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = write_parquet(tmp_path / "t.parquet", n=[1, None, 10**18], k=["x", "y", "x"])
    table, lines = tmp_path / "t.csv", tmp_path / "t.json"
    table.write_bytes(b'k,m,n\n"x",,%b\nz,,\n' % (b"9" * 25))
    lines.write_bytes(b'{"n":%b,"k":"\\u0078"}\n{"k":"z","n":null}\n' % (b"9" * 25))
    total = 1 + 10**18 + int("9" * 25)
    for make, other in ((csv_lines, table), (json_lines, lines)):
        found = count_by(make("k", summed=["n"]), [path, other], **options)
        assert found.rows == [("x", 3, total), ("y", 1, 0), ("z", 1, 0)]
    assert [*chain(found.rejects)] == []
