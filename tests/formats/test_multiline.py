"""With ``multiline``, a field in quotes may hold line ends, and a record is counted as one line."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from conftest import ReadStdin, WriteLogs
from engine_runs import run_split
from hypothesis import example, given
from hypothesis import strategies as st
from promises import becomes, change, promise

from mapreduce import InputError, Result, UsageError
from mapreduce.errors import NothingCountedError
from mapreduce.formats.records import whole_records
from mapreduce.jobs.count import count

WAYS: list[dict[str, Any]] = [
    {"workers": 1},
    {"workers": 1, "block_size": 1},
    {"workers": 1, "split_size": 1, "block_size": 5},
    {"workers": 2, "split_size": 1, "block_size": 16},
]
ways = pytest.mark.parametrize("options", WAYS, ids=str)
TABLE = (
    b'a,n\n"x\ny",1\nx,20\n"x\ny",300\n"""\n,",4000\n"\r\n",5\n5" pipe,6\n'
    b'"bad"x,"\n",7\n"x\ny",one\nlonely\n'
)
ROWS = [("x\ny", 2, 301), ("\r\n", 1, 5), ('"\n,', 1, 4000), ('5" pipe', 1, 6), ("x", 1, 20)]


def count_csv(inputs: Any, job: Any = None, **options: Any) -> Result:
    job = job or count(by="a", sum=["n"], csv=True, header=True, multiline=True)
    return run_split(inputs, job, **options)


def check(result: Result) -> None:
    assert [*map(tuple, result.tables[0].rows)] == ROWS
    stats = result.stats
    assert (stats.lines, stats.counted, stats.skipped, stats.malformed) == (10, 6, 1, 3)


@promise(
    "With multiline, fields with line ends are counted exactly, wherever blocks end",
    broken_by=change(
        "mapreduce.splits.split:find_splits",
        "source.mapper.record_delimiter is not None",
        "False",
    ),
)
@ways
def test_fields_with_line_ends_are_counted_wherever_blocks_end(
    write_logs: WriteLogs, read_stdin: ReadStdin, options: dict[str, Any]
) -> None:
    path, packed = write_logs(TABLE, gzip.compress(b"\xef\xbb\xbf" + TABLE))
    for result in (count_csv([path], **options), count_csv([packed], **options)):
        check(result)
    places = [(reject.offset, reject.reason) for reject in count_csv([path], **options).rejects]
    assert places == [
        (TABLE.index(b'"bad'), "field 1 goes on after its closing quote"),
        (TABLE.index(b'"x\ny",one'), "n 'one' is not a whole number"),
        (TABLE.index(b"lonely"), "1 fields where at least 2 are expected"),
    ]
    read_stdin(path)
    check(count_csv("-", **options))


def test_several_files_are_read_by_several_processes(write_logs: WriteLogs) -> None:
    result = count_csv(write_logs(*[TABLE] * 5), workers=2, split_size=1)
    assert next(map(tuple, result.tables[0].rows)) == ("x\ny", 10, 5 * 301)
    assert result.stats.malformed == 15


def test_malformed_records_are_written_with_their_line_ends(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(TABLE)
    rejects = tmp_path / "rejects.csv"
    count_csv([tmp_path / "t.csv"], rejects=rejects)
    with rejects.open(newline="") as file:
        assert [row[-1] for row in csv.reader(file)] == [
            "line",
            '"bad"x,"\n",7',
            '"x\ny",one',
            "lonely",
        ]


@promise(
    "Without multiline, a line end in quotes makes lines malformed, and the reason says so",
    broken_by=change("mapreduce.kernel.shapes:Quoted._quoted", "end < 0", "False"),
)
def test_without_multiline_such_lines_are_malformed_and_told(write_logs: WriteLogs) -> None:
    job = count(by="a", csv=True, header=True)
    result = count_csv(write_logs(b'a,n\nx,1\n"y\nz",2\n'), job)
    assert [*map(tuple, result.tables[0].rows)] == [("x", 1), ('z"', 1)]
    assert [reject.reason for reject in result.rejects] == [
        "the quotes of field 1 are not closed in this line; if a field holds a line end, use "
        "--multiline"
    ]


cells = st.lists(st.sampled_from(["a", '"', ",", "\n", "\r\n", " "]), max_size=4).map("".join)


@given(
    st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.integers(1, 30), st.booleans()
)
@example([("\n", "")], 1, True)
def test_records_are_those_of_python(
    rows: list[tuple[str, str]], size: int, all_quoted: bool
) -> None:
    text = io.StringIO(newline="")
    style: Any = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator="\n", quoting=style).writerows(rows)
    job = count(by="1,2", csv=True, multiline=True)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "table.csv"
        path.write_text(text.getvalue(), newline="")
        for options in ({"block_size": size}, {"block_size": size, "split_size": size}):
            result = count_csv([path], job, workers=1, **options)
            assert {(row[0], row[1]): row[2] for row in result.tables[0].rows} == Counter(rows)
            assert (result.stats.lines, result.stats.counted) == (len(rows), len(rows))


def pieces(data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, a few at a time, with their places."""
    lines, at = data.splitlines(keepends=True), 0
    for first in range(0, len(lines), size):
        piece = b"".join(lines[first : first + size])
        yield at, piece
        at += len(piece)


@given(st.text('a",\n;', max_size=60), st.integers(1, 5))
def test_joined_pieces_are_the_input_and_end_where_records_end(text: str, size: int) -> None:
    data = text.encode()
    found = [*whole_records("x", pieces(data, size), b",", 1000)]
    assert b"".join(piece for _at, piece in found) == data
    place = 0
    for at, piece in found:
        assert at == place
        place += len(piece)
        alone = [*whole_records("x", [(0, data[:place])], b",", 1000)]
        assert place == len(data) or sum(len(one) for _at, one in alone[:1]) == place


def test_a_quote_that_is_never_closed_makes_one_malformed_record(write_logs: WriteLogs) -> None:
    result = count_csv(write_logs(b'a,n\nx,1\n"y,2\nz,3\n'))
    assert [*map(tuple, result.tables[0].rows)] == [("x", 1, 1)]
    [reject] = result.rejects
    assert (reject.offset, reject.excerpt) == (8, b'"y,2\nz,3')
    with pytest.raises(NothingCountedError):
        count_csv(write_logs(b'a,n\n"y,2'))


def test_a_record_that_is_too_long_names_its_beginning(write_logs: WriteLogs) -> None:
    (path,) = write_logs(b'a,n\nx,1\n"y,2\n' + b"z,3\n" * 100)
    with pytest.raises(InputError, match=r"byte 8: a line of more than 100 bytes"):
        count_csv([path], max_line=100, block_size=30)


@promise(
    "A byte that multiline cannot tell from a line end ends the run",
    broken_by=becomes("mapreduce.formats.records:_check", "pass"),
)
@ways
def test_a_byte_that_stands_for_line_ends_is_refused(
    write_logs: WriteLogs, options: dict[str, Any]
) -> None:
    (path,) = write_logs(b"a,n\nx,1\ny\0,1\n")
    with pytest.raises(
        InputError, match=r"byte 9: is 0, which no text holds, and which multiline="
    ):
        count_csv([path], **options)


def test_a_name_with_a_line_end_is_refused_but_fields_are_counted_by_number(
    write_logs: WriteLogs,
) -> None:
    (path,) = write_logs(b'"a\nb",n\nx,1\n')
    with pytest.raises(UsageError, match="the header cannot be read: the quotes of field 1"):
        count_csv([path])
    job = count("1", csv=True, header=True, multiline=True)
    result = count_csv([path], job)
    assert [*map(tuple, result.tables[0].rows)] == [("x", 1)]
    assert result.stats.lines == 2


def test_only_csv_has_fields_with_line_ends() -> None:
    with pytest.raises(UsageError, match="multiline=True: only fields of csv= and tsv= may hold"):
        count("1", multiline=True)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "mapreduce",
            "count",
            "--tsv",
            "--multiline",
            "-F",
            "1",
            "-o",
            "-",
            "-",
        ],
        input=b'"a\tb\nc"\tx\n',
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, b'Field1,Count\n"a\tb\nc",1\n')
