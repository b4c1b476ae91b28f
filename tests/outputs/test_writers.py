"""Every output format is read back exactly, and a format is one writer and one row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_writer import MarkdownWriter
from promises import change, promise

from mapreduce import Table
from mapreduce.errors import JobError
from mapreduce.outputs import writers
from mapreduce.outputs.csv_writer import CsvWriter
from mapreduce.outputs.table import ROWS
from mapreduce.outputs.targets import Targets
from mapreduce.outputs.writers import WRITERS, Writer, line_writer_of, table_text, writer_of

Rows = list[list[str]]

texts = st.text(st.sampled_from('a,"\r\n é\0\udcff=\u2028\\'), max_size=6)
rows_of_two = st.lists(st.tuples(texts, st.integers(-(2**70), 2**70)), max_size=9)


def read_csv(data: bytes) -> Rows:
    text = data.decode("utf-8", "surrogateescape")
    return [list(row) for row in csv.reader(io.StringIO(text, newline=""))]


def read_json_lines(data: bytes) -> Rows:
    rows = [json.loads(line) for line in data.split(b"\n")[:-1]]
    assert all(list(row) == ["Key", "Count"] for row in rows)
    return [["Key", "Count"], *([row["Key"], str(row["Count"])] for row in rows)]


FORMATS: dict[str, Callable[[bytes], Rows]] = {"t.csv": read_csv, "t.jsonl": read_json_lines}


def test_every_format_is_tested_here() -> None:
    assert {type(writer_of(name)) for name in FORMATS} == {type(writer) for writer in WRITERS}


@promise(
    "The formats of all tables are read back exactly",
    broken_by=change(
        "mapreduce.outputs.json_writer:JsonLinesWriter.lines",
        "encode(...) + '\\n'",
        "encode(dict(zip(header, row)))",
    ),
)
@pytest.mark.parametrize("name", FORMATS)
@given(rows_of_two)
def test_a_table_in_any_format_is_read_back_exactly(name: str, rows: list[tuple[str, int]]) -> None:
    data = b"".join(table_text(Table(name, ("Key", "Count"), rows)))
    assert FORMATS[name](data) == [["Key", "Count"], *([key, str(n)] for key, n in rows)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("number", [0, 1, ROWS - 1, ROWS, ROWS + 1])
def test_a_file_has_all_rows_however_many_there_are(name: str, number: int) -> None:
    rows = [(str(key), key) for key in range(number)]
    pieces = list(table_text(Table(name, ("Key", "Count"), rows)))
    assert FORMATS[name](b"".join(pieces))[1:] == [[str(key)] * 2 for key in range(number)]
    assert max(len(piece) for piece in pieces) < 150_000


@promise(
    "No spreadsheet computes what was made safe",
    broken_by=change(
        "mapreduce.outputs.csv_writer:_no_formula", "value[:1] in FORMULA", "value[:1] == '='"
    ),
)
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_spreadsheet_computes_what_was_made_safe(start: str) -> None:
    table = Table("t.csv", (f"{start}Tag", "Count"), [(f"{start}1+1", -5), ("a=b", 1), ("", 0)])
    safe = [[f"'{start}Tag", "Count"], [f"'{start}1+1", "-5"], ["a=b", "1"], ["", "0"]]
    assert read_csv(b"".join(table_text(table, excel_safe=True))) == safe
    exact = [[cell.removeprefix("'") for cell in row] for row in safe]
    assert read_csv(b"".join(table_text(table))) == exact


class Ready(list[tuple[str, int]]):
    """Rows that write themselves, as those of the kernel do."""

    def csv(self) -> Iterator[bytes]:
        yield b"=1,2\n"


@promise(
    "No spreadsheet computes what the kernel has written",
    broken_by=change(
        "mapreduce.outputs.csv_writer:CsvWriter.text",
        "isinstance(table.rows, CsvRows) and not excel_safe",
        "isinstance(table.rows, CsvRows)",
    ),
)
def test_rows_that_write_themselves_are_made_safe_too() -> None:
    table = Table("t.csv", ("Word", "Count"), Ready([("=1", 2)]))
    assert b"".join(table_text(table)) == b"Word,Count\n=1,2\n"
    assert b"".join(table_text(table, excel_safe=True)) == b"Word,Count\n'=1,2\n"


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"),
        ("a.JSONL", ".jsonl"),
        ("a.ndjson", ".jsonl"),
        ("a.json", ".jsonl"),
        ("a", ".csv"),
        ("", ".csv"),
        ("a.txt", ".csv"),
        (".jsonl", ".csv"),
        ("jsonl", ".csv"),
    ],
)
def test_the_suffix_of_a_name_chooses_the_format(name: str, suffix: str) -> None:
    assert writer_of(name).suffixes[0] == line_writer_of(name).suffixes[0] == suffix


@promise(
    "Two columns of one title are refused in JSON",
    broken_by=change(
        "mapreduce.outputs.json_writer:JsonLinesWriter.text",
        "table.header.count(title) > 1",
        "False",
    ),
)
def test_json_refuses_two_columns_of_one_title() -> None:
    with pytest.raises(JobError, match="two columns 'Key'"):
        list(table_text(Table("t.jsonl", ("Key", "Key"), [("a", "b")])))


def test_malformed_lines_are_csv_where_a_format_cannot_join_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writers, "WRITERS", (*WRITERS, MarkdownWriter()))
    assert isinstance(line_writer_of("r.md"), CsvWriter)


@pytest.mark.parametrize("writer", [*WRITERS, MarkdownWriter()])
def test_one_format_may_be_chosen_for_all_tables(tmp_path: Path, writer: Writer) -> None:
    tables = [Table(name, ("Key",), [("x",)]) for name in ("a.csv", "b.c.jsonl", "d")]
    names = [name + writer.suffixes[0] for name in ("a", "b.c", "d")]
    targets = Targets(tmp_path, None, writer=writer)
    options: dict[str, Any] = {"malformed": 0, "describe": dict, "check": list}
    saved = targets.write(tables, None, **options)
    assert [path.name for path in saved.paths] == names
    for path in saved.paths:
        assert path.read_bytes() == b"".join(writer.text(tables[0]))
