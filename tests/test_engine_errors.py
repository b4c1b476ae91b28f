"""A run that fails says why, and leaves everything as it was."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    LOOKUP,
    WriteLogs,
    record,
)
from engine_runs import (
    FLOWS,
    LOG,
    Run,
    check,
    divide,
    line_job,
    listing,
    run_split,
)
from naive import count_flow_logs
from promises import change, promise

from mapreduce import KeyCount, UsageError, run
from mapreduce.backends.this_process import Call, ThisProcess
from mapreduce.engine import SHOWN
from mapreduce.errors import (
    ConservationError,
    InputError,
    MalformedError,
    TaskError,
)
from mapreduce.mapping.mapper import Drained, Mapper, Tally
from mapreduce.reducing.partial import Partial
from mapreduce.reducing.totals import EMPTY
from mapreduce.reducing.tree import merge

# --- errors


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"workers": -1},
        {"split_size": 0},
        {"block_size": 0},
        {"start_method": "telepathy"},
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused_before_any_work(
    write_logs: WriteLogs, options: dict[str, Any]
) -> None:
    ticks: list[int] = []
    (name,) = options
    with pytest.raises(UsageError, match=name):
        run_split(write_logs(LOG), progress=ticks.append, **{"workers": 2, **options})
    assert ticks == []


@pytest.mark.parametrize("name", ["log/below", "tables"])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, name: str
) -> None:
    ticks: list[int] = []
    (tmp_path / "log").write_bytes(LOG)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / FLOWS.outputs[1]).hardlink_to(tmp_path / "log")
    with pytest.raises(UsageError):
        run(FLOWS, [tmp_path / "log"], output=tmp_path / name, progress=ticks.append)
    assert (tmp_path / "log").read_bytes() == LOG
    assert ticks == []


def test_an_input_that_is_missing_is_refused_before_any_work(
    write_logs: WriteLogs, tmp_path: Path
) -> None:
    ticks: list[int] = []
    with pytest.raises(UsageError, match="missing"):
        run(FLOWS, [*write_logs(LOG), tmp_path / "missing"], progress=ticks.append)
    assert ticks == []


def test_strict_refuses_malformed_lines_and_locates_them(
    write_logs: WriteLogs, old_output: Path, run_by: Run
) -> None:
    expected = count_flow_logs([LOG, b"x"], LOOKUP)
    with pytest.raises(MalformedError) as caught:
        run_by(write_logs(LOG, b"x"), output=old_output, strict=True, split_size=200)
    assert caught.value.malformed == expected.malformed == 11
    rejects: Any = caught.value.rejects
    places = [(reject.index, reject.offset) for reject in rejects]
    assert places == expected.malformed_at[:SHOWN]


def test_strict_accepts_lines_that_are_counted_or_skipped(
    write_logs: WriteLogs, tmp_path: Path, run_by: Run
) -> None:
    data = LOG.replace(b"bad", record())
    result = run_by(write_logs(data), output=tmp_path, strict=True, split_size=200)
    check(result, [data])
    assert set(listing(tmp_path)) == set(FLOWS.outputs)


def test_a_job_that_fails_ends_the_run(
    write_logs: WriteLogs, old_output: Path, run_by: Run
) -> None:
    with pytest.raises(TaskError, match="ZeroDivisionError"):
        run_by(write_logs(LOG), line_job(divide), output=old_output, split_size=200)


@dataclass(frozen=True)
class Liar(Mapper):
    """A mapper and its combiner that count every line, give or take a lie."""

    lines: int = 0
    skipped: int = 0
    malformed: int = 0
    counted: int = 0

    def start(self) -> Liar:
        return self

    def map_block(self, block: memoryview, _wanted: int, /) -> Tally:
        return Tally(bytes(block).count(b"\n") + self.lines, self.skipped, self.malformed)

    def drain(self) -> Drained:
        return Drained(EMPTY, 9 + self.counted)


@promise(
    "Each line is counted, skipped or malformed, or the run fails",
    broken_by=change("mapreduce.splits.ledger:Ledger.check", "total.lines == classes", "True"),
)
@pytest.mark.parametrize(
    "mapper",
    [Liar(lines=1), Liar(lines=-1), Liar(skipped=1), Liar(malformed=1), Liar(counted=-1)],
    ids=str,
)
def test_a_mapper_that_loses_or_invents_a_line_ends_the_run(
    write_logs: WriteLogs, tmp_path: Path, run_by: Run, mapper: Mapper
) -> None:
    job = KeyCount(mapper, "keys.csv", ("Key", "Count"))
    with pytest.raises(ConservationError, match="lines in 18 of 18 bytes"):
        run_by(write_logs(b"x\n" * 9), job, output=tmp_path)
    assert listing(tmp_path) == {}


def test_a_mapper_that_tells_the_truth_is_believed(write_logs: WriteLogs, run_by: Run) -> None:
    job = KeyCount(Liar(), "keys.csv", ("Key", "Count"))
    assert run_by(write_logs(b"x\n" * 9), job).stats.counted == 9


class BadBackend(ThisProcess):
    """Runs its second call ``times`` times and returns all that they have counted."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.calls, self.times = count(), times

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Call:
        times = self.times if next(self.calls) == 1 else 1

        def repeat(*values: Any) -> Partial:
            total = Partial(EMPTY)
            for _ in range(times):
                total = merge(total, function(*values), 0)
            return total

        return super().submit(repeat, *arguments)


@promise(
    "A split that is lost or counted twice ends the run",
    broken_by=change(
        "mapreduce.splits.ledger:Ledger.check",
        "(total.splits, total.size, self._files) == handed_out",
        "True",
    ),
)
@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize("others", [(), (b"",)], ids=["alone", "beside an empty file"])
def test_a_split_that_is_lost_or_counted_twice_ends_the_run(
    write_logs: WriteLogs, old_output: Path, others: tuple[bytes, ...], times: int
) -> None:
    paths = write_logs(LOG, *others)
    with pytest.raises(ConservationError, match="nothing was written"):
        run(FLOWS, paths, output=old_output, split_size=500, backend=BadBackend(times))


def truncate(path: Path) -> None:
    os.truncate(path, 100)


def replace(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)


@promise(
    "A file that is truncated while it is read is an error",
    broken_by=change("mapreduce.formats.format:read_into", "not got", "got is None"),
)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("change", "reason"), [(truncate, "truncated"), (replace, "replaced"), (Path.unlink, "No such")]
)
def test_a_file_that_changes_while_it_is_counted_ends_the_run(
    write_logs: WriteLogs,
    old_output: Path,
    change: Callable[[Path], None],
    reason: str,
    workers: int,
) -> None:
    (path,) = write_logs(LOG)

    def change_once(size: int) -> None:
        if size and not changed:
            change(path)
            changed.append(path)

    changed: list[Path] = []
    with pytest.raises(InputError, match=reason) as caught:
        run_split(
            [path],
            output=old_output,
            workers=workers,
            split_size=150,
            block_size=50,
            progress=change_once,
        )
    assert str(path) in str(caught.value)


@promise(
    "A file that grows is counted up to its size at the start",
    broken_by=change(
        "mapreduce.formats.text:Text.read", "view[held : held + end - position]", "view[held:]"
    ),
)
def test_a_file_that_grows_is_counted_up_to_its_size_at_the_start(write_logs: WriteLogs) -> None:
    (path,) = write_logs(LOG)

    def grow(_size: int) -> None:
        with path.open("ab") as file:
            file.write(b"80 more\n")

    check(run(FLOWS, [path], split_size=150, block_size=50, progress=grow), [LOG])


@pytest.mark.skipif(sys.platform != "linux", reason="has a file that cannot be read from its start")
def test_an_input_that_cannot_be_read_ends_the_run(
    write_logs: WriteLogs, old_output: Path, run_by: Run
) -> None:
    with pytest.raises(InputError, match=r"^/proc/self/mem: "):
        run_by([*write_logs(LOG), "/proc/self/mem"], output=old_output, split_size=500)
