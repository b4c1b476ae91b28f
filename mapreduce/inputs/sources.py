"""From what the user named to Sources: everything that can be refused before work is refused here.

A regular file with a size is a range of bytes that any worker can read. Everything else (a pipe, a
FIFO, a terminal, a file of ``/proc`` whose size reads 0) is a stream, which the parent reads once.
"""

from __future__ import annotations

import os
import stat
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from mapreduce.errors import InputError, UsageError, printable
from mapreduce.formats.compressed import codec_named, find_codec, first_text
from mapreduce.inputs.names import SCHEME, STDIN, Selector, expand

if TYPE_CHECKING:
    from mapreduce.inputs.s3 import Remote
    from mapreduce.mapping.mapper import Mapper

HEAD = 10
"""Bytes that tell what an input is."""
FIRST_BYTES: Final = 64 << 10
"""Bytes of an object that are looked at: enough for its first line, compressed or not."""
REQUESTS: Final = 32
"""Objects that are looked at at once."""

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
    job's. ``columns`` are those that are read of a Parquet file. An object in S3 has an ``etag``,
    and the ``line`` that it begins with is known: to look again would cost a request.
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
    etag: str = ""
    line: bytes | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is an object in S3."""
        return self.path.startswith(SCHEME)

    @property
    def weight(self) -> int:
        """How much plain text it is worth, for each of its bytes."""
        return COMPRESSED if self.form else 1

    @property
    def name(self) -> str:
        """The path as it may be shown on a terminal, control characters escaped."""
        return "standard input" if self.path == STDIN else printable(self.path)

    def open(self, stop: int | None = None, tick: Callable[[int], None] | None = None) -> BinaryIO:
        """Open for unbuffered reading; raise ``InputError`` if it is not the file found before.

        Of an object, nothing behind ``stop`` is fetched ahead; ``tick`` is called, and may raise,
        while a server is waited for.
        """
        if self.is_remote:
            from mapreduce.inputs.ranges import ObjectFile  # noqa: PLC0415 - threads

            size = self.size or 0
            end = size if stop is None else stop
            return cast(BinaryIO, ObjectFile(self.path, size, self.etag, end, tick))
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


def find_sources(
    names: Iterable[str | os.PathLike[str] | Source], selector: Selector | None = None
) -> list[Source]:
    """Return a Source for each file that is named in any way (``names.expand``), sorted by path.

    A file that several paths lead to is one. What has been found before is not looked for again,
    if all are Sources. A file that the ``selector`` does not hold is left out. Raises
    ``UsageError`` for one that cannot be read.
    """
    given = list(names)
    sources = [one for one in given if isinstance(one, Source)]
    if sources and len(sources) == len(given):
        return sources
    sources, known = [], set[tuple[int, int]]()
    paths = expand((one.path if isinstance(one, Source) else one for one in given), selector)
    remote = _look_at([cast("Remote", path) for path in paths if path.startswith(SCHEME)])
    for path in paths:
        if path.startswith(SCHEME):
            sources.append(replace(next(remote), index=len(sources)))
            continue
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
    form = _form(head)
    start = 0 if form else first_line(printable(path), head)
    identity = status.st_dev, status.st_ino, status.st_mtime_ns
    return Source(index, path, size, *identity, start, form)


def _look_at(objects: Sequence[Remote]) -> Iterator[Source]:
    """Yield a Source for each object, by its first bytes, many of which are asked for at once."""
    if not objects:
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - costs a small run 5 ms

    threads = ThreadPoolExecutor(REQUESTS)
    try:
        yield from threads.map(_look, objects)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _look(url: Remote) -> Source:
    from mapreduce.inputs.s3 import read_range  # noqa: PLC0415 - costs a small run 2 ms

    try:
        end = min(url.size, FIRST_BYTES)
        head = bytes(read_range(url, 0, end, url.etag)) if end else b""
    except InputError as error:
        raise UsageError(str(error)) from error
    form = _form(head)
    found = Source(0, str(url), url.size, 0, 0, url.mtime, 0, form, etag=url.etag)
    if form == PARQUET:
        return found
    text = first_text(head, codec_named(form), found.name) if form else head
    start = first_line(found.name, text[:HEAD])
    line, newline, _ = text[start:].partition(b"\n")
    whole = newline or end == url.size  # a block of bzip2 is longer than what was looked at
    return replace(found, start=0 if form else start, line=line if whole else None)


def _form(head: bytes) -> str:
    """Return the form of an input; raise ``UsageError``, before any work, if it cannot be read."""
    if head.startswith(b"PAR1"):
        return PARQUET
    codec = find_codec(head)
    if codec is None:
        return ""
    codec.load()  # which tells what is missing
    return codec.name


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
        if source.size is None or source.is_remote:  # an object does not grow: it is replaced
            continue
        if (longer := _size(source) - source.size) > 0:
            yield (
                f"{source.name}: grew by {longer:,} bytes while it was counted; "
                f"what it had at the start, {source.size:,} bytes, is counted"
            )


def _size(source: Source) -> int:
    try:
        return Path(source.path).stat().st_size
    except OSError:  # it may be gone by now, and has been counted whole all the same
        return 0
