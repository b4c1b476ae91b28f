"""From what the user named to Sources: everything that can be refused before work is refused here.

A regular file with a size is a range of bytes that any worker can read. Everything else (a pipe, a
FIFO, a terminal, a file of ``/proc`` whose size reads 0) is a stream, which the parent reads once.
"""

from __future__ import annotations

import os
import stat
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mapreduce.compression import find_codec
from mapreduce.errors import InputError, UsageError
from mapreduce.job import Mapper
from mapreduce.paths import STDIN, expand
from mapreduce.printable import printable

HEAD = 10
"""Bytes that tell what an input is."""

_UTF = "text in {}; convert it first: iconv -f {} -t UTF-8"
_FOREIGN = {
    b"\xff\xfe\0\0": _UTF.format("UTF-32", "UTF-32"),
    b"\0\0\xfe\xff": _UTF.format("UTF-32", "UTF-32"),
    b"\xff\xfe": _UTF.format("UTF-16", "UTF-16"),
    b"\xfe\xff": _UTF.format("UTF-16", "UTF-16"),
    b"PAR1": "Parquet, which cannot be read as a stream; name the file",
}
PARQUET: Final = "parquet"
COMPRESSED: Final = 16
"""Bytes of plain text that are counted in the time that a compressed one takes, about."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input: its path (``-`` for standard input) and what identified it when it was found.

    ``index`` is its place in the order of the inputs; ``size`` is in bytes, ``None`` for a stream;
    its lines begin at byte ``start``; ``mtime`` is in nanoseconds since 1970; ``form`` is empty for
    lines of text, else a codec's name or ``PARQUET``. ``mapper`` counts it, where it is not the
    job's. ``columns`` are those that are read of a Parquet file.
    """

    index: int
    path: str
    size: int | None
    device: int
    inode: int
    mtime: int = 0
    start: int = 0
    form: str = ""
    mapper: Mapper | None = None
    columns: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """How much plain text it is worth, for each of its bytes."""
        return COMPRESSED if self.form else 1

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


def find_sources(names: Iterable[str | os.PathLike[str] | Source]) -> list[Source]:
    """Return a Source for each file that is named in any way (``paths.expand``), sorted by path.

    A file that several paths lead to is one. What has been found before is not looked for again,
    if all are Sources. Raises ``UsageError`` for one that cannot be read.
    """
    given = list(names)
    sources = [one for one in given if isinstance(one, Source)]
    if sources and len(sources) == len(given):
        return sources
    sources, known = [], set[tuple[int, int]]()
    for path in expand(one.path if isinstance(one, Source) else one for one in given):
        found = _find(len(sources), path)
        if found.size is None:
            sources.append(found)
        elif (found.device, found.inode) not in known:
            sources.append(found)
            known.add((found.device, found.inode))
    if not sources:
        raise UsageError("no input: name one or more files, or - for standard input")
    return sources


def _find(index: int, path: str) -> Source:
    try:
        status = os.fstat(sys.stdin.fileno()) if path == STDIN else os.stat(path)  # noqa: PTH116
    except (OSError, ValueError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise UsageError(f"{printable(path)}: {reason}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{printable(path)}: is a directory")
    if path != STDIN and not os.access(path, os.R_OK):
        raise UsageError(f"{printable(path)}: permission denied")
    plain = path != STDIN and stat.S_ISREG(status.st_mode) and status.st_size > 0
    size = status.st_size if plain else None
    head = _head(path) if plain else b""
    codec = find_codec(head)
    if codec:
        codec.load()  # or what is missing is told before any work
    form = PARQUET if head.startswith(b"PAR1") else codec.name if codec else ""
    start = 0 if form else first_line(printable(path), head)
    identity = status.st_dev, status.st_ino, status.st_mtime_ns
    return Source(index, path, size, *identity, start, form)


def _head(path: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(handle, HEAD)
        finally:
            os.close(handle)
    except OSError as error:
        raise UsageError(f"{printable(path)}: {error.strerror}") from error


def first_line(name: str, head: bytes) -> int:
    """Return where the lines of an input begin, whose first ``HEAD`` bytes are given.

    Raises ``UsageError`` if they are text in another encoding (The Unicode Standard, 23.8), or no
    text at all.
    """
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise UsageError(f"{name}: is {what}")
    return len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0


def growth(sources: Iterable[Source]) -> Iterator[str]:
    """Yield a line for each file that is longer now than when it was found."""
    for source in sources:
        if source.size is not None and (longer := _size(source) - source.size) > 0:
            yield (
                f"{source.name}: grew by {longer:,} bytes while it was counted; "
                f"what it had at the start, {source.size:,} bytes, is counted"
            )


def _size(source: Source) -> int:
    try:
        return Path(source.path).stat().st_size
    except OSError:  # it may be gone by now, and has been counted whole all the same
        return 0
