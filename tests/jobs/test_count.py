"""``mapreduce count`` gives what ``cut | sort | uniq -c`` gives, whatever the bytes."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from held import unpack
from hypothesis import given
from hypothesis import strategies as st
from naive import count_fields
from promises import change, promise

from mapreduce import UsageError, run
from mapreduce.jobs.count import count
from mapreduce.jobs.count.fields import parse_fields

LINES = b"b x\na x\nb y\n\na x\nlonely\n"


def command(*arguments: str, data: bytes = LINES) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mapreduce", "count", *arguments],
        input=data,
        capture_output=True,
        check=False,
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_counted_as_the_naive_counter_does(data: bytes) -> None:
    job = count("2,1")
    tally = job.mapper.start()
    tally.map_block(memoryview(data + b"\n"), 0)
    assert unpack(tally.drain().totals) == count_fields(data + b"\n", b" ", (2, 1), None).keys


def test_values_come_by_descending_count_then_by_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(LINES)
    [table] = run(count("1,2"), [path]).tables
    assert table.header == ("Field1", "Field2", "Count")
    assert list(table.rows) == [("a", "x", 2), ("b", "x", 1), ("b", "y", 1)]
    assert table.note == "3 distinct values"


def test_the_table_goes_to_stdout_as_csv_and_the_summary_to_stderr() -> None:
    run = command("-F", "2", "-o", "-", "-")
    assert (run.returncode, run.stdout) == (0, b"Field2,Count\nx,3\ny,1\n")
    assert b"4 counted, 1 skipped, 1 malformed" in run.stderr
    assert b"standard output: 2 distinct values" in run.stderr


def test_the_table_goes_to_counts_csv_in_the_directory(tmp_path: Path) -> None:
    assert command("-F", "1", "-o", str(tmp_path), "-", "-q").stderr == b""
    assert (tmp_path / "counts.csv").read_bytes() == b"Field1,Count\na,2\nb,2\nlonely,1\n"


def test_top_keeps_the_most_frequent() -> None:
    assert command("-F", "1", "--top", "1", "-o", "-", "-").stdout == b"Field1,Count\na,2\n"


def test_the_options_of_a_table_are_options_of_the_command() -> None:
    options = ["--top", "1", "--order", "key:desc", "--percent", "--cumulative", "--others"]
    run = command("-F", "2", *options, "--total", "-o", "-", "-")
    assert run.stdout == (
        b"Row,Field2,Count,Percent(Count),Cumulative(Count)\n"
        b"1,y,1,25.00,25.00\nOthers,,3,75.00,100.00\nTotal,,4,100.00,\n"
    )
    assert b"standard output: 1 of 2 distinct values\n" in run.stderr
    run = command("-F", "2", "--top", "1", "-o", "-", "-")
    assert b"standard output: 1 of 2 distinct values; Count 1 of 4 is not shown\n" in run.stderr


def test_lines_of_another_width_than_expected_are_malformed() -> None:
    run = command("-F", "1", "--fields-expected", "2", "-o", "-", "-")
    assert (
        b"malformed: standard input: byte 17: 1 fields where 2 are expected: lonely" in run.stderr
    )


@pytest.mark.parametrize(
    ("option", "data"), [(r"\t", b"a\tb\n"), (",", b"a,b\n"), (r"\0", b"a\0b\n")]
)
def test_any_one_byte_is_a_delimiter(option: str, data: bytes) -> None:
    run = command("-F", "2", "-d", option, "-o", "-", "-", data=data)
    assert run.stdout == b"Field2,Count\nb,1\n"


def test_values_with_commas_quotes_and_odd_bytes_are_read_back_exactly() -> None:
    values = [b'say "hi"', b"a,b", b"\xff\xfe", b"\x01"]
    run = command("-F", "1", "-d", "|", "-o", "-", "-", data=b"|\n".join([*values, b""]))
    text = run.stdout.decode(errors="surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {row[0].encode(errors="surrogateescape") for row in rows[1:]} == set(values)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7,8", (7, 8)),
        ("2-4", (2, 3, 4)),
        ("3,1-2,3", (3, 1, 2, 3)),
        ("-2", (1, 2)),
        ("3-", (-3,)),
        ("-2,5-", (1, 2, -5)),
    ],
)
def test_fields_are_written_as_in_cut(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_fields(text) == numbers


def test_fields_to_the_end_are_one_column_however_many_a_line_has() -> None:
    run = command("-F", "2-", "-o", "-", "-", data=b"a b c d\nx b c d\ny b\nz\n")
    assert run.stdout == b"Field2-,Count\nb c d,2\nb,1\n"
    assert b"1 fields where at least 2 are expected: z" in run.stderr
    run = command("-F", "1,3-", "-o", "-", "-", data=b"a b c d\n")
    assert run.stdout == b'"Field1,3-",Count\na c d,1\n'


def test_a_backslash_is_a_delimiter_and_half_an_escape_is_none() -> None:
    run = command("-F", "2", "-d", "\\", "-o", "-", "-", data=b"a\\b\n")
    assert run.stdout == b"Field2,Count\nb,1\n"
    run = command("-F", "2", "-d", r"\x", "-")
    assert (run.returncode, run.stderr.count(b"\n")) == (2, 1)
    assert rb"--delimiter \x: is not a valid escape" in run.stderr


@promise(
    "A quoted field is told to a job to which quotes mean nothing",
    broken_by=change(
        "mapreduce.mapping.fields:FieldCombiner.drain",
        "[QUOTES_NOTE] if self._has_quotes else []",
        "[]",
    ),
)
@pytest.mark.parametrize(
    ("delimiter", "line", "told"),
    [
        (",", b'a,"b,c"\n', True),
        (",", b'"a,b",c\n', True),
        (r"\t", b'a\t"b\tc"\n', True),
        (";", b'a;"b;c"\n', True),
        ("|", b'a|"b|c"\n', True),
        (r"\t", b'a,"b,c"\n', False),
        (",", b'a"b",c\n', False),
        (" ", b'a "b c"\n', False),
    ],
)
def test_a_quoted_field_is_told_until_quotes_are_read(
    tmp_path: Path, delimiter: str, line: bytes, told: bool
) -> None:
    (tmp_path / "table").write_bytes(b"x\n" * 50_000 + line)
    notes = run(count("1", delimiter), [tmp_path / "table"], workers=1).notes
    assert any("a field begins with a quote" in note for note in notes) == told


@pytest.mark.parametrize(
    "arguments",
    [{"fields": ["7", "8"]}, {"fields": 7}, {"delimiter": b","}, {"view": "top"}],
)
def test_parameters_of_another_type_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(arguments))}=.*: must be "):
        count(**{"fields": "1", **arguments})


@pytest.mark.parametrize("text", ["", "x", "0", "1,", "-", "2-,1", "4-2", "1-99999", "²", "9" * 9])
def test_fields_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        count(text)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["-F", "1", "-d", ""], b"delimiter"),
        (["-F", "1", "-d", r"\n"], b"delimiter"),
        (["-F", "3", "--fields-expected", "2"], b"the fields must be 1 to 2, not (3,)"),
        (["-F", "1", "--top", "0"], b"--top 0"),
        (["-F", "1", "--order", "x"], b"--order x: write count, key;"),
        (["-F", "1", "--others"], b"--others: without --top, all rows are written"),
        (["-F", "1", "-o", "-", "--stats", "-"], b"both go to standard output"),
    ],
)
def test_what_cannot_work_is_one_clear_line_and_exit_2(arguments: list[str], fault: bytes) -> None:
    run = command(*arguments, "-")
    assert run.returncode == 2
    assert run.stderr.startswith(b"mapreduce: error: ")
    assert run.stderr.count(b"\n") == 1
    assert fault in run.stderr


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ({"csv": True}, "a number, or header=True if the first line of each input has the names"),
        ({"blanks": True}, "these lines have no field 'city': give a number"),
    ],
)
def test_a_name_without_a_header_is_told_what_is_missing(shape: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        count(by="city", **shape)
    assert str(raised.value).endswith(told)


def test_a_number_is_no_path_into_json_but_a_name_in_quotes_may_be_one(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"200": "ok"}\n')
    with pytest.raises(UsageError, match='a member of that name is "200"'):
        count(by="200", json=True)
    [table] = run(count(by='"200"', json=True), tmp_path / "log").tables
    assert list(table.rows) == [("ok", 1)]


def test_a_job_of_two_tables_does_not_go_to_stdout() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "mapreduce",
            "flowlogs",
            "data/flowlogs-small.log",
            "-o",
            "-",
            "-l",
            "data/lookup.csv",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert "makes 2 tables" in run.stderr


def test_a_number_beyond_all_rows_keeps_all_of_them() -> None:
    run = command("-F", "1", "--top", "9" * 25, "-o", "-", "-")
    assert run.stdout == b"Field1,Count\na,2\nb,2\nlonely,1\n"


@pytest.mark.parametrize("width", ["0", "-1", "4294967298", "4294967296", "1000001", "9" * 30])
def test_a_width_that_no_line_has_is_refused(width: str) -> None:
    run = command("-F", "1", "--fields-expected", width, "-")
    assert (run.returncode, run.stdout) == (2, b"")
    assert run.stderr.count(b"\n") == 1
