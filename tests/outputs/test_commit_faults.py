"""Whichever call of the system fails while results are written: all are new, or nothing changed.

The calls are not listed here: a clean run shows them, and then each one fails in turn.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from promises import becomes, change, promise

from mapreduce import Table
from mapreduce.errors import OutputError
from mapreduce.outputs.commit import NewManifest, commit
from mapreduce.outputs.manifest import MANIFEST
from mapreduce.outputs.targets import Targets

CALLS: Final[Mapping[ModuleType, tuple[str, ...]]] = {
    os: (
        *("open", "write", "fsync", "fchmod", "close", "mkdir", "rmdir", "link", "rename"),
        *("replace", "unlink", "stat", "fstat", "lstat", "scandir", "listdir", "read"),
    ),
    fcntl: ("flock",),
}
DONE_ANYWAY: Final = {"close"}
"""What has happened although it failed: a descriptor is closed, whatever ``close`` says."""


Fails = Callable[[int, str, tuple[Any, ...]], int]


CHANGING: Final = {
    *("open", "write", "fchmod", "mkdir", "rmdir", "link", "rename", "replace", "unlink")
}
"""What changes files: a kill between two of these calls is like one before the second."""


class Faults:
    """Notes the calls of the system that are about files of a directory, and lets some fail.

    ``fails`` is given the number, the name and the arguments of a call, and returns an error number
    or zero.
    """

    def __init__(self, root: Path, fails: Fails = lambda *_: 0) -> None:
        self.calls: list[str] = []
        self._root, self._fails = str(root), fails
        self._on = False

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, names in CALLS.items():
            for name in names:
                monkeypatch.setattr(module, name, self._wrapped(name, getattr(module, name)))

    def __enter__(self) -> Faults:
        self._on = True
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            elsewhere = not isinstance(args[0], int) and self._root not in str(args[0])
            if not self._on or elsewhere:
                return call(*args, **options)
            self.calls.append(name)
            if number := self._fails(len(self.calls) - 1, name, args):
                if name in DONE_ANYWAY:
                    call(*args, **options)
                raise OSError(number, os.strerror(number))
            return call(*args, **options)

        return wrapped


@pytest.fixture(autouse=True)
def no_power_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync nothing: it would take most of the time of these tests."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def write(directory: Path, rejects: Path, *names: str, text: str) -> list[str]:
    """Write tables, a manifest and another file elsewhere, as a run does."""
    tables = [Table(name, ("Text",), [(text,)]) for name in names]
    targets = Targets(directory, rejects)
    with targets.spool() as spool:
        assert spool
        spool.write(0, 0, "in", [(0, "why", text.encode())])
        described = {"version": text}
        saved = targets.write(
            tables, spool, malformed=1, describe=lambda: described, check=lambda: None
        )
    return [*saved.notes]


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files below a directory, but for those that the next run will remove."""
    files = (path for path in directory.rglob("*") if path.is_file())
    named = {str(path.relative_to(directory)): path for path in files}
    return {name: path.read_bytes() for name, path in named.items() if ".tmp" not in name}


def prepare(root: Path, *, before: bool) -> dict[str, bytes]:
    root.mkdir()
    if before:
        write(root / "out", root / "more" / "r.csv", "a.csv", "b.csv", "gone.csv", text="old")
        (root / "out" / "of somebody").write_text("else")
    return contents(root)


def attempt(root: Path, faults: Faults) -> OutputError | None:
    try:
        with faults:
            write(root / "out", root / "more" / "r.csv", "a.csv", "b.csv", "c.csv", text="new")
    except OutputError as error:
        return error
    return None


def fail_at(number: int, error: int) -> Fails:
    return lambda at, _name, _args: error if at == number else 0


def calls_and_result(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> tuple[list[str], dict[str, bytes]]:
    """Return the calls of a clean run, and the files that it leaves."""
    prepare(root, before=before)
    with monkeypatch.context() as patch:
        faults = Faults(root)
        faults.patch(patch)
        assert attempt(root, faults) is None
    return faults.calls, contents(root)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """Return a directory in memory where there is one: hundreds of runs are made in it."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as directory:
        yield Path(directory)


@promise(
    "Whichever call of the system fails, all files are new or all are what they were",
    broken_by=becomes("mapreduce.outputs.commit:_Exchange._put_back", "pass"),
)
@pytest.mark.parametrize("before", [True, False])
def test_whichever_call_fails_all_files_are_new_or_all_are_what_they_were(
    quick: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    calls, new = calls_and_result(quick / "clean", monkeypatch, before=before)
    assert {"fsync", "fchmod", "replace", "write", "flock"} <= set(calls)
    failed = set()
    for number, name in enumerate(calls):
        root = quick / f"{number}"
        old = prepare(root, before=before)
        with monkeypatch.context() as patch:
            faults = Faults(root, fail_at(number, errno.EIO))
            faults.patch(patch)
            error = attempt(root, faults)
        where = f"call {number} of {len(calls)}: {name}"
        assert contents(root) == (old if error else new), where
        failed |= {name} if error else set()
        assert attempt(root, Faults(root)) is None, where
        assert contents(root) == new, where
        assert not [*root.rglob("*.tmp*")], where
    assert {"open", "write", "fsync", "fchmod", "replace"} <= failed


def is_sync_of_directory(name: str, args: tuple[Any, ...]) -> bool:
    return name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)


@promise(
    "What a file system cannot do is done without",
    broken_by=becomes("mapreduce.outputs.temporary:REFUSED", "set()"),
)
@pytest.mark.parametrize("refused", [errno.EINVAL, errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
@pytest.mark.parametrize("call", ["fchmod", "fsync", "flock", "link"])
def test_what_a_file_system_cannot_do_is_done_without(
    quick: Path, monkeypatch: pytest.MonkeyPatch, refused: int, call: str
) -> None:
    """Modes, locks, hard links and the sync of a directory; that of a file is needed."""
    prepare(quick / "root", before=True)

    def fails(_at: int, name: str, args: tuple[Any, ...]) -> int:
        is_refused = name == call and (call != "fsync" or is_sync_of_directory(name, args))
        return refused if is_refused else 0

    faults = Faults(quick, fails)
    faults.patch(monkeypatch)
    assert attempt(quick / "root", faults) is None
    assert call in faults.calls
    assert b"new" in contents(quick / "root")["out/a.csv"]


@promise(
    "A sync that fails after the last rename is a note, and no error",
    broken_by=change("mapreduce.outputs.commit:_sync_at_last", "OutputError", "ZeroDivisionError"),
)
def test_a_sync_that_fails_after_the_last_rename_is_a_note_and_no_error(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are the new ones, and an error would say that they are not."""
    faults = Faults(quick, lambda _at, name, args: errno.EIO * is_last_sync(name, args))

    def is_last_sync(name: str, args: tuple[Any, ...]) -> bool:
        return is_sync_of_directory(name, args) and (quick / "out" / MANIFEST).exists()

    faults.patch(monkeypatch)
    with faults:
        notes = write(quick / "out", quick / "out" / "r.csv", "a.csv", text="new")
    assert [note.partition(": ")[0] for note in notes] == [str(quick / "out")]
    assert "Input/output error: the results are complete, but" in notes[0]


@promise(
    "What cannot be put back is named and kept",
    broken_by=change(
        "mapreduce.outputs.commit:_Exchange._put_back", "self._stack.pop_all()", "pass"
    ),
)
@pytest.mark.parametrize("fails", ["a.csv", "b.csv", MANIFEST])
def test_what_cannot_be_put_back_is_named_and_kept(
    quick: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """A rename fails, and so does the one that would undo it: nothing may vouch for the rest."""
    prepare(quick / "root", before=True)

    def fail(_at: int, name: str, args: tuple[Any, ...]) -> int:
        if name != "replace" or Path(args[1]).name not in {MANIFEST, fails}:
            return 0
        undo = Path(args[0]).name == Path(args[1]).name
        return errno.EIO * (Path(args[1]).name == (fails if undo else MANIFEST))

    faults = Faults(quick, fail)
    faults.patch(monkeypatch)
    error = attempt(quick / "root", faults)
    assert error
    kept = Path(str(error).rpartition("they are ")[2])
    assert kept.name == fails
    assert b"old" in kept.read_bytes()
    assert not (quick / "root" / "out" / MANIFEST).exists()


@promise(
    "Files are synced before they are renamed",
    broken_by=change("mapreduce.outputs.temporary:write_beside", "os.fsync(handle)", "pass"),
)
def test_files_are_synced_before_they_are_renamed_and_the_names_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure must not leave a new name for a file whose bytes have not arrived."""
    order: list[tuple[str, int]] = []

    def fsync(handle: int) -> None:
        order.append(("sync", os.fstat(handle).st_ino))

    def replace(path: Path, target: Path, real: Callable[..., None] = os.replace) -> None:
        order.append(("rename", path.stat().st_ino))
        real(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    targets = tmp_path / "a.csv", tmp_path / "b.csv"
    seal = NewManifest(tmp_path / "m", lambda _digests: b"manifest")
    commit({target: [b"text"] for target in targets}, manifest=seal)
    files = [path.stat().st_ino for path in targets]
    manifest, directory = (tmp_path / "m").stat().st_ino, tmp_path.stat().st_ino
    assert order == [
        *(("sync", file) for file in (*files, manifest)),
        *(("rename", file) for file in files),
        ("sync", directory),  # or the manifest could be there after a power failure, and not they
        ("rename", manifest),
        ("sync", directory),
    ]


def killed_at(root: Path, number: int) -> bool:
    """Write in a process that is killed at a call; return whether it was."""
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(root, lambda at, _name, _args: os._exit(9) if at == number else 0)
            faults.patch(patch)
            attempt(root, faults)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def check_manifest(out: Path) -> None:
    """Check that what a manifest lists is there, if there is one."""
    if (out / MANIFEST).exists():
        for name, said in json.loads((out / MANIFEST).read_text())["outputs"].items():
            data = (out / name).read_bytes()
            assert said == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@promise(
    "A kill at any moment leaves whole files, and the next run repairs the rest",
    broken_by=becomes(
        "mapreduce.outputs.manifest:earlier_outputs",
        "yield from read_manifest(directory / MANIFEST).items()",
    ),
)
@pytest.mark.parametrize("before", [True, False])
def test_a_kill_at_any_call_leaves_whole_files_and_the_next_run_repairs_the_rest(
    quick: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    calls, new = calls_and_result(quick / "clean", monkeypatch, before=before)
    for number in (number for number, name in enumerate(calls) if name in CHANGING):
        root = quick / f"{number}"
        old = prepare(root, before=before)
        where = f"call {number} of {len(calls)}: {calls[number]}"
        assert killed_at(root, number), where
        check_manifest(root / "out")
        found = contents(root)
        kept = old.keys() - {"out/gone.csv", f"out/{MANIFEST}"}
        assert kept <= found.keys() <= old.keys() | new.keys(), where
        assert all(text in {old.get(name), new.get(name)} for name, text in found.items()), where
        assert attempt(root, Faults(root)) is None, where
        assert contents(root) == new, where
        assert not [*root.rglob("*.tmp*")], where
