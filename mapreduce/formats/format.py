"""What a format is: it recognises an input by its head and makes blocks of whole lines of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final, NamedTuple, Protocol, cast

from mapreduce.errors import InputError

if TYPE_CHECKING:
    from io import RawIOBase

    from mapreduce.mapping.mapper import Mapper
    from mapreduce.options import Tick

HEAD: Final = 512
"""Bytes of an input's beginning that tell its format: a tar archive is the slowest to tell."""
FIRST: Final = 16 << 10
"""Bytes of an input's first line that a job is shown."""

_EMPTY_LINES: Final = re.compile(rb"(?:[ \t\r]*\n)*+")

MapperFor = Callable[[str, bytes], "Mapper"]
"""Takes the name of a source and its first line."""


class Readable(Protocol):
    """What a format needs to know of an input: ``size`` is ``None`` if it is a stream."""

    @property
    def name(self) -> str:
        """The name that an error shows."""

    @property
    def size(self) -> int | None:
        """The number of bytes."""

    @property
    def start(self) -> int:
        """The byte at which the lines begin."""

    @property
    def line(self) -> bytes | None:
        """The first line, if it is known already."""

    def open(self, stop: int | None = None, tick: Tick | None = None) -> BinaryIO:
        """Open for unbuffered reading from the first byte, ahead at most to byte ``stop``."""


class Head(NamedTuple):
    """How an input begins. ``is_whole``: nothing stands behind it.

    ``in_order``: the input can be read only from its first byte to its last one, as a stream is.
    """

    data: bytes
    is_whole: bool = False
    in_order: bool = False


class Block(NamedTuple):
    """Whole lines, valid until the next block is asked for.

    ``offset`` is where they begin in the source's text, ``size`` how many bytes of the source have
    been read for them. ``in_rows``: the offset is the number of the first row, from 0.
    """

    view: memoryview
    offset: int
    size: int
    in_rows: bool = False

    def places(self, starts: Iterable[int]) -> Iterator[int]:
        """Yield the place in the source of each line that begins at these bytes of the block."""
        if not self.in_rows:
            yield from (self.offset + start for start in starts)
            return
        data, row, counted = bytes(self.view), self.offset, 0
        for start in starts:
            row, counted = row + data.count(b"\n", counted, start), start
            yield row


class Format:
    """One form that bytes have. It is a frozen value, which travels with each of its sources.

    ``begins`` are the first bytes that an input of it may have, if it is not any. ``cost`` is how
    many bytes of plain text take as long as one byte of this format. ``is_plain`` says that the
    bytes are the text itself, so that an offset in the one is an offset in the other. ``unit`` is
    what the place of a line is counted in.
    """

    name: str
    begins: ClassVar[bytes | None] = None
    cost: ClassVar[int] = 1
    is_plain: ClassVar[bool] = False
    unit: ClassVar[str] = "byte"

    def __eq__(self, other: object) -> bool:  # a format without fields need not be a dataclass
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def recognises(self, head: bytes, /) -> bool:
        """Return whether an input that begins with these (at most ``HEAD``) bytes is of it."""
        raise NotImplementedError

    def look(self, name: str, head: Head, /) -> tuple[int, bytes | None]:
        """Return the byte at which the lines begin and, if the head tells it, the first line.

        Raises ``UsageError`` if the input cannot be read.
        """
        raise NotImplementedError

    def fit(
        self, source: Readable, mapper_for: MapperFor, tick: Tick, /
    ) -> tuple[Format, Mapper | None]:
        """Choose the mapper of a source; return what reads the source for it, and the mapper.

        The source is opened only if its first line is not known.
        """
        raise NotImplementedError

    def cut(
        self,
        source: Readable,
        file: BinaryIO,
        sizes: Iterator[int],
        /,
        *,
        max_line: int,
        tick: Tick,
    ) -> Iterator[tuple[int, int]]:
        """Yield the ranges ``[start, end)`` that can be read apart, of about these sizes."""
        raise NotImplementedError

    def read(
        self, source: Readable, start: int, end: int, /, *, block_size: int, max_line: int
    ) -> Iterator[Block]:
        r"""Yield the blocks of a range, each line of which ends with ``\n``.

        Raises ``InputError`` for a line of more than ``max_line`` bytes, its ``\n`` not counted,
        and for a file that has become shorter, is damaged, or cannot be read any more.
        """
        raise NotImplementedError

    def unpack(
        self, pieces: Iterator[bytes], name: str, size: int, depth: int, /
    ) -> Iterator[bytes]:
        """Yield the text that an input in pieces holds, in pieces of at most ``size`` bytes.

        ``depth`` is how often it has been unpacked.
        """
        raise NotImplementedError


def ended(data: bytes) -> memoryview:
    r"""Return lines, the last of which is lent a ``\n`` if it has none."""
    return memoryview(data if data.endswith(b"\n") else data + b"\n")


def read_into(source: Readable, file: BinaryIO, view: memoryview, start: int, end: int) -> int:
    """Read some of the range that is being read; return how many bytes, which are not 0."""
    try:
        got = cast("RawIOBase", file).readinto(view) or 0
    except OSError as error:
        raise InputError(f"{source.name}, bytes {start} to {end}: {error.strerror}") from error
    if not got:
        raise InputError(
            f"{source.name}, bytes {start} to {end}: the file was truncated while it was being "
            "read; run again"
        )
    return got


def peek(pieces: Iterator[bytes], size: int) -> tuple[bytes, list[bytes]]:
    """Take pieces until they have ``size`` bytes together; return these bytes, and the pieces."""
    taken: list[bytes] = []
    while sum(map(len, taken)) < size and (piece := next(pieces, b"")):
        taken.append(piece)
    return b"".join(taken)[:size], taken


def first_line_of(texts: Iterable[bytes]) -> bytes:
    """Return the first line of texts that is not empty, or the first ``FIRST`` bytes of it."""
    line = b""
    for text in texts:
        line = without_empty_lines(line + text)
        if b"\n" in line or len(line) >= FIRST:
            break
    return line[:FIRST].partition(b"\n")[0]


def without_empty_lines(text: bytes) -> bytes:
    """Return a text without the lines before the first one that has more than blanks."""
    return text[cast("re.Match[bytes]", _EMPTY_LINES.match(text)).end() :]
