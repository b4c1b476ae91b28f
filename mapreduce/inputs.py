"""From what the user named to Sources: everything that can be refused before work is refused here.

A regular file with a size is a range of bytes that any worker can read. Everything else (a pipe, a
FIFO, a terminal, a file of ``/proc`` whose size reads 0) is a stream, which the parent reads once.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mapreduce.errors import InputError, UsageError

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """One input: its path (``-`` for standard input) and what identified it when it was found.

    ``index`` is its place in the order of the inputs; ``size`` is in bytes, ``None`` for a stream.
    """

    index: int
    path: str
    size: int | None
    device: int
    inode: int

    @property
    def name(self) -> str:
        """The path as it may be shown on a terminal, control characters escaped."""
        return "standard input" if self.path == STDIN else printable(self.path)

    def open(self) -> BinaryIO:
        """Open for unbuffered reading; raise ``InputError`` if it is not the file found before."""
        if self.path == STDIN:
            return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO without a writer would block
        try:
            handle = os.open(self.path, flags)
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror}") from error
        status = os.fstat(handle)
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            os.close(handle)
            raise InputError(f"{self.name}: was replaced while it was being read; run again")
        return open(handle, "rb", buffering=0)  # noqa: PTH123 - a descriptor


def find_sources(paths: Iterable[str | os.PathLike[str]]) -> list[Source]:
    """Return a Source for each path, in order; raise ``UsageError`` for one that cannot be read."""
    sources = [_find(index, os.fspath(path)) for index, path in enumerate(paths)]
    if not sources:
        raise UsageError("no input: name one or more files, or - for standard input")
    if sum(source.path == STDIN for source in sources) > 1:
        raise UsageError("standard input (-) can be read only once; name it once")
    return sources


def _find(index: int, path: str) -> Source:
    try:
        status = os.fstat(sys.stdin.fileno()) if path == STDIN else Path(path).stat()
    except (OSError, ValueError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise UsageError(f"{printable(path)}: {reason}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{printable(path)}: is a directory; name the files in it")
    if path != STDIN and not os.access(path, os.R_OK):
        raise UsageError(f"{printable(path)}: permission denied")
    plain = path != STDIN and stat.S_ISREG(status.st_mode) and status.st_size > 0
    size = status.st_size if plain else None
    return Source(index, path, size, status.st_dev, status.st_ino)


def printable(text: str) -> str:
    """Return text with everything that could steer a terminal escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
