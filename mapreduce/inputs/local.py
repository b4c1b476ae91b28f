"""The store of this machine: regular files and streams.

Any worker can read any range of a regular file that has a size. Everything else is a stream, which
the parent reads once, from beginning to end: a pipe, a FIFO, a terminal, a file of ``/proc`` (its
size is reported as 0), a file of ``/sys`` (it holds fewer bytes than its size says).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, ClassVar, Final

from mapreduce.errors import InputError, UsageError, printable
from mapreduce.inputs.names import STDIN
from mapreduce.inputs.stores import Found, Located

FIRST_BYTES: Final = 4 << 10
"""Bytes read from a file to find its format. They nearly always contain its first line, too."""


class Files:
    """Files and streams of this machine. A file is identified by its device and inode number."""

    name: ClassVar[str] = "this machine"
    has_threads: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def inspect(self, paths: Sequence[str], /) -> Iterator[Found]:
        return map(_inspect, paths)

    def open(
        self, source: Located, _stop: int | None, _tick: Callable[[int], None] | None, /
    ) -> BinaryIO:
        if source.path == STDIN:
            return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO without a writer would block
        try:
            handle = os.open(source.path, flags)
        except OSError as error:
            raise InputError(f"{source.name}: {error.strerror}") from error
        if _identity(os.fstat(handle)) != source.identity:
            os.close(handle)
            raise InputError(f"{source.name}: was replaced while it was being read; run again")
        return open(handle, "rb", buffering=0)  # noqa: PTH123 - a Path cannot hold a descriptor

    def growth(self, source: Located, /) -> int:
        if source.size is None:
            return 0
        try:
            return max(0, os.stat(source.path).st_size - source.size)  # noqa: PTH116 - many files
        except OSError:  # the file was deleted after it had been counted
            return 0


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _inspect(path: str) -> Found:
    try:
        status = os.fstat(sys.stdin.fileno()) if path == STDIN else os.stat(path)  # noqa: PTH116
    except (OSError, ValueError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise UsageError(f"{printable(path)}: {reason}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{printable(path)}: is a directory")
    if path != STDIN and not os.access(path, os.R_OK):
        raise UsageError(f"{printable(path)}: permission denied")
    identity, mtime = _identity(status), status.st_mtime_ns
    if path == STDIN or not stat.S_ISREG(status.st_mode) or not status.st_size:
        return Found(path, None, identity, mtime)
    head = _head(path, status)
    return Found(path, None if head is None else status.st_size, identity, mtime, head or b"")


def _head(path: str, status: os.stat_result) -> bytes | None:
    """Return the first bytes of a file, or ``None`` if it holds fewer bytes than its size says."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not status.st_blocks and not os.pread(handle, 1, status.st_size - 1):
                return None
            return os.read(handle, FIRST_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        raise UsageError(f"{printable(path)}: {error.strerror}") from error
