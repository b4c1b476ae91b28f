"""No files of two runs stand under one manifest: what a run does not write again is removed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from promises import becomes, change, promise

from mapreduce import Table
from mapreduce.errors import OutputError
from mapreduce.outputs.manifest import MANIFEST, own_outputs
from mapreduce.outputs.targets import Saved, Targets


def write(directory: Path, *names: str, **options: Any) -> Saved:
    tables = [Table(name, ("Name",), [(name,)]) for name in names]
    options = {"malformed": 0, "describe": lambda: {"version": "1"}, "check": list, **options}
    return Targets(directory, None).write(tables, None, **options)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@promise(
    "The tables of an earlier run go with its manifest",
    broken_by=becomes("mapreduce.outputs.manifest:outdated_outputs", "return []"),
)
def test_the_tables_of_an_earlier_run_go_with_its_manifest(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "b.csv")
    (tmp_path / "of somebody.csv").write_text("else")
    saved = write(tmp_path, "b.csv", "c.csv")
    assert names(tmp_path) == {"b.csv", "c.csv", "of somebody.csv", MANIFEST}
    assert [*saved.notes] == [f"{tmp_path / 'a.csv'}: of an earlier run, removed"]
    assert [*write(tmp_path, "b.csv", "c.csv").notes] == []


def test_a_directory_that_is_a_link_is_cleared_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", "a.csv")
    write(tmp_path / "link", "b.csv")
    assert names(tmp_path / "real") == {"b.csv", MANIFEST}


def capitalise(path: Path) -> None:
    path.write_text("NAME\na.csv\n")


def lengthen(path: Path) -> None:
    path.write_text("longer than it was\n")


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@promise(
    "A table that somebody has changed since is theirs, and stays",
    broken_by=change("mapreduce.outputs.manifest:_is_removable", "_digest(path) == digest", "True"),
)
@pytest.mark.parametrize("alter", [capitalise, lengthen, make_link, make_directory, make_pipe])
def test_what_somebody_has_changed_since_is_theirs_and_stays(
    tmp_path: Path, alter: Callable[[Path], None]
) -> None:
    write(tmp_path, "a.csv")
    alter(tmp_path / "a.csv")
    assert [*write(tmp_path, "b.csv").notes] == []
    assert {"a.csv", "b.csv"} <= names(tmp_path)


@promise(
    "An input of the run is not removed",
    broken_by=change("mapreduce.outputs.manifest:_is_removable", "any(...)", "False"),
)
@pytest.mark.parametrize("given", ["inputs", "side_inputs"])
@pytest.mark.parametrize("alias", ["a.csv", "soft", "hard"])
def test_an_input_of_the_run_is_not_removed(tmp_path: Path, given: str, alias: str) -> None:
    write(tmp_path, "a.csv")
    (tmp_path / "soft").symlink_to("a.csv")
    (tmp_path / "hard").hardlink_to(tmp_path / "a.csv")
    write(tmp_path, "b.csv", **{given: ["-", "s3://bucket/key", "a\0b", tmp_path / alias]})
    assert (tmp_path / "a.csv").exists()


@promise(
    "A manifest can name nothing outside its directory",
    broken_by=becomes("mapreduce.outputs.manifest:is_plain", "return True"),
)
@pytest.mark.parametrize("name", ["../a", "sub/a", "/{}/a", "", ".", "..", "a\0"])
def test_a_manifest_can_name_nothing_outside_its_directory(tmp_path: Path, name: str) -> None:
    """Whoever can write a manifest could otherwise have anybody's files removed."""
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for path in (tmp_path / "a", out / "sub" / "a"):
        path.write_text("text")
    said = {"bytes": 4, "sha256": hashlib.sha256(b"text").hexdigest()}
    outputs = {name.format(tmp_path): said}
    (out / MANIFEST).write_text(json.dumps({"version": "1", "outputs": outputs}))
    assert [*write(out, "b.csv").notes] == []
    assert names(tmp_path) == {"a", "out"}
    assert names(out) == {"sub", "b.csv", MANIFEST}
    assert names(out / "sub") == {"a"}


def test_outputs_of_a_run_that_was_killed_are_still_known(tmp_path: Path) -> None:
    """Its manifest, complete, and the one before lie beside the place of a manifest."""
    write(tmp_path, "new.csv", "common.csv")
    (tmp_path / MANIFEST).rename(tmp_path / f".{MANIFEST}.01234567.tmp")
    store = tmp_path / f".{MANIFEST}.89abcdef.tmp"
    store.mkdir()
    write(store, "old.csv", "common.csv")
    (store / "old.csv").rename(tmp_path / "old.csv")
    (tmp_path / f".{MANIFEST}.00000000.tmp").write_text('{"version": "1", "outputs": {"begun')
    (tmp_path / ".new.csv.01234567.tmp").write_text("begun")
    known = {tmp_path / name for name in ("new.csv", "old.csv", "common.csv")}
    assert own_outputs(tmp_path) == known
    write(tmp_path, "b.csv")
    assert names(tmp_path) == {"b.csv", MANIFEST}


def test_nothing_is_removed_if_the_run_fails(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(OutputError):
        write(tmp_path, "b.csv")
    (tmp_path / "b.csv").rmdir()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
