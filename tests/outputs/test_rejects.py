"""Every malformed line is in the rejects, once, where it lies; too many of them end the run."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import signal
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, WriteLogs, cut_sizes, flow_logs, record, run_or_refuse
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import count_flow_logs
from promises import change, promise

from mapreduce import KeyCount, LineMapper, Malformed, Result, UsageError, run
from mapreduce.errors import InputError, MalformedError, OutputError, TaskError
from mapreduce.jobs.flowlogs.job import FlowLogs
from mapreduce.kernel.pace import Pace
from mapreduce.options import Budget

FLOWS = FlowLogs(LOOKUP)
LOG = b"".join(
    b"%b\nbad %d, \xff\r\n%b\n" % (record(), number, record(b"-", b"-", b"NODATA"))
    for number in range(200)
)
Place = tuple[str, int, bytes]
"""The file, the byte offset and the bytes of a line."""


def run_split(inputs: Iterable[Path | str], **options: Any) -> Any:
    """Run with processes from the first byte on (if ``workers`` are more than 1)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
        return run_or_refuse(options.pop("job", FLOWS), inputs, **options)


def places(path: Path) -> list[Place]:
    """Return what a rejects file says, whichever form it has."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
        assert all(list(row) == ["file", "byte", "reason", "line"] for row in rows)
    else:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert all(row["reason"] for row in rows)
    return [
        (row["file"], int(row["byte"]), row["line"].encode("utf-8", "surrogateescape"))
        for row in rows
    ]


def expected_places(paths: list[Path]) -> list[Place]:
    contents = [path.read_bytes() for path in paths]
    found = []
    for number, offset in count_flow_logs(contents, LOOKUP).malformed_at:
        line, newline, _ = contents[number][offset:].partition(b"\n")
        ended = line + newline if newline else line + b"\n"  # the last line is lent its end
        found.append((str(paths[number]), offset, ended[:-1].removesuffix(b"\r")))
    return found


@promise(
    "Every malformed line is in the rejects",
    broken_by=change(
        "mapreduce.mapping.task:_map_into",
        "len(block.view) if settings.spool else missing",
        "1 if settings.spool else missing",
    ),
)
@given(st.lists(flow_logs, min_size=1, max_size=3), st.none() | cut_sizes, cut_sizes)
def test_every_malformed_line_is_written_where_it_lies_and_no_other(
    write_logs: WriteLogs,
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[bytes],
    size: int | None,
    block_size: int,
) -> None:
    paths = write_logs(*contents)
    for form in ("csv", "jsonl"):
        target = tmp_path_factory.getbasetemp() / f"rejects.{form}"
        options: dict[str, Any] = {"split_size": size, "block_size": block_size}
        found = run_or_refuse(FLOWS, paths, rejects=target, **options)
        assert places(target) == expected_places(paths)
        malformed = found.stats.malformed if isinstance(found, Result) else found.malformed
        assert malformed == len(expected_places(paths))


@promise(
    "The rejects are in the order of the inputs, for any number of workers",
    broken_by=change(
        "mapreduce.outputs.rejects:Spool.text",
        "sorted(self.directory.iterdir())",
        "sorted(self.directory.iterdir(), reverse=True)",
    ),
)
@settings(max_examples=5)
@given(st.lists(flow_logs, min_size=1, max_size=3), cut_sizes)
def test_any_number_of_workers_writes_the_same_rejects(
    write_logs: WriteLogs,
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[bytes],
    size: int,
) -> None:
    paths = write_logs(*contents)
    target = tmp_path_factory.getbasetemp() / "rejects.csv"
    run_split(paths, rejects=target, split_size=size, workers=3)
    assert places(target) == expected_places(paths)


def test_the_malformed_lines_of_a_stream_are_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_logs: WriteLogs
) -> None:
    (path,) = write_logs(LOG)
    target = tmp_path / "rejects.csv"
    with path.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        run_split(["-"], rejects=target, split_size=500, workers=2)
    assert places(target) == [("-", at, line) for _, at, line in expected_places([path])]


@dataclass(frozen=True)
class Mark:
    """A file that is there once somebody has done something."""

    path: Path

    def set(self) -> bool:
        """Make it; return whether it had been there."""
        try:
            self.path.touch(exist_ok=False)
        except FileExistsError:
            return True
        return False


@dataclass(frozen=True)
class DieOnce:
    """A function of a line that refuses all of them, and kills its worker amid the first split."""

    mark: Mark

    def __call__(self, line: bytes) -> Iterable[bytes]:
        if line == b"bad 99, \xff" and not self.mark.set():
            os.kill(os.getpid(), signal.SIGKILL)
        raise Malformed("all are")


@promise(
    "A malformed line is written once, though a killed worker has written it, too",
    broken_by=change("mapreduce.mapping.task:_map_into", "settings.spool.clear(...)", "pass"),
)
def test_a_split_that_is_counted_again_writes_its_rejects_once(
    write_logs: WriteLogs, tmp_path: Path
) -> None:
    (path,) = write_logs(LOG)
    job = KeyCount(LineMapper(DieOnce(Mark(tmp_path / "died"))), "x.csv", ("Key", "Count"))
    target = tmp_path / "rejects.csv"
    run_split([path], job=job, rejects=target, split_size=len(LOG), block_size=100, workers=2)
    assert (tmp_path / "died").exists()
    lines = [line.removesuffix(b"\r") for line in LOG.split(b"\n")[:-1]]
    assert [line for _, _, line in places(target)] == lines


def test_a_line_is_written_whole_however_long_it_is(write_logs: WriteLogs, tmp_path: Path) -> None:
    paths = write_logs(b"x" * 3_000_000 + b"\n")
    run_or_refuse(FLOWS, paths, rejects=tmp_path / "r.jsonl")
    assert places(tmp_path / "r.jsonl") == [(str(paths[0]), 0, b"x" * 3_000_000)]


@pytest.mark.parametrize(("name", "text"), [("r.csv", b"file,byte,reason,line\n"), ("r.json", b"")])
def test_no_malformed_line_is_a_file_without_any(
    write_logs: WriteLogs, tmp_path: Path, name: str, text: bytes
) -> None:
    run(FLOWS, write_logs(record()), rejects=tmp_path / "made" / name)
    assert (tmp_path / "made" / name).read_bytes() == text
    assert [path.name for path in (tmp_path / "made").iterdir()] == [name]


@promise(
    "No spreadsheet computes a malformed line that was made safe",
    broken_by=change("mapreduce.outputs.targets:Targets.spool", "self.excel_safe", "False"),
)
@pytest.mark.parametrize("workers", [1, 2])
def test_no_spreadsheet_computes_a_malformed_line_that_was_made_safe(
    write_logs: WriteLogs, tmp_path: Path, workers: int
) -> None:
    paths = write_logs(b"=1+1\n" + LOG + b"@x, y\n-\n")
    safe, exact, lines = (tmp_path / name for name in ("safe.csv", "exact.csv", "lines.jsonl"))
    for target in (safe, lines):
        run_split(paths, rejects=target, excel_safe=True, workers=workers, split_size=3000)
    run_split(paths, rejects=exact)
    texts = [line for _, _, line in places(exact)]
    assert {b"=1+1", b"@x, y", b"-"} < set(texts)
    expected = [b"'" + text if text[:1] in b"=@-" else text for text in texts]
    assert [line for _, _, line in places(safe)] == expected
    assert places(lines) == places(exact)


@contextmanager
def nothing_left(directory: Path) -> Iterator[None]:
    """Check that the body leaves the files of a directory as they were."""
    before = {path: path.read_bytes() for path in directory.rglob("*")}
    yield
    assert {path: path.read_bytes() for path in directory.rglob("*")} == before


def divide(_line: bytes) -> list[bytes]:
    raise ZeroDivisionError


@promise(
    "The spool of the malformed lines is private",
    broken_by=change(
        "mapreduce.outputs.temporary:make_private_directory",
        "path.mkdir(mode=0o700)",
        "path.mkdir()",
    ),
)
@pytest.mark.parametrize("workers", [1, 2])
def test_the_spool_is_private_and_goes_with_the_run_that_failed(
    write_logs: WriteLogs, tmp_path: Path, workers: int
) -> None:
    (tmp_path / "rejects.csv").write_text("old")
    seen: list[os.stat_result] = []

    def look(_size: int) -> None:
        seen.extend(path.stat() for path in tmp_path.glob(".rejects.csv.*.tmp"))

    job = KeyCount(LineMapper(divide), "x.csv", ("Key", "Count"))
    options: dict[str, Any] = {"rejects": tmp_path / "rejects.csv", "workers": workers}
    with nothing_left(tmp_path), pytest.raises(TaskError):
        run_split(write_logs(LOG), job=job, progress=look, **options)
    with nothing_left(tmp_path), pytest.raises(InputError):
        run_split(write_logs(LOG), max_line=50, progress=look, block_size=300, **options)
    assert seen or workers == 1
    assert all(stat.S_ISDIR(one.st_mode) and not one.st_mode & 0o077 for one in seen)


@pytest.mark.parametrize("name", ["in.log", "out/tag2count.csv", "out/_SUCCESS.json", "out"])
def test_rejects_over_something_else_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "in.log").write_bytes(LOG)
    (tmp_path / "out").mkdir()
    with nothing_left(tmp_path / "out"), pytest.raises(UsageError, match=Path(name).name):
        run(FLOWS, [tmp_path / "in.log"], output=tmp_path / "out", rejects=tmp_path / name)
    assert (tmp_path / "in.log").read_bytes() == LOG


# --- the budget: 200 of the 600 lines of LOG are malformed


@promise(
    "One malformed line more than allowed: nothing is written but the rejects",
    broken_by=change(
        "mapreduce.options:Budget.holds", "malformed <= self.number", "malformed <= self.number + 1"
    ),
)
@pytest.mark.parametrize(
    ("budget", "holds"),
    [
        (200, True),
        ("200", True),
        ("199", False),
        (0, False),
        ("33.333333333%", False),
        ("33.333333334%", True),
        ("100%", True),
        ("0%", False),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_one_malformed_line_more_than_allowed_writes_nothing_but_the_rejects(
    write_logs: WriteLogs, tmp_path: Path, budget: int | str, holds: bool, workers: int
) -> None:
    paths = write_logs(LOG)
    out, rejects = tmp_path / "out", tmp_path / "rejects.csv"
    options = {"output": out, "rejects": rejects, "workers": workers, "split_size": 3000}
    if holds:
        run_split(paths, max_malformed=budget, **options)
        said = json.loads((out / "_SUCCESS.json").read_text())
        assert set(said["outputs"]) == {*FLOWS.outputs, "../rejects.csv"}
    else:
        with pytest.raises(MalformedError, match="200 malformed of 600 lines") as caught:
            run_split(paths, max_malformed=budget, **options)
        assert str(caught.value).endswith(f"nothing but {rejects} was written")
        assert not out.exists()
    assert places(rejects) == expected_places(paths)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "%", "1 %", "1e3", "٣", "1%%", "+1", "5.%"])
def test_a_budget_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="max_malformed="):
        run(FLOWS, [], max_malformed=text)


def test_strict_and_a_budget_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="strict=True means max_malformed=0"):
        run(FLOWS, [], strict=True, max_malformed=0)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.decimals(0, 100, places=3))
def test_a_share_is_exact(malformed: int, more: int, per_cent: Any) -> None:
    holds = Budget.of(f"{per_cent}%").holds(malformed, malformed + more)
    assert holds == (malformed * 100_000 <= int(per_cent * 1000) * (malformed + more))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_of_the_rejects_is_said_to_be_that(
    write_logs: WriteLogs, tmp_path: Path, workers: int
) -> None:
    (tmp_path / "rejects.csv").write_text("old")
    paths = write_logs(LOG)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with nothing_left(tmp_path), pytest.raises(OutputError, match="malformed lines: File too"):
            run_split(paths, rejects=tmp_path / "rejects.csv", workers=workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
