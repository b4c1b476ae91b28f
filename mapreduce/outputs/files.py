"""Tables to files, all or nothing.

Every file is first written whole and synced under a temporary name beside its target; only when
all are complete are they renamed. Until then, whatever was there before is untouched. A run holds a
lock on what it has not renamed yet, so that the next one can tell, and clears, what a killed one
has left.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mapreduce.errors import OutputError, UsageError, printable

STDIN: Final = "-"
"""The name of standard input among the inputs."""

URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How a URL begins; a ``Path`` keeps one of its two slashes."""

TURN = 30
"""Seconds that a run waits for another one that renames its results in the same directory."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Bytes of a file and their SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


Digests = Mapping[Path, Digest]


def check_targets(targets: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Raise ``UsageError`` if a target cannot be written or is one of the inputs."""
    read = [status for path in inputs if (status := _status(path))]
    for target in targets:
        if URL.match(str(target)):
            said = "outputs are files; name a directory, and copy it from there"
            raise UsageError(f"{printable(str(target))}: {said}")
        status = _status(target)
        if status and any(os.path.samestat(status, other) for other in read):
            raise UsageError(f"{printable(str(target))}: is an input; choose another output")
        if status and not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise UsageError(f"{printable(str(target))}: is {kind}")
        real = os.path.realpath(target)
        if os.path.islink(real):  # noqa: PTH114 - the other one raises where it may not look
            raise UsageError(f"{printable(str(target))}: too many levels of symbolic links")
        _check_directory(Path(real).parent)


def _status(path: str | Path) -> os.stat_result | None:
    try:
        return os.fstat(0) if str(path) == STDIN else Path(path).stat()
    except OSError:
        return None


def _check_directory(directory: Path) -> None:
    """Raise ``UsageError`` unless files can be made in a directory or it can be made itself."""
    name = printable(str(directory))
    existing = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise UsageError(f"{name}: cannot be made, {printable(str(existing))} is not a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"{name}: permission denied, or a read-only file system")


def commit(
    texts: Mapping[Path, Iterable[bytes]],
    *,
    manifest: tuple[Path, Callable[[Digests], bytes]] | None = None,
    check: Callable[[], object] = lambda: None,
) -> None:
    """Make all files complete, then rename all; raise ``OutputError`` with nothing changed.

    ``manifest`` is a file and what gives its text. It is removed before the first file is renamed
    and made again after the last: where it stands, the files beside it are of one run. ``check`` is
    called at the last moment at which nothing has been changed yet, and may raise.
    """
    with ExitStack() as stack:
        made = [_write_beside(target, text, stack) for target, text in texts.items()]
        if manifest:
            text = manifest[1]({temporary.target: temporary.digest for temporary in made})
            made.append(_write_beside(manifest[0], [text], stack))
        directories = sorted({temporary.real.parent for temporary in made})
        for directory in directories:
            stack.enter_context(_turn(directory, check))
        if manifest:
            with _blamed_on(manifest[0]):
                made[-1].real.unlink(missing_ok=True)
            _sync(directories)
        for temporary in made:
            if manifest and temporary is made[-1]:
                _sync(directories)
            with _blamed_on(temporary.target):
                temporary.path.replace(temporary.real)
        _sync(directories)


@dataclass(frozen=True, slots=True)
class _Temporary:
    """A complete file that only has to be renamed to what its target really is."""

    path: Path
    target: Path
    real: Path
    digest: Digest


def _write_beside(target: Path, text: Iterable[bytes], stack: ExitStack) -> _Temporary:
    """Write a synced temporary file in the directory of the target, and see that it will go."""
    from hashlib import sha256 as new_digest  # noqa: PLC0415 - start-up counts, and not all write

    real = Path(os.path.realpath(target))  # a link stays a link; what it points to is replaced
    with _blamed_on(real.parent):
        real.parent.mkdir(parents=True, exist_ok=True)
    with _blamed_on(target):
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        clear_leftovers(real)
        path, file = _create(real, stack)
        size, sha256 = 0, new_digest()
        for piece in text:
            size += file.write(piece)
            sha256.update(piece)
        file.flush()
        os.fchmod(file.fileno(), _mode(real))
        os.fsync(file.fileno())
    return _Temporary(path, target, real, Digest(size, sha256.hexdigest()))


def _create(target: Path, stack: ExitStack) -> tuple[Path, BinaryIO]:
    """Make a private file beside the target that is locked until it is closed, and then removed."""
    while True:
        path = _temporary_name(target)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file = stack.enter_context(open(handle, "wb"))  # noqa: PTH123, SIM115 - a descriptor
        stack.callback(path.unlink, missing_ok=True)
        with suppress(OSError):  # a file system without locks: leftovers stay, and nothing is lost
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return path, file  # else another run took it for a leftover, before it was locked


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")


def clear_leftovers(target: Path) -> None:
    """Remove what killed runs have left beside a target: what nobody holds a lock on."""
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 8}.tmp"):
        with suppress(OSError):  # not ours, or still written, or gone meanwhile: none of our affair
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # may be a FIFO
            handle = os.open(leftover, flags)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            finally:
                os.close(handle)


@contextmanager
def private_directory(target: Path) -> Iterator[Path]:
    """Make a directory beside a target that nobody else may read; remove it at the end."""
    real = Path(os.path.realpath(target))
    with _blamed_on(real.parent):
        real.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(real)
        path = _temporary_name(real)
        path.mkdir(mode=0o700)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # as in _create
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield path
    finally:  # a worker of the caller's pool may still write; the next run clears what is left
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


@contextmanager
def _turn(directory: Path, check: Callable[[], object]) -> Iterator[None]:
    """Let two runs rename into one directory one after the other.

    Nobody renames for long: who holds the lock for half a minute is somebody else, as with
    ``flock DIRECTORY mapreduce ...``, and is not waited for.
    """
    with _blamed_on(directory):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(TURN * 20):
            check()
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:  # a file system without locks
                break
            else:
                break
        yield
    finally:
        os.close(handle)


def _mode(target: Path) -> int:
    """Return the permissions that the target has, or that any new file would get."""
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _sync(directories: Iterable[Path]) -> None:
    for directory in directories:
        with _blamed_on(directory):
            handle = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(str(path))}: {error.strerror}") from error
