"""Where the manifest stands, the files beside it are whole and of one run; leftovers go."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, record, without_manifest
from promises import becomes, change, promise

from mapreduce import Result, __version__, run
from mapreduce.jobs.flowlogs.job import FlowLogs
from mapreduce.outputs import commit as output
from mapreduce.outputs.commit import commit
from mapreduce.outputs.manifest import MANIFEST

LOG = b"".join([record(), b"\n", record(b"-", b"-", b"NODATA"), b"\nbad\n"])
FLOWS = FlowLogs(LOOKUP)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "in.log"
    path.write_bytes(LOG)
    return path


def count(log: Path, directory: Path, **options: Any) -> Result:
    return run(FLOWS, [log], output=directory, **options)


def test_the_manifest_says_what_was_counted_and_written(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = count(log, out, rejects=out / "rejects.csv")
    said = json.loads((out / MANIFEST).read_text())
    outputs = said.pop("outputs")
    assert said == {
        "version": __version__,
        "job": "flowlogs",
        "options": FLOWS.described,
        "lines": 3,
        "counted": 1,
        "skipped": 1,
        "malformed": 1,
        "inputs": [
            {"path": str(log), "bytes": len(LOG), "mtime_ns": log.stat().st_mtime_ns},
        ],
        "side_inputs": [],
    }
    assert set(outputs) == {*FLOWS.outputs, "rejects.csv"}
    for name, file in outputs.items():
        data = (out / name).read_bytes()
        assert file == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert [path.name for path in result.written] == list(FLOWS.outputs)


def test_the_same_input_gives_the_same_manifest(log: Path, tmp_path: Path) -> None:
    texts = []
    for number in range(2):
        count(log, tmp_path / str(number), workers=number + 1, split_size=50)
        texts.append((tmp_path / str(number) / MANIFEST).read_bytes())
    assert texts[0] == texts[1]


@promise(
    "The manifest is removed first and made last",
    broken_by=change(
        "mapreduce.outputs.commit:_Exchange.rename",
        "self._manifest and self._move_away(...)",
        "False",
    ),
)
def test_the_manifest_is_removed_before_and_made_after_all_renames(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    count(log, out)
    renamed = []

    def replace(path: Path, target: Path) -> None:
        assert not (out / MANIFEST).exists()
        renamed.append(target.name)
        os.replace(path, target)  # noqa: PTH105 - the method is what is replaced

    monkeypatch.setattr(Path, "replace", replace)
    count(log, out)
    assert renamed == [*FLOWS.outputs, MANIFEST]
    assert (out / MANIFEST).exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from conftest import LOOKUP
from mapreduce.jobs.flowlogs.job import FlowLogs
from mapreduce import run

def replace(path, target, real=Path.replace):
    renames.append(target)
    if len(renames) > int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(path, target)

renames = []
Path.replace = replace
run(FlowLogs(LOOKUP), [sys.argv[1]], output=sys.argv[2], rejects=sys.argv[2] + "/r.csv")
"""


@promise(
    "A kill between two renames can be told and is repaired",
    broken_by=becomes("mapreduce.outputs.temporary:clear_leftovers", "return None"),
)
@pytest.mark.parametrize("renames", [0, 1, 2, 3])
def test_a_kill_between_two_renames_can_be_told_and_the_next_run_repairs_it(
    log: Path, tmp_path: Path, renames: int
) -> None:
    out = tmp_path / "out"
    count(log, out, rejects=out / "r.csv")
    log.write_bytes(LOG * 2)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(log), str(out), str(renames)],
        env=environment,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (out / MANIFEST).exists()
    assert any(path.name.endswith(".tmp") for path in out.iterdir())
    count(log, out, rejects=out / "r.csv")
    made = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(made) == {*FLOWS.outputs, "r.csv", MANIFEST}
    assert b"\nweb,2\n" in without_manifest(made)["tag2count.csv"]


@promise(
    "Two runs into one directory rename one after the other",
    broken_by=change(
        "mapreduce.outputs.commit:commit", "stack.enter_context(directory_lock(...))", "check()"
    ),
)
def test_two_runs_rename_one_after_the_other(tmp_path: Path) -> None:
    """The lock of another run is held while this one looks for its turn."""
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    looks: list[bool] = []

    def look() -> None:
        looks.append((tmp_path / "t.csv").exists())
        if len(looks) == 5:
            os.close(handle)

    commit({tmp_path / "t.csv": [b"text"]}, check=look)
    assert len(looks) >= 5
    assert not any(looks)
    assert (tmp_path / "t.csv").exists()


def test_a_lock_that_nobody_gives_back_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "LOCK_SECONDS", 1)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    started = time.monotonic()
    commit({tmp_path / "t.csv": [b"text"]})
    os.close(handle)
    assert 0.5 < time.monotonic() - started < 20
    assert (tmp_path / "t.csv").read_bytes() == b"text"


@promise(
    "Temporary files are private",
    broken_by=change("mapreduce.outputs.temporary:_create", "0o600", "0o644"),
)
def test_temporary_files_are_private_until_they_are_renamed(tmp_path: Path) -> None:
    def text() -> Iterator[bytes]:
        yield b"secret"
        (temporary,) = tmp_path.glob(".t.csv.*.tmp")
        assert temporary.stat().st_mode & 0o7777 == 0o600

    commit({tmp_path / "t.csv": text()})
    assert (tmp_path / "t.csv").read_bytes() == b"secret"
