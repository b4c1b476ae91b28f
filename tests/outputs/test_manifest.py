"""A manifest names the outputs of a run, so that later runs know them again."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import pytest
from promises import change, promise

from mapreduce import KeyCount, LineMapper, run
from mapreduce.errors import OutputError
from mapreduce.outputs.manifest import MANIFEST, own_outputs


def put_manifest(directory: Path, *names: str, **more: object) -> None:
    files = {name: {"bytes": 1, "sha256": "0" * 64} for name in names}
    directory.mkdir(exist_ok=True)
    said = {"version": "0.1.0", "outputs": files, **more}
    (directory / MANIFEST).write_text(json.dumps(said))


def test_what_a_run_has_written_is_known_from_its_manifest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put_manifest(out, "a.csv", "gone.csv", "../rejects.csv")
    for path in (out / "a.csv", tmp_path / "rejects.csv", out / "of somebody", tmp_path / "stats"):
        path.write_text("text")
    (tmp_path / "link").symlink_to(out)
    expected = {out / MANIFEST, out / "a.csv", tmp_path / "rejects.csv"}
    assert own_outputs(out) == own_outputs(tmp_path / "link") == expected
    assert own_outputs(None) == set()
    assert own_outputs(tmp_path / "missing", None) == set()
    found = own_outputs(out, tmp_path / "stats", None, tmp_path / "new")
    assert found == expected | {tmp_path / "stats"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"outputs": {"a": {"bytes": 1, "sha256": "0"}}}',
        '{"version": "1", "outputs": ["a"]}',
        '{"version": "1", "outputs": {"a": 1}}',
        '{"version": "1", "outputs": {"a": {"bytes": "x", "sha256": "0"}}}',
        '{"version": 1, "outputs": {"a": {"bytes": 1, "sha256": "0"}}}',
        "[" * 100_000,
        "\0",
    ],
)
def test_what_is_no_manifest_of_ours_names_no_outputs(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    (tmp_path / "a").write_text("of somebody")
    assert own_outputs(tmp_path) == set()


@promise(
    "The manifest says which version of a lookup was used",
    broken_by=change("mapreduce.outputs.manifest:_side_input", "digest.sha256", "None"),
)
def test_the_manifest_says_which_lookup_was_used(tmp_path: Path) -> None:
    """Two runs that differ only in the text of their lookup differ in their manifests."""
    (tmp_path / "in.log").write_text("a\n")
    (tmp_path / "lookup.csv").write_text("a,b\n")
    os.mkfifo(tmp_path / "fifo")
    lookups = [tmp_path / name for name in ("lookup.csv", "fifo", "gone")]
    job = KeyCount(LineMapper(bytes.split), "t.csv", ("Word", "Count"), side_inputs=lookups)
    run(job, [tmp_path / "in.log"], output=tmp_path / "out")
    said = json.loads((tmp_path / "out" / MANIFEST).read_text())["side_inputs"]
    unknown = {"bytes": None, "mtime_ns": None, "sha256": None}
    assert said == [
        {
            "path": str(lookups[0]),
            "bytes": 4,
            "mtime_ns": lookups[0].stat().st_mtime_ns,
            "sha256": hashlib.sha256(b"a,b\n").hexdigest(),
        },
        {"path": str(lookups[1]), **unknown},
        {"path": str(lookups[2]), **unknown},
    ]


def test_an_old_manifest_that_fails_to_be_read_is_an_error_and_a_forbidden_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_manifest(tmp_path, "a.csv")
    (tmp_path / "a.csv").write_text("text")
    for number, error in [(errno.EIO, OutputError), (errno.EACCES, None)]:
        with monkeypatch.context() as patch:
            patch.setattr(os, "read", lambda *_, number=number: fail(number))
            with pytest.raises(error, match="_SUCCESS") if error else nullcontext():
                assert own_outputs(tmp_path) == set()


def fail(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))
