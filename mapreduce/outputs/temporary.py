"""Temporary files: complete and private beside their targets, and gone at the end of the run.

A run holds a lock on each of them for as long as it needs it. So the next run can tell what a
killed one has left behind, and removes it.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mapreduce.errors import OutputError, printable

REFUSED: Final = {
    *(errno.EINVAL, errno.EPERM, errno.EACCES, errno.ELOOP, errno.ENOSYS, errno.EOPNOTSUPP)
}
"""What a file system answers that cannot do something, or never lets this user do it."""


@dataclass(frozen=True, slots=True)
class Digest:
    """How many bytes a file has, and their SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


Digests = Mapping[Path, Digest]


@dataclass(frozen=True, slots=True)
class Temporary:
    """A complete, synced file at ``path`` that is to be renamed to ``real``.

    ``target`` is how the user named the file; ``real`` is that path without symbolic links.
    """

    path: Path
    target: Path
    real: Path
    digest: Digest


def write_beside(
    target: Path, text: Iterable[bytes], stack: ExitStack, *, clear: bool = True
) -> Temporary:
    """Write a complete temporary file in the directory of its target; the stack removes it.

    First what killed runs have left beside the target is removed, if ``clear``. A link stays a
    link: the file that it points to will be replaced.
    """
    from hashlib import sha256 as new_digest  # noqa: PLC0415 - start-up counts, and not all write

    real = Path(os.path.realpath(target))
    make_directory(real.parent, stack)
    with blamed_on(target):
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
    """Make a directory and those above it; the stack removes again what has stayed empty."""
    missing = [path for path in (directory, *directory.parents) if not os.path.lexists(path)]
    for path in reversed(missing):
        stack.callback(_remove_if_empty, path)
    with blamed_on(directory):
        directory.mkdir(parents=True, exist_ok=True)


def _remove_if_empty(directory: Path) -> None:
    with suppress(OSError):  # the results are in it
        directory.rmdir()


def _create(target: Path, stack: ExitStack) -> tuple[Path, int]:
    """Make a private file beside the target; it is locked until the stack removes it."""
    while True:
        path = _temporary_name(target)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        stack.callback(close, handle)
        stack.callback(_remove, path)
        lock(handle)
        if os.fstat(handle).st_nlink:
            return path, handle  # else another run took it for a leftover before it was locked


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")


def _remove(path: Path) -> None:
    """Remove a temporary file if it has not been renamed."""
    with suppress(OSError):  # the next run removes it
        path.unlink(missing_ok=True)


def _remove_tree(path: Path) -> None:
    with suppress(OSError):  # which it may raise all the same
        shutil.rmtree(path, ignore_errors=True)


def _write(handle: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(handle, left) :]


def close(handle: int) -> None:
    """Close a descriptor of which nothing is expected any more."""
    with suppress(OSError):  # what was written has been synced before
        os.close(handle)


def lock(handle: int) -> None:
    """Tell other runs that a temporary file is in use."""
    with suppress(OSError):  # no locks on this file system: leftovers stay, and nothing is lost
        fcntl.flock(handle, fcntl.LOCK_EX)


def _mode(target: Path) -> int:
    """Return the permissions that the target has, or that any new file would get.

    A table needs no setuid bit, and the system drops it, too, when a file is written.
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
        with blamed_on(real.parent):
            clear_leftovers(real)
            path = make_private_directory(real, stack)
        yield path


def make_private_directory(target: Path, stack: ExitStack) -> Path:
    """Make a directory beside a target that nobody else may read; the stack removes it."""
    while True:
        path = _temporary_name(target)
        path.mkdir(mode=0o700)
        # a worker of the caller's pool may still write: then the next run removes what is left
        stack.callback(_remove_tree, path)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(close, handle)
        lock(handle)
        if path.exists():
            return path  # else another run took it for a leftover before it was locked


def leftovers(target: Path) -> Iterator[Path]:
    """Yield what killed runs have left beside a target: what has no lock. Each is locked meanwhile.

    Only what a run could have made is looked at: a plain file or a directory of such a name.
    """
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.tmp")
    found: list[Path] = []
    with suppress(OSError):  # the next run may look here
        found += target.parent.iterdir()
    for path in (path for path in found if name.fullmatch(path.name)):
        with suppress(OSError):  # a link, or in use, or gone meanwhile
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # may be a FIFO
            handle = os.open(path, flags)
            try:
                kind = stat.S_IFMT(os.fstat(handle).st_mode)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if kind in {stat.S_IFREG, stat.S_IFDIR}:
                    yield path
            finally:
                close(handle)


def clear_leftovers(target: Path) -> None:
    """Remove what killed runs have left beside a target."""
    for path in leftovers(target):
        _remove(path)
        _remove_tree(path)  # if it is a directory


@contextmanager
def blamed_on(path: Path) -> Iterator[None]:
    """Turn an error of the system into an ``OutputError`` that names a path."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(str(path))}: {error.strerror}") from error


@contextmanager
def best_effort() -> Iterator[None]:
    """Do without what the file system cannot do; any other error is one."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
