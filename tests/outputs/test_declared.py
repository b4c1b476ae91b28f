"""A job writes the tables that it has declared, or the run ends and names the job's fault."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from promises import becomes, change, promise

from mapreduce import (
    FieldMapper,
    Job,
    KeyCount,
    LineMapper,
    Malformed,
    Table,
    Totals,
    UsageError,
    run,
)
from mapreduce.errors import (
    ConservationError,
    JobError,
    MalformedError,
    NothingCountedError,
    OutputError,
)
from mapreduce.inputs.sources import find_sources
from mapreduce.mapping.mapper import Mapper
from mapreduce.outputs.manifest import MANIFEST
from mapreduce.outputs.rejects import Spool
from mapreduce.outputs.table import ROWS
from mapreduce.outputs.targets import Targets
from mapreduce.outputs.writers import CSV

ONE, OTHER = Table("one.csv", ("Key",), [("a",)]), Table("other.csv", ("Key",), [("b",)])

SPLIT = LineMapper(bytes.split)


@dataclass(frozen=True)
class Liar(Job):
    """A job that returns any tables, whatever it has declared."""

    tables: Any = (ONE, OTHER)
    outputs: Sequence[str] = ("one.csv", "other.csv")
    mapper: Mapper = SPLIT

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        return self.tables  # type: ignore[no-any-return]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with an input and an older table."""
    (tmp_path / "in.log").write_text("a b\n")
    (tmp_path / "one.csv").write_text("old")
    return tmp_path


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def table(rows: Any, header: Any = ("Key", "Count")) -> Table:
    return Table("one.csv", header, rows)


@promise(
    "A job that returns something else than it has declared writes nothing",
    broken_by=becomes("mapreduce.outputs.targets:check_tables", "pass"),
)
@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([ONE, OTHER, Table("in.log", ("Key",), [])], "returned the table 'in.log', but declares"),
        ([ONE, OTHER, Table("../in.log", ("Key",), [])], "returned the table '../in.log', but"),
        ([ONE, OTHER, ONE], "returned the table 'one.csv' twice"),
        ([ONE], "did not return its table 'other.csv'"),
        ([], "did not return its table 'one.csv'"),
        (None, "returned None, not a list of tables"),
        (ONE, "not a list of tables"),
        ("ab", "returned 'ab', not a list of tables"),
        ([{"Key": 1}], "not a list of tables"),
        ([table([("a", 1)], ("A", "B", "C")), OTHER], "has 2 values, but the header has 3"),
        ([table([("a", 1, 2)]), OTHER], "has the row \\('a', 1, 2\\), which has 3 values"),
        ([table([("a", 1)] * ROWS + [("b",)]), OTHER], "has the row \\('b',\\), which has 1 value"),
        ([table([(b"a", 1)]), OTHER], "has bytes in the column 'Key'"),
        ([table([("a", None)]), OTHER], "has NoneType in the column 'Count'"),
        ([table([], ()), OTHER], "has the header \\(\\): it must be text"),
        ([table([], ("Key", 1)), OTHER], "it must be text"),
        ([table({("a", 1)}), OTHER], "has rows of type set"),
        ([table(iter([("a", 1)])), OTHER], "has rows of type list_iterator"),
    ],
)
@pytest.mark.parametrize("written", [True, False])
def test_a_job_that_breaks_its_word_writes_nothing(
    directory: Path, tables: Any, said: str, written: bool
) -> None:
    before, late = contents(directory), "1 value" in said  # only a table that is written is read
    with pytest.raises(JobError, match=said) if written or not late else nullcontext():
        run(Liar(tables), [directory / "in.log"], output=directory if written else None)
    assert contents(directory) == before


@promise(
    "A job may declare only plain names of files",
    broken_by=change(
        "mapreduce.outputs.targets:check_names", "not isinstance(name, str) or ...", "False"
    ),
)
@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x.csv", "/x.csv", "a/b.csv", "x.csv/", "a\0b", MANIFEST, 1, None]
)
def test_a_job_may_declare_only_plain_names_of_files(directory: Path, name: Any) -> None:
    before = contents(directory)
    with pytest.raises(UsageError, match=r"the output '.*' of the job"):
        run(Liar(outputs=(name,)), [directory / "in.log"], output=directory)
    assert contents(directory) == before


def test_a_job_may_declare_a_name_only_once(directory: Path) -> None:
    with pytest.raises(UsageError, match=r"'x\.csv' of the job: is declared twice"):
        run(Liar(outputs=("x.csv", "x.csv")), [directory / "in.log"], output=directory)


ODD = ["-.csv", " .csv", "~", "a\nb.csv", "\x1b[31m.csv", "\udcff.csv", "%s*?[a].csv", "ü" * 120]


@pytest.mark.parametrize("name", ODD)
def test_any_plain_name_is_written_again_and_again(directory: Path, name: str) -> None:
    job = Liar([Table(name, ("Key",), [])], (name,))
    for _ in range(2):
        result = run(job, [directory / "in.log"], output=directory / "out")
        assert [path.name for path in result.written] == [name]
        assert set(contents(directory / "out")) == {name, MANIFEST}
        assert contents(directory / "out")[name] == b"Key\n"


@promise(
    "A name that is too long is refused before any work",
    broken_by=change("mapreduce.outputs.targets:_refusal", "len(...) > LONGEST_NAME", "False"),
)
@pytest.mark.parametrize(("letter", "number"), [("x", 242), ("ü", 121)])
def test_a_name_that_is_too_long_is_refused_before_any_work(
    directory: Path, letter: str, number: int
) -> None:
    name = letter * number
    with pytest.raises(UsageError, match="the name is too long"):
        run(Liar(outputs=(name,)), [directory / "in.log"], output=directory)
    (directory / "in.log").write_text("")
    job = Liar([Table(name[1:], ("Key",), [])], (name[1:],))
    assert run(job, [directory / "in.log"], output=directory).written


@promise(
    "Two outputs that are one file are refused",
    broken_by=change("mapreduce.outputs.targets:check_targets", "real in seen", "False"),
)
def test_two_names_that_are_one_file_are_refused(directory: Path) -> None:
    (directory / "other.csv").symlink_to("one.csv")
    with pytest.raises(UsageError, match=r"other\.csv: is also another output"):
        run(Liar(), [directory / "in.log"], output=directory)


@pytest.mark.parametrize("rejects", ["one.csv", "link.csv", "linked/one.csv", "./one.csv"])
def test_rejects_that_are_a_table_by_any_name_are_refused(directory: Path, rejects: str) -> None:
    (directory / "link.csv").symlink_to("one.csv")
    (directory / "linked").symlink_to(directory)
    before = sorted(directory.iterdir())
    target = f"{directory}/{rejects}"
    with pytest.raises(UsageError, match="is also another output"):
        run(Liar(), [directory / "in.log"], output=directory, rejects=target)
    assert sorted(directory.iterdir()) == before


@promise(
    "Malformed lines that are lost or doubled end the run",
    broken_by=change("mapreduce.outputs.rejects:Spool.text", "written != malformed", "False"),
)
@pytest.mark.parametrize(("written", "malformed"), [(2, 3), (2, 1), (0, 1)])
def test_malformed_lines_that_are_lost_or_doubled_end_the_run(
    tmp_path: Path, written: int, malformed: int
) -> None:
    spool = Spool(tmp_path, CSV)
    spool.write(0, 0, "in", [(0, "why", b"line\r")] * written)
    with pytest.raises(ConservationError, match=f"{malformed} malformed.*{written} of them"):
        list(spool.text(malformed))
    assert len(list(spool.text(written))) >= 1


def test_a_part_that_is_cut_off_ends_the_run(tmp_path: Path) -> None:
    spool = Spool(tmp_path, CSV)
    spool.write(0, 0, "in", [(0, "why", b"line")])
    (part,) = tmp_path.iterdir()
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(ConservationError, match="a part of the spool ends early"):
        list(spool.text(1))


@promise(
    "Sources of two searches lose no malformed line without a word",
    broken_by=[
        becomes("mapreduce.inputs.sources:_numbered", "return source"),
        change("mapreduce.outputs.rejects:Spool.text", "written != malformed", "False"),
    ],
)
def test_sources_of_two_searches_lose_no_malformed_line_without_a_word(directory: Path) -> None:
    """Two inputs with the same number once shared a part, which the second of them cleared."""
    (directory / "other.log").write_text("x\n")
    sources = [
        source for name in ("in.log", "other.log") for source in find_sources([directory / name])
    ]
    rejects = directory / "rejects.csv"
    job = Liar(mapper=LineMapper(refuse))
    with pytest.raises(NothingCountedError):
        run(job, sources, rejects=rejects)
    assert rejects.read_bytes().count(b"\n") == 3


def refuse(_line: bytes) -> list[bytes]:
    raise Malformed("all are")


def test_figures_are_written_with_the_tables_or_not_at_all(directory: Path) -> None:
    targets = Targets(directory / "out", None, stats=directory / "stats.json")
    targets.check(["one.csv"], [])
    made: list[bool] = []

    def figures() -> bytes:
        made.append(bool([*(directory / "out").glob(".one.csv.*.tmp")]))
        return b"{}"

    def write() -> None:
        options: dict[str, Any] = {"malformed": 0, "describe": dict, "check": list}
        targets.write([ONE], None, figures=figures, **options)

    before = contents(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", no_room)
        with pytest.raises(OutputError, match="File too large"):
            write()
    assert contents(directory) == before
    write()
    assert made == [True]
    assert (directory / "stats.json").read_bytes() == b"{}"
    outputs = json.loads((directory / "out" / MANIFEST).read_text())["outputs"]
    assert set(outputs) == {"one.csv", "../stats.json"}


def no_room(_handle: int, _data: bytes) -> int:
    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


@pytest.mark.parametrize("name", ["one.csv", "_SUCCESS.json", "in.log", "rejects.csv", "link"])
def test_figures_over_something_else_are_refused(directory: Path, name: str) -> None:
    (directory / "link").symlink_to("one.csv")
    targets = Targets(directory, directory / "rejects.csv", stats=directory / name)
    with pytest.raises(UsageError, match=name):
        targets.check(["one.csv"], [directory / "in.log"])


@promise(
    "A manifest never lists the malformed lines of a run that failed",
    broken_by=change(
        "mapreduce.outputs.targets:Targets.write_rejects", "directory and text", "False"
    ),
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_manifest_never_lists_the_malformed_lines_of_a_run_that_failed(
    directory: Path, inside: bool
) -> None:
    """They are written although the tables are not, over those that the manifest lists."""
    out = directory / "out"
    rejects = (out if inside else directory) / "rejects.csv"
    job = Liar([ONE], ("one.csv",))
    run(job, [directory / "in.log"], output=out, rejects=rejects)
    before = json.loads((out / MANIFEST).read_text())
    broken = Liar([ONE], ("one.csv",), LineMapper(refuse))
    with pytest.raises(MalformedError):
        run(broken, [directory / "in.log"], output=out, rejects=rejects, max_malformed=0)
    assert b"all are" in rejects.read_bytes()
    listed = {**before["outputs"]}
    del listed["rejects.csv" if inside else "../rejects.csv"]
    assert json.loads((out / MANIFEST).read_text()) == {**before, "outputs": listed}


@promise(
    "The header of a KeyCount names a column for the key, the count and each measure",
    broken_by=change(
        "mapreduce.key_count:KeyCount.__post_init__", "isinstance(self.header, str)", "False"
    ),
)
@pytest.mark.parametrize("header", ["kc", ("K",), ("K", "Count", "Sum")])
def test_a_header_that_does_not_name_the_columns_is_refused(header: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="the header "):
        KeyCount(LineMapper(bytes.split), "words.csv", header)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_each_field_of_a_key_has_its_column(columns: int) -> None:
    """A header that could be read in two ways would put a count under another name."""
    with pytest.raises(ValueError, match=f"has {columns} columns: name 2 for the key, 1 for"):
        KeyCount(FieldMapper(b" ", (1, 2)), "pairs.csv", ("A", "B", "C", "D")[:columns])
