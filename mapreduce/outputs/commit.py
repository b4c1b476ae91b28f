"""Replace several files at once: either all of them are replaced, or none.

1. Write every new file whole under a temporary name beside its target, and sync it.
2. Keep every old file under a second name. Nothing has changed so far.
3. Move the old manifest away, rename the new files, and rename the new manifest last.

If any step fails, every change is undone, the manifest last; so an error means that all files are
what they were. Nothing can fail after the last rename. A run that is killed in step 3 leaves no
manifest; so where there is a manifest, the files beside it are whole and of one run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from mapreduce.errors import OutputError, printable
from mapreduce.outputs.temporary import (
    Digests,
    Temporary,
    as_output_error,
    best_effort,
    close,
    make_private_directory,
    write_beside,
)

LOCK_SECONDS = 30
"""How long a run waits while another run renames its results in the same directory."""


class NewManifest(NamedTuple):
    """The manifest of the new files: the old one is removed before them, the new one made after.

    Both functions take the digests of the new files. ``text`` returns the text of the manifest.
    ``outdated`` returns the files to remove together with the old manifest; it is called when no
    other run can change the directory.
    """

    path: Path
    text: Callable[[Digests], bytes]
    outdated: Callable[[Digests], Sequence[Path]] = lambda _digests: ()


def commit(
    texts: Mapping[Path, Iterable[bytes]],
    *,
    manifest: NewManifest | None = None,
    check: Callable[[], object] = lambda: None,
) -> list[str]:
    """Write all files, then rename all of them; return notes for the user.

    ``check`` is called just before the first change; it may raise to stop the commit. Raises
    ``OutputError`` if a file cannot be written; then all files are what they were.
    """
    with ExitStack() as stack:
        files = [write_beside(target, text, stack) for target, text in texts.items()]
        digests = {file.target: file.digest for file in files}
        new_manifest = None
        if manifest:
            text = manifest.text(digests)
            new_manifest = write_beside(manifest.path, [text], stack, clear=False)
        directories = {
            file.real.parent for file in (*files, *([new_manifest] if new_manifest else ()))
        }
        for directory in sorted(directories):
            stack.enter_context(directory_lock(directory, check))
        exchange = _Exchange(files, new_manifest, stack)
        exchange.keep()
        exchange.rename(manifest.outdated(digests) if manifest else ())
        return [*_sync_at_last(directories)]


class _Exchange:
    """Renames all new files, the manifest last, or undoes every rename.

    An old file is kept under its own name in a private directory beside it.
    """

    def __init__(
        self, files: Sequence[Temporary], new_manifest: Temporary | None, stack: ExitStack
    ) -> None:
        self._files, self._manifest, self._stack = files, new_manifest, stack
        self._kept: dict[Path, Path | None] = {}
        self._changed: list[Path] = []
        self._stores: dict[Path, Path] = {}

    def keep(self) -> None:
        """Keep the old files under a second name; nothing is changed yet."""
        for file in self._files:
            with as_output_error(file.target):
                self._kept[file.real] = self._second_name(file.real)

    def rename(self, outdated: Iterable[Path]) -> None:
        """Rename all files and move outdated ones away; if that fails, undo it and raise."""
        directories = {file.real.parent for file in self._files}
        try:
            if self._manifest and self._move_away(self._manifest.real):
                _sync(directories)
            for file in self._files:
                self._replace(file)
            for path in outdated:
                self._move_away(path)
            if self._manifest:
                _sync(directories)
                self._replace(self._manifest)
        except BaseException as error:
            self._put_back(error)
            raise

    def _second_name(self, real: Path) -> Path | None:
        """Give a file a second name and return it, or ``None`` if there is no file."""
        if not _is_there(real):
            return None
        kept = self._store(real) / real.name
        try:
            kept.hardlink_to(real)
        except OSError:  # no hard links on this file system, or not to another user's file
            shutil.copy2(real, kept)
        return kept

    def _store(self, real: Path) -> Path:
        """Return the private directory beside a file; its name lets the next run find it."""
        directory = real.parent
        if directory not in self._stores:
            manifest = self._manifest.real if self._manifest else real
            target = manifest if manifest.parent == directory else real
            self._stores[directory] = make_private_directory(target, self._stack)
        return self._stores[directory]

    def _replace(self, file: Temporary) -> None:
        if file.real not in self._changed:  # the old manifest is listed there already
            self._changed.append(file.real)
        with as_output_error(file.target):
            file.path.replace(file.real)

    def _move_away(self, real: Path) -> bool:
        """Move a file into its private directory; return whether there was such a file."""
        with as_output_error(real):
            if not _is_there(real):
                return False
            self._kept[real] = kept = self._store(real) / real.name
            self._changed.append(real)
            real.rename(kept)
        return True

    def _put_back(self, error: BaseException) -> None:
        """Undo all changes, the last one first, so that the old manifest comes back last."""
        lost: list[Path] = []
        for real in reversed(self._changed):
            if lost and self._manifest and real == self._manifest.real:
                continue  # the old manifest would list files that are lost
            kept = self._kept.get(real)
            try:
                if kept is None:
                    real.unlink(missing_ok=True)
                elif _is_there(kept):
                    kept.replace(real)
            except OSError:
                lost.append(real)
        if lost:
            self._stack.pop_all()  # keep the private directories: they hold the only copies
            names = ", ".join(printable(str(self._kept.get(real) or real)) for real in lost)
            raise OutputError(
                f"{error}; and some old files could not be put back: they are {names}"
            ) from error


def _is_there(path: Path) -> bool:
    """Return whether there is a file; unlike ``Path.exists``, raise if that cannot be found out."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def directory_lock(directory: Path, check: Callable[[], object]) -> Iterator[None]:
    """Lock a directory, so that two runs rename into it in turn; call ``check`` while waiting.

    A run renames its files in far less than ``LOCK_SECONDS``. A lock that is held for longer
    belongs to something else, such as ``flock DIRECTORY mapreduce ...``, and is ignored.
    """
    with ExitStack() as stack:
        handle = None
        with as_output_error(directory), best_effort():  # the directory may not be readable
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(close, handle)
        check()
        for _ in range(LOCK_SECONDS * 20):
            if handle is None or _try_lock(handle):
                break
            time.sleep(0.05)
            check()
        yield


def _try_lock(handle: int) -> bool:
    """Return whether a directory is now locked, or lies on a file system without locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _sync(directories: Iterable[Path]) -> None:
    """Make the names in directories durable if the file system supports that."""
    for directory in directories:
        with as_output_error(directory), best_effort():
            handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                close(handle)


def _sync_at_last(directories: Iterable[Path]) -> Iterator[str]:
    """Make the new names durable; yield a note, not an error, if that fails: all files exist."""
    for directory in directories:
        try:
            _sync([directory])
        except OutputError as error:
            yield f"{error}: the results are complete, but a power failure now could undo them"
