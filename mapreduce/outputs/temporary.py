"""Temporary files: written beside their targets, private, and removed at the end of the run.

A run locks each of its temporary files. A temporary file without a lock was left behind by a
killed run, and the next run removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from mapreduce.errors import OutputError, printable

REFUSED: Final = {
    *(errno.EINVAL, errno.EPERM, errno.EACCES, errno.ELOOP, errno.ENOSYS, errno.EOPNOTSUPP)
}
"""Errors of a file system that does not support an operation, or never allows it to this user."""


class Digest(NamedTuple):
    """The number of bytes in a file, and their SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


Digests = Mapping[Path, Digest]


class Temporary(NamedTuple):
    """A complete, synced file at ``path`` that will be renamed to ``real``.

    ``target`` is the path that the user gave; ``real`` is the same path without symbolic links.
    """

    path: Path
    target: Path
    real: Path
    digest: Digest


def write_beside(
    target: Path, text: Iterable[bytes], stack: ExitStack, *, clear: bool = True
) -> Temporary:
    """Write a complete temporary file in the directory of its target; the stack removes it.

    With ``clear``, first remove the leftovers of killed runs. A symbolic link stays one: the file
    that it points to will be replaced.
    """
    from hashlib import sha256 as new_digest  # noqa: PLC0415 - not every run writes files

    real = Path(os.path.realpath(target))
    make_directory(real.parent, stack)
    with as_output_error(target):
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if clear:
            clear_leftovers(real)
        path, handle = _create(real, stack)
        size, sha256 = 0, new_digest()
        for piece in text:
            size += len(piece)
            sha256.update(piece)
            _write(handle, piece)
        with best_effort():
            os.fchmod(handle, _mode(real))
        os.fsync(handle)
    return Temporary(path, target, real, Digest(size, sha256.hexdigest()))


def make_directory(directory: Path, stack: ExitStack) -> None:
    """Make a directory and its parents; the stack removes those that are still empty."""
    missing = [path for path in (directory, *directory.parents) if not os.path.lexists(path)]
    for path in reversed(missing):
        stack.callback(_remove_if_empty, path)
    with as_output_error(directory):
        directory.mkdir(parents=True, exist_ok=True)


def _remove_if_empty(directory: Path) -> None:
    with suppress(OSError):  # not empty: it holds the results
        directory.rmdir()


def _create(target: Path, stack: ExitStack) -> tuple[Path, int]:
    """Create a private file beside the target; it is locked until the stack removes it."""
    while True:
        path = _temporary_name(target)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        stack.callback(close, handle)
        stack.callback(_remove, path)
        lock(handle)
        if os.fstat(handle).st_nlink:
            return path, handle
        # Another run took the file for a leftover and removed it before it was locked: try again.


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")


def _remove(path: Path) -> None:
    """Remove a temporary file if it has not been renamed."""
    with suppress(OSError):  # the next run removes it
        path.unlink(missing_ok=True)


def _remove_tree(path: Path) -> None:
    with suppress(OSError):  # rmtree may raise in spite of ignore_errors
        shutil.rmtree(path, ignore_errors=True)


def _write(handle: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(handle, left) :]


def close(handle: int) -> None:
    """Close a descriptor and ignore errors: written data has been synced before."""
    with suppress(OSError):
        os.close(handle)


def lock(handle: int) -> None:
    """Lock a temporary file, so that other runs know that it is in use."""
    with suppress(OSError):  # no locks on this file system: leftovers are never removed there
        fcntl.flock(handle, fcntl.LOCK_EX)


def _mode(target: Path) -> int:
    """Return the permissions of the target, or those that a new file would get.

    The setuid and setgid bits are dropped, as the system does whenever a file is written.
    """
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


@contextmanager
def private_directory(target: Path) -> Iterator[Path]:
    """Make a directory beside a target that nobody else may read; remove it at the end."""
    real = Path(os.path.realpath(target))
    with ExitStack() as stack:
        make_directory(real.parent, stack)
        with as_output_error(real.parent):
            clear_leftovers(real)
            path = make_private_directory(real, stack)
        yield path


def make_private_directory(target: Path, stack: ExitStack) -> Path:
    """Make a directory beside a target that nobody else may read; the stack removes it."""
    while True:
        path = _temporary_name(target)
        path.mkdir(mode=0o700)
        # A worker of the caller's pool may still write here; then the next run removes the rest.
        stack.callback(_remove_tree, path)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(close, handle)
        lock(handle)
        if path.exists():
            return path
        # Another run took the directory for a leftover and removed it: try again.


def leftovers(target: Path) -> Iterator[Path]:
    """Yield the temporary files and directories that killed runs have left beside a target.

    They are those that no run has locked. Each is locked while the caller uses it.
    """
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.tmp")
    found: list[Path] = []
    with suppress(OSError):  # unreadable: a later run may be able to list it
        found += target.parent.iterdir()
    for path in (path for path in found if name.fullmatch(path.name)):
        with suppress(OSError):  # a symbolic link, in use, or gone by now
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # for a FIFO
            handle = os.open(path, flags)
            try:
                kind = stat.S_IFMT(os.fstat(handle).st_mode)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if kind in {stat.S_IFREG, stat.S_IFDIR}:
                    yield path
            finally:
                close(handle)


def clear_leftovers(target: Path) -> None:
    """Remove the temporary files and directories that killed runs have left beside a target."""
    for path in leftovers(target):
        _remove(path)
        _remove_tree(path)  # if it is a directory


@contextmanager
def as_output_error(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into an ``OutputError`` that names a path."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(str(path))}: {error.strerror}") from error


@contextmanager
def best_effort() -> Iterator[None]:
    """Ignore an error that says that the file system does not support or allow an operation."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
