"""The stores of this machine: its files, and what can be read only once, from beginning to end.

A regular file with a size is a range of bytes that any worker can read. Everything else is a
stream, which the parent reads once: a pipe, a FIFO, a terminal, a file of ``/proc`` whose size
reads 0, a file of ``/sys`` that has fewer bytes than its size says.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final

from mapreduce.errors import InputError, UsageError, printable
from mapreduce.inputs.names import STDIN
from mapreduce.inputs.stores import Found, Located

FIRST_BYTES: Final = 4 << 10
"""Bytes of a file that are looked at: they tell its format and nearly always its first line."""


@dataclass(frozen=True, slots=True)
class Files:
    """Files and streams of this machine; device and inode are the identity of a file."""

    name: ClassVar[str] = "this machine"
    has_threads: ClassVar[bool] = False

    def look_at(self, paths: Sequence[str], /) -> Iterator[Found]:
        return map(_look, paths)

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
        return open(handle, "rb", buffering=0)  # noqa: PTH123 - a descriptor

    def growth(self, source: Located, /) -> int:
        if source.size is None:
            return 0
        try:
            return max(0, os.stat(source.path).st_size - source.size)  # noqa: PTH116 - many files
        except OSError:  # it may be gone by now, and has been counted whole all the same
            return 0


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _look(path: str) -> Found:
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
    """Return the first bytes of a file, ``None`` if it has fewer bytes than its size says."""
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
