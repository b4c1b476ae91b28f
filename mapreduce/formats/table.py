"""The table of all formats. To add one, write a module and add one row.

The module of a format is imported when an input begins like that format, because a start over text
would take a twentieth longer with all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from typing import BinaryIO, Final

from mapreduce.formats.format import HEAD, Format, Head, Readable, peek
from mapreduce.formats.refused import REFUSED
from mapreduce.formats.stream import position_of, stream_pieces, whole_lines
from mapreduce.formats.text import Text
from mapreduce.options import Tick

TEXT: Final[Format] = Text()


def _gzip() -> Format:
    from mapreduce.formats.gzipped import Gzip  # noqa: PLC0415

    return Gzip()


def _zstd() -> Format:
    from mapreduce.formats.zstd import Zstd  # noqa: PLC0415

    return Zstd()


def _xz() -> Format:
    from mapreduce.formats.xz import Xz  # noqa: PLC0415

    return Xz()


def _bzip2() -> Format:
    from mapreduce.formats.bzip2 import Bzip2  # noqa: PLC0415

    return Bzip2()


def _parquet() -> Format:
    from mapreduce.formats.parquet import Parquet  # noqa: PLC0415

    return Parquet()


FORMATS: Final[tuple[tuple[bytes, Callable[[], Format]], ...]] = (
    (b"\x1f", _gzip),
    (bytes([0x28, *range(0x50, 0x60)]), _zstd),
    (b"\xfd", _xz),
    (b"B", _bzip2),
    (b"P", _parquet),
)
"""The formats that can be read, besides text: each byte that may be the first of an input, and what
makes the format. The first format that recognises an input is its format."""


@cache
def formats_of(first: int) -> tuple[Format, ...]:
    """Return the formats whose inputs may begin with this byte, in the order to ask them."""
    read = [make() for first_bytes, make in FORMATS if first in first_bytes]
    return (*read, *(one for one in REFUSED if one.may_begin_with(first)), TEXT)


def find_format(head: bytes) -> Format:
    """Return the format of an input by its first ``HEAD`` bytes."""
    if not head:
        return TEXT
    head = head[:HEAD]
    return next(one for one in formats_of(head[0]) if one.recognises(head))


def read_stream(
    source: Readable, file: BinaryIO, size: int, max_line: int, tick: Tick
) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, whole lines) of a stream of any format, about ``size`` bytes at a time.

    Raises ``UsageError`` if its format cannot be read as a stream.
    """
    start, pieces = position_of(file), stream_pieces(source.name, file, size, tick)
    head, first = peek(pieces, HEAD)
    found = find_format(head)
    found.inspect(source.name, Head(head, in_order=True))
    texts = found.unpack(chain(first, pieces), source.name, size, 0)
    yield from whole_lines(source.name, texts, start if found.is_plain else 0, max_line)
