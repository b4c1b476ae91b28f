"""The figures of a run are one more of its files: written with the tables, or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from promises import change, promise

from mapreduce import MapReduceError, UsageError, run
from mapreduce.errors import MalformedError, OutputError
from mapreduce.jobs.count import count
from mapreduce.outputs.manifest import MANIFEST

COUNT = count("1", fields_expected=2)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "in.log"
    path.write_bytes(b"a b\na c\nd\n")
    return path


def contents(directory: Path) -> dict[str, bytes]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.mark.parametrize("output", [None, "out"])
def test_the_figures_of_a_run_may_be_a_file(log: Path, tmp_path: Path, output: str | None) -> None:
    stats = tmp_path / "made" / "stats.json"
    result = run(COUNT, [log], output=output and tmp_path / output, stats=stats)
    said = json.loads(stats.read_text())
    returned: dict[str, Any] = result.stats.as_dict()
    timed = {"seconds", "mb_per_s"}
    assert {k: said[k] for k in said if k not in timed} == {
        k: returned[k] for k in returned if k not in timed
    }
    assert 0 < said["seconds"]["total"] <= returned["seconds"]["total"]
    assert said["seconds"]["write"] < returned["seconds"]["write"]
    if output:
        assert said["seconds"]["write"] > 0
        listed = json.loads((tmp_path / output / MANIFEST).read_text())["outputs"]
        assert set(listed) == {"counts.csv", "../made/stats.json"}


@promise(
    "Figures that cannot be written leave the tables as they were",
    broken_by=change("mapreduce.engine:_targets", "Path(stats)", "None"),
)
def test_figures_that_cannot_be_written_leave_the_tables_as_they_were(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_but_no_figures(handle: int, data: bytes, write: Any = os.write) -> int:
        if b'"mb_per_s"' in bytes(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(write(handle, data))

    options: dict[str, Any] = {"output": tmp_path / "out", "stats": tmp_path / "stats.json"}
    run(COUNT, [log], **options)
    before = contents(tmp_path)
    monkeypatch.setattr(os, "write", write_but_no_figures)
    with pytest.raises(OutputError, match=r"stats\.json: No space left on device"):
        run(count("2"), [log], **options)
    assert contents(tmp_path) == before


def test_a_run_with_too_many_malformed_lines_writes_no_figures(log: Path, tmp_path: Path) -> None:
    with pytest.raises(MalformedError):
        run(COUNT, [log], stats=tmp_path / "stats.json", strict=True)
    assert not (tmp_path / "stats.json").exists()


def test_figures_for_standard_output_come_after_success(
    log: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MapReduceError):
        run(COUNT, [log], stats="-", strict=True)
    assert capfd.readouterr().out == ""
    run(COUNT, [log], stats="-", output=tmp_path / "out")
    assert json.loads(capfd.readouterr().out)["counted"] == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"counts.csv", MANIFEST}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"stats": "-", "output": "-"}, "cannot both go to standard output"),
        ({"stats": "in.log"}, r"in\.log: is an input"),
        ({"stats": "out/counts.csv", "output": "out"}, "is also another output"),
        ({"stats": "all", "rejects": "all"}, "is also another output"),
        ({"stats": 3}, "stats=3: must be a path"),
    ],
)
def test_figures_that_would_go_where_something_else_goes_are_refused_before_any_work(
    log: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ticks: list[int] = []
    with pytest.raises(UsageError, match=error):
        run(COUNT, ["in.log"], progress=ticks.append, **options)
    assert ticks == []
    assert contents(tmp_path) == {"in.log": log.read_bytes()}


def test_earlier_figures_are_no_input(log: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert run(COUNT, [tmp_path], stats=tmp_path / "stats.json").stats.lines == 3
