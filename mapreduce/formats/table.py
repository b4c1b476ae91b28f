"""The table of all formats. To add one, write a module and add one row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import BinaryIO, Final

from mapreduce.formats.bzip2 import Bzip2
from mapreduce.formats.format import HEAD, Format, Head, Readable, peek
from mapreduce.formats.gzipped import Gzip
from mapreduce.formats.parquet import Parquet
from mapreduce.formats.refused import REFUSED
from mapreduce.formats.stream import position_of, stream_pieces, whole_lines
from mapreduce.formats.text import Text
from mapreduce.formats.xz import Xz
from mapreduce.formats.zstd import Zstd
from mapreduce.options import Tick

TEXT: Final[Format] = Text()

FORMATS: Final[tuple[Format, ...]] = (Gzip(), Zstd(), Xz(), Bzip2(), Parquet(), *REFUSED, TEXT)
"""Formats in order: the first one that recognises an input is its format."""


@cache
def formats_of(first: int) -> tuple[Format, ...]:
    """Return the formats whose inputs may begin with this byte: at most six for most bytes."""
    return tuple(one for one in FORMATS if one.first_bytes is None or first in one.first_bytes)


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
