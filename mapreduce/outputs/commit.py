"""Files in the place of others, all or nothing.

1. Every file is written whole and synced under a temporary name beside its target.
2. What the targets are now is kept under a second name. Until then nothing has been changed.
3. The manifest is moved away, the files are renamed, and the new manifest is renamed last.

If any step fails, everything is put back, and the manifest last: an error means that the files are
what they were. After the last rename nothing can fail any more. A run that is killed in step 3
leaves no manifest: where one stands, the files beside it are whole and of one run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mapreduce.errors import OutputError, printable
from mapreduce.outputs.temporary import (
    Digests,
    Temporary,
    best_effort,
    blamed_on,
    close,
    make_private_directory,
    write_beside,
)

LOCK_SECONDS = 30
"""How long a run waits for another one that renames its results in the same directory."""


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A file that vouches for the others: it is removed before them and made after them.

    ``text`` gives its text. ``outdated`` gives the files that go with the old manifest, the other
    files being given; it is called when no other run can change the directory.
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
    """Make all files complete, then rename all; return notes for the user.

    ``check`` is called at the last moment at which nothing has been changed yet, and may raise.
    Raises ``OutputError``; then all files are what they were.
    """
    with ExitStack() as stack:
        files = [write_beside(target, text, stack) for target, text in texts.items()]
        digests = {file.target: file.digest for file in files}
        seal = None
        if manifest:
            text = manifest.text(digests)
            seal = write_beside(manifest.path, [text], stack, clear=False)
        directories = {file.real.parent for file in (*files, *([seal] if seal else ()))}
        for directory in sorted(directories):
            stack.enter_context(directory_lock(directory, check))
        exchange = _Exchange(files, seal, stack)
        exchange.keep()
        exchange.rename(manifest.outdated(digests) if manifest else ())
        return [*_sync_at_last(directories)]


class _Exchange:
    """Renames files, the ``seal`` (the new manifest) last; or puts everything back.

    What a file was before is kept under its own name in a private directory beside it.
    """

    def __init__(
        self, files: Sequence[Temporary], seal: Temporary | None, stack: ExitStack
    ) -> None:
        self._files, self._seal, self._stack = files, seal, stack
        self._kept: dict[Path, Path | None] = {}
        self._changed: list[Path] = []
        self._stores: dict[Path, Path] = {}

    def keep(self) -> None:
        """Keep what the targets are now; nothing is changed."""
        for file in self._files:
            with blamed_on(file.target):
                self._kept[file.real] = self._second_name(file.real)

    def rename(self, outdated: Iterable[Path]) -> None:
        """Rename all files and move away what is outdated; or raise, with everything as it was."""
        directories = {file.real.parent for file in self._files}
        try:
            if self._seal and self._move_away(self._seal.real):
                _sync(directories)
            for file in self._files:
                self._replace(file)
            for path in outdated:
                self._move_away(path)
            if self._seal:
                _sync(directories)
                self._replace(self._seal)
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
        except OSError:  # no links on this file system, or not to somebody else's file
            shutil.copy2(real, kept)
        return kept

    def _store(self, real: Path) -> Path:
        """Return the private directory beside a file, named as the next run will look for it."""
        directory = real.parent
        if directory not in self._stores:
            seal = self._seal.real if self._seal else real
            name = seal if seal.parent == directory else real
            self._stores[directory] = make_private_directory(name, self._stack)
        return self._stores[directory]

    def _replace(self, file: Temporary) -> None:
        if file.real not in self._changed:  # the manifest has been moved away first
            self._changed.append(file.real)
        with blamed_on(file.target):
            file.path.replace(file.real)

    def _move_away(self, real: Path) -> bool:
        """Move a file to where it is kept; return whether there was one."""
        with blamed_on(real):
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
            if lost and self._seal and real == self._seal.real:
                continue  # it would vouch for what is not there
            kept = self._kept.get(real)
            try:
                if kept is None:
                    real.unlink(missing_ok=True)
                elif _is_there(kept):
                    kept.replace(real)
            except OSError:
                lost.append(real)
        if lost:
            self._stack.pop_all()  # nothing is removed
            names = ", ".join(printable(str(self._kept.get(real) or real)) for real in lost)
            raise OutputError(f"{error}; and not all could be put back, see {names}") from error


def _is_there(path: Path) -> bool:
    """Return whether there is a file; other than ``Path.exists``, raise if that cannot be told."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def directory_lock(directory: Path, check: Callable[[], object]) -> Iterator[None]:
    """Let two runs rename into one directory one after the other; call ``check`` while waiting.

    Nobody renames for long: who holds the lock for half a minute is somebody else, as with
    ``flock DIRECTORY mapreduce ...``, and is not waited for.
    """
    with ExitStack() as stack:
        handle = None
        with blamed_on(directory), best_effort():  # a directory need not be readable
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
    """Return whether nobody else holds the lock of a directory."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _sync(directories: Iterable[Path]) -> None:
    """Make the names in directories durable, where the file system can."""
    for directory in directories:
        with blamed_on(directory), best_effort():
            handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                close(handle)


def _sync_at_last(directories: Iterable[Path]) -> Iterator[str]:
    """Make the new names durable; yield a note where that fails, as the files are all there."""
    for directory in directories:
        try:
            _sync([directory])
        except OutputError as error:
            yield f"{error}: the results are complete, but a power failure now could undo them"
