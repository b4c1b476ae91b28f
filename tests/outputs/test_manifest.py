"""A manifest names the outputs of a run, so that later runs know them again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
