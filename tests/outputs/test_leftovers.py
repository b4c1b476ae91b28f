"""What a killed run has left behind goes with the next run, and nothing else goes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from promises import becomes, change, promise

from mapreduce.outputs.commit import commit
from mapreduce.outputs.temporary import private_directory


@promise(
    "What another run is writing is no leftover",
    broken_by=becomes("mapreduce.outputs.temporary:lock", "return None"),
)
def test_what_a_run_is_still_writing_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"

    def text() -> Iterator[bytes]:
        yield b"first"
        commit({target: [b"second"]})
        assert target.read_bytes() == b"second"

    commit({target: text()})
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_name_is_no_pattern_when_leftovers_are_cleared(tmp_path: Path) -> None:
    other = tmp_path / ".abc.csv.0.tmp"
    other.write_text("of somebody else")
    commit({tmp_path / "a*.csv": [b"text"]})
    assert other.exists()


@promise(
    "Only what a run could have left is removed",
    broken_by=change(
        "mapreduce.outputs.temporary:leftovers",
        "name.fullmatch(path.name)",
        "path.name.endswith('.tmp')",
    ),
)
@pytest.mark.parametrize("name", [".t.csv.backup.tmp", ".t.csv.0.tmp", ".t.csv.12345678.tmp.old"])
def test_only_what_a_run_could_have_left_is_cleared(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").write_text("of somebody")
    left = tmp_path / ".t.csv.0123abcd.tmp"
    left.write_text("of a killed run")
    commit({tmp_path / "t.csv": [b"text"]})
    assert (tmp_path / name / "precious").exists()
    assert not left.exists()


def test_a_pipe_in_the_place_of_a_leftover_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".t.csv.0123abcd.tmp")
    commit({tmp_path / "t.csv": [b"text"]})
    assert (tmp_path / "t.csv").read_bytes() == b"text"


LEFT = ".t.csv.0123abcd.tmp"


@promise(
    "A link is no leftover, and nothing behind it is removed",
    broken_by=change("mapreduce.outputs.temporary:leftovers", "os.O_NOFOLLOW", "0"),
)
@pytest.mark.parametrize("target", ["file", "directory", "missing"])
def test_a_link_is_no_leftover_and_nothing_behind_it_is(tmp_path: Path, target: str) -> None:
    """No run makes links: somebody else has, and may want to have files removed."""
    (tmp_path / "file").write_text("of somebody")
    (tmp_path / "directory").mkdir()
    (tmp_path / LEFT).symlink_to(target)
    before = set(tmp_path.iterdir())
    commit({tmp_path / "t.csv": [b"text"]})
    assert set(tmp_path.iterdir()) == before | {tmp_path / "t.csv"}


def test_a_directory_that_a_killed_run_has_left_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / LEFT / "deep").mkdir(parents=True)
    (tmp_path / LEFT / "deep" / "part").write_text("text")
    commit({tmp_path / "t.csv": [b"text"]})
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def remove_before_lock(patch: pytest.MonkeyPatch, directory: Path) -> list[Path]:
    """Let another run remove what this one has just made, before it is locked; once."""
    removed: list[Path] = []

    def flock(handle: int, flags: int, real: Callable[..., None] = fcntl.flock) -> None:
        if not removed:
            removed.extend(directory.glob(".t.csv.*.tmp"))
            for path in removed:
                path.rmdir() if path.is_dir() else path.unlink()
        real(handle, flags)

    patch.setattr(fcntl, "flock", flock)
    return removed


def test_a_file_that_another_run_takes_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = remove_before_lock(monkeypatch, tmp_path)
    commit({tmp_path / "t.csv": [b"text"]})
    assert len(removed) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_bytes() == b"text"


def test_a_directory_that_another_run_takes_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = remove_before_lock(monkeypatch, tmp_path)
    with private_directory(tmp_path / "t.csv") as directory:
        (directory / "part").write_text("text")
    assert len(removed) == 1
    assert [*tmp_path.iterdir()] == []


@promise(
    "A directory that was made for nothing is removed again",
    broken_by=becomes("mapreduce.outputs.temporary:_remove_if_empty", "pass"),
)
def test_a_directory_that_was_made_for_nothing_is_removed_again(tmp_path: Path) -> None:
    def text() -> Iterator[bytes]:
        yield b"begun"
        raise ZeroDivisionError

    (tmp_path / "here").mkdir()
    with pytest.raises(ZeroDivisionError):
        commit({tmp_path / "here" / "a" / "b" / "t.csv": text()})
    assert [*tmp_path.rglob("*")] == [tmp_path / "here"]
    with private_directory(tmp_path / "here" / "a" / "t.csv"):
        pass
    assert [*tmp_path.rglob("*")] == [tmp_path / "here"]
    commit({tmp_path / "here" / "a" / "t.csv": [b"text"]})
    assert (tmp_path / "here" / "a" / "t.csv").read_bytes() == b"text"
