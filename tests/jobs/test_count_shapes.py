"""``mapreduce count`` of CSV, TSV, access logs, JSON and runs of blanks, by names and numbers."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from promises import change, promise

from mapreduce import UsageError, run
from mapreduce.jobs.count import count
from mapreduce.kernel import VARIANTS


def command(
    *arguments: str, data: bytes = b"", kernel: str = ""
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **({"MAPREDUCE_KERNEL": kernel} if kernel else {})}
    return subprocess.run(
        [sys.executable, "-m", "mapreduce", "count", *arguments],
        input=data,
        capture_output=True,
        check=False,
        env=environment,
    )


QUESTIONS: list[tuple[list[str], bytes, bytes]] = [
    (
        ["--csv", "--header", "--by", "city,2", "--sum", "n"],
        b'n,city\n5,"Bonn, am Rhein"\n-7,"a ""b"""\n5,"Bonn, am Rhein"\n',
        b'city,Field2,Count,Sum(n)\n"Bonn, am Rhein","Bonn, am Rhein",2,10\n'
        b'"a ""b""","a ""b""",1,-7\n',
    ),
    (["--csv", "-F", "2"], b'x,"a;b"\n', b"Field2,Count\na;b,1\n"),
    (["--csv", "-d", ";", "-F", "1-2"], b'x;"a;b"\n', b"Field1,Field2,Count\nx,a;b,1\n"),
    (["--tsv", "--header", "--by", "B"], b'a\tb\n1\t"x\ty"\n', b"B,Count\nx\ty,1\n"),
    (["--header", "--by", "b"], b'a b\n1 "x\n', b'b,Count\n"""x",1\n'),
    (["--header", "-d", "::", "-F", "2"], b"a::b\n1::x:y\n", b"Field2,Count\nx:y,1\n"),
    (["-d", "::", "-F", "2"], b"a::b\n1::x:y\n", b"Field2,Count\nb,1\nx:y,1\n"),
    (["--csv", "--header", "--by", '"a,b","2"'], b'2,"a,b"\nx,y\n', b'"a,b",2,Count\ny,x,1\n'),
    (
        ["--blanks", "-F", "2", "--sum", "1"],
        b"  7\t a\n\n 8 a \n",
        b"Field2,Count,Sum(Field1)\na,2,15\n",
    ),
    (
        ["--access-log", "--by", "path,status", "--sum", "bytes"],
        b'h - - [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.0" 200 -\n'
        b'h - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 5\n',
        b"path,status,Count,Sum(bytes)\n/a,200,2,5\n",
    ),
    (
        ["--json", "--by", "a.b,c[0]", "--sum", "n"],
        b'{"a":{"b":"\\u00e9"},"c":[true],"n":3}\n{"n":4,"c":[true],"a":{"b":"\xc3\xa9"}}\n',
        b"a.b,c[0],Count,Sum(n)\n\xc3\xa9,true,2,7\n",
    ),
]


@promise(
    "count gives the same bytes with every kernel, for lines of every shape",
    broken_by=change("mapreduce.kernel._pure_shapes:ShapeTable._count_values", "int(text)", "1"),
)
@pytest.mark.parametrize(("arguments", "data", "table"), QUESTIONS, ids=lambda one: str(one)[:40])
def test_lines_of_each_shape_are_counted_by_names_and_numbers(
    arguments: list[str], data: bytes, table: bytes
) -> None:
    for kernel in (*VARIANTS, "pure"):
        run = command(*arguments, "-q", "-o", "-", "-", data=data, kernel=kernel)
        assert (run.returncode, run.stdout, run.stderr) == (0, table, b"")


CLASHES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"by": "a", "csv": True, "json": True},
        "--csv and --json: choose one shape of lines",
        "csv= and json=: choose one shape of lines",
    ),
    (
        {"csv": True},
        "--fields or --by says what to count by: give one of them",
        "fields= or by= says what to count by: give one of them",
    ),
    (
        {"csv": True, "by": "a", "fields": "1"},
        "--fields or --by says what to count by: give one of them",
        "fields= or by= says what to count by: give one of them",
    ),
    (
        {"access_log": True, "by": "path", "header": True},
        "--header and --access-log: only CSV, TSV and delimited lines have a header",
        "header= and access_log=: only CSV, TSV and delimited lines have a header",
    ),
    (
        {"json": True, "by": "a", "delimiter": ","},
        "--delimiter , and --json: such lines have their own delimiter",
        "delimiter=, and json=: such lines have their own delimiter",
    ),
    (
        {"tsv": True, "by": "1", "delimiter": ","},
        "--delimiter , and --tsv: such lines have their own delimiter",
        "delimiter=, and tsv=: such lines have their own delimiter",
    ),
    (
        {"json": True, "fields": "1"},
        "--fields and --json: JSON has no numbered fields; name paths with --by",
        "fields= and json=: JSON has no numbered fields; name paths with by=",
    ),
    (
        {"json": True, "by": "a", "fields_expected": 3},
        "--fields-expected and --json: JSON has no numbered fields; name paths with --by",
        "fields_expected= and json=: JSON has no numbered fields; name paths with by=",
    ),
    (
        {"csv": True, "by": "a"},
        "these lines have no field 'a': give a number, or --header if the first line of each "
        "input has the names",
        "these lines have no field 'a': give a number, or header=True if the first line of each "
        "input has the names",
    ),
    (
        {"csv": True, "fields": "2-", "header": True},
        "--fields 2-: fields to the end of a line can be counted only between a --delimiter of "
        "one byte, without --header and --where",
        "fields=2-: fields to the end of a line can be counted only between a delimiter= of one "
        "byte, without header= and where=",
    ),
    (
        {"csv": True, "by": "1", "sum": ["2", "2"]},
        "--sum: names a field twice",
        "sum=: names a field twice",
    ),
    (
        {"access_log": True, "by": "pth"},
        "there is no field 'pth'; the names are host, ident, user, time, request, status, bytes, "
        "referer, agent, method, url, path, protocol, hour",
        "there is no field 'pth'; the names are host, ident, user, time, request, status, bytes, "
        "referer, agent, method, url, path, protocol, hour",
    ),
    (
        {"csv": True, "by": 'a,"b', "header": True},
        '--by a,"b: write names or numbers with commas between them',
        'by=a,"b: write names or numbers with commas between them',
    ),
    (
        {"csv": True, "by": "1", "delimiter": '"'},
        "the delimiter must be one byte, no quote and no line end: b'\"'",
        "the delimiter must be one byte, no quote and no line end: b'\"'",
    ),
]


@pytest.mark.parametrize(("arguments", "typed", "called"), CLASHES, ids=lambda one: str(one)[:40])
def test_options_that_clash_are_one_line_in_the_spelling_of_the_caller(
    arguments: dict[str, Any], typed: str, called: str
) -> None:
    with pytest.raises(UsageError) as caught:
        count(**arguments)
    assert (caught.value.for_command_line(), str(caught.value)) == (typed, called)


def test_a_clash_is_one_line_and_exit_2() -> None:
    run = command("--csv", "--tsv", "--by", "a", "-")
    assert (run.returncode, run.stdout) == (2, b"")
    assert run.stderr == b"mapreduce: error: --csv and --tsv: choose one shape of lines\n"


@pytest.mark.parametrize(
    "arguments",
    [
        {"sum": "bytes"},
        {"sum": [1]},
        {"fields_expected": "2"},
        {"fields_expected": True},
        {"by": 1},
    ],
)
def test_values_of_another_type_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(arguments))}=.*: must be "):
        count(**{"by": "a", "csv": True, "header": True, **arguments})


def test_every_input_has_its_own_header_and_a_name_that_is_missing_names_the_input(
    tmp_path: Path,
) -> None:
    (tmp_path / "1.csv").write_bytes(b"a,b\nx,1\n")
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfB,A\r\n2,x\r\n"))
    job = count(by="a", sum=["b"], csv=True, header=True)
    assert [*run(job, [tmp_path]).tables[0].rows] == [("x", 2, 3)]
    (tmp_path / "3.csv").write_bytes(b"c\nx\n")
    with pytest.raises(UsageError, match=r"3\.csv: the header has no column 'a'; it has c"):
        run(job, [tmp_path])


@promise(
    "Malformed lines are told with their byte, and written whole, header or not",
    broken_by=change("mapreduce.formats.format:drop_header", "block.offset + end", "block.offset"),
)
def test_malformed_lines_are_told_and_written_with_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'a,b\n"x\n1,2\n"y"z,\n')
    rejects = tmp_path / "rejects.csv"
    done = command(
        "--csv",
        "--header",
        "--by",
        "a",
        "--rejects",
        str(rejects),
        "-o",
        "-",
        str(tmp_path / "t.csv"),
    )
    assert (done.returncode, done.stdout) == (0, b"a,Count\n1,1\n")
    assert b"4 lines" in done.stderr
    assert b"1 counted, 1 skipped, 2 malformed" in done.stderr
    with rejects.open(newline="") as file:
        rows = [row[1:] for row in csv.reader(file)]
    assert rows == [
        ["byte", "reason", "line"],
        [
            "4",
            "the quotes of field 1 are not closed in this line; "
            "if a field holds a line end, use --multiline",
            '"x',
        ],
        ["11", "field 1 goes on after its closing quote", '"y"z,'],
    ]


@pytest.mark.parametrize("options", [{}, {"workers": 2, "split_size": 50}, {"block_size": 9}])
def test_samples_are_counted_as_python_counts_them(tmp_path: Path, options: dict[str, Any]) -> None:
    rows = [[f'name "{n % 7}"', str(n % 3), f"x,{n % 5}"] for n in range(500)]
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["name", "n", "x"], *rows])
    expected = Counter((name, x) for name, _n, x in rows)
    [table] = run(count(by="name,x", csv=True, header=True), [path], **options).tables
    assert {(row[0], row[1]): row[2] for row in table.rows} == expected


def test_a_path_that_no_line_has_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": 2, "b": 3}\n')
    for by, told in (("a,bb", "; no line has bb"), ("b", ""), ("a", "")):
        [table] = run(count(json=True, by=by), tmp_path / "a.jsonl").tables
        assert table.note == f"{len(table.rows)} distinct values{told}"
