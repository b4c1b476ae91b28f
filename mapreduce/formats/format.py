"""Say what a format is: it recognises an input by its first bytes and reads it in blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final, NamedTuple, Protocol, cast

from mapreduce.errors import InputError, UsageError

if TYPE_CHECKING:
    from io import RawIOBase

    from mapreduce.mapping.mapper import Mapper
    from mapreduce.options import Tick

HEAD: Final = 512
"""Bytes at the beginning of an input that tell its format. A tar archive needs the most."""
FIRST_LINE: Final = 512 << 10
"""Bytes of the first line that a job may see, to choose its mapper."""
PROBE: Final = 16 << 10
"""Bytes of one read in search of the first line."""

_EMPTY_LINES: Final = re.compile(rb"(?:[ \t\r]*\n)*+")

MapperFor = Callable[[str, bytes], "Mapper"]
"""Takes the name of a source and its first line; returns the mapper that counts it."""


class Readable(Protocol):
    """What a format must know about an input to read it."""

    @property
    def name(self) -> str:
        """The name in error messages."""

    @property
    def size(self) -> int | None:
        """The number of bytes, or ``None`` for a stream."""

    @property
    def start(self) -> int:
        """The byte at which the lines begin."""

    @property
    def line(self) -> bytes | None:
        """The first line, if it is known already."""

    def open(self, stop: int | None = None, tick: Tick | None = None) -> BinaryIO:
        """Open for unbuffered reading; nothing from byte ``stop`` on may be prefetched."""


class Head(NamedTuple):
    """The first bytes of an input.

    ``is_whole`` says that the input has no more bytes. ``in_order`` says that it can be read only
    from beginning to end, as a stream.
    """

    data: bytes
    is_whole: bool = False
    in_order: bool = False


class Block(NamedTuple):
    """Some whole lines. The block is valid until the next one is read.

    ``offset`` is the byte of the source's text at which the lines begin or, if ``in_rows``, the
    number of the first row, counted from 0. ``size`` is the number of bytes of the source that were
    read for this block. ``is_joined`` says that line ends within quotes were replaced.
    """

    view: memoryview
    offset: int
    size: int
    in_rows: bool = False
    is_joined: bool = False

    def positions(self, starts: Iterable[int]) -> Iterator[int]:
        """Convert bytes of the block at which lines begin to positions in the source."""
        if not self.in_rows:
            yield from (self.offset + start for start in starts)
            return
        data, row, counted = bytes(self.view), self.offset, 0
        for start in starts:
            row, counted = row + data.count(b"\n", counted, start), start
            yield row


class Format:
    """A format of inputs. It is a frozen value, which is pickled with each of its sources.

    ``cost`` is how many bytes of plain text take as long as one byte of this format. ``is_plain``
    says that the bytes are the text itself, so that offsets in both are equal. ``position_unit``
    is what the position of a line counts: bytes or rows.
    """

    name: str
    cost: ClassVar[int] = 1
    is_plain: ClassVar[bool] = False
    position_unit: ClassVar[str] = "byte"

    def __eq__(self, other: object) -> bool:  # a format without fields need not be a dataclass
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def recognises(self, head: bytes, /) -> bool:
        """Return whether an input with these first bytes, at most ``HEAD``, has this format."""
        raise NotImplementedError

    def inspect(self, name: str, head: Head, /) -> tuple[int, bytes | None]:
        """Return the byte at which the lines begin, and the first line if ``head`` holds it.

        Raises ``UsageError`` if the input cannot be read.
        """
        raise NotImplementedError

    def choose_mapper(
        self, source: Readable, mapper_for: MapperFor, tick: Tick, /
    ) -> tuple[Format, Mapper | None]:
        """Let ``mapper_for`` choose the mapper of a source by its first line.

        Return the format that reads the source for this mapper, and the mapper. The source is
        opened only if its first line is not known.
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
        """Yield ranges ``[start, end)`` of about these sizes, each of which can be read alone."""
        raise NotImplementedError

    def read(
        self, source: Readable, start: int, end: int, /, *, block_size: int, max_line: int
    ) -> Iterator[Block]:
        r"""Yield the blocks of a range, each line of which ends with ``\n``.

        Raises ``InputError`` for a line of more than ``max_line`` bytes without its ``\n``, and
        for a file that was truncated, is damaged or cannot be read.
        """
        raise NotImplementedError

    def unpack(
        self, pieces: Iterator[bytes], name: str, size: int, depth: int, /
    ) -> Iterator[bytes]:
        """Unpack an input that comes in pieces; yield its text in pieces of at most ``size`` bytes.

        ``depth`` is how many times the pieces were unpacked before.
        """
        raise NotImplementedError


def choose_by_line(mapper_for: MapperFor, name: str, line: bytes) -> Mapper:
    """Return the mapper of an input of text, chosen by its first line without its line end.

    Raises ``UsageError`` if the job cannot count such an input.
    """
    mapper = mapper_for(name, line)
    try:
        return mapper.for_first_line(line.removesuffix(b"\r"))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error


def with_final_newline(data: bytes) -> memoryview:
    r"""Return lines, with a ``\n`` appended if the last one has none."""
    return memoryview(data if data.endswith(b"\n") else data + b"\n")


def read_into(source: Readable, file: BinaryIO, view: memoryview, start: int, end: int) -> int:
    """Read the next bytes of the range ``[start, end)``; return their number, which is never 0."""
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
    """Take pieces of ``size`` bytes or more in all; return the first ``size``, and the pieces."""
    taken: list[bytes] = []
    while sum(map(len, taken)) < size and (piece := next(pieces, b"")):
        taken.append(piece)
    return b"".join(taken)[:size], taken


def first_line_of(texts: Iterable[bytes]) -> bytes:
    """Return the first line that is not empty, cut to ``FIRST_LINE`` bytes."""
    line = b""
    for text in texts:
        line = without_empty_lines(line + text)
        if b"\n" in line or len(line) >= FIRST_LINE:
            break
    return line[:FIRST_LINE].partition(b"\n")[0]


def drop_header(blocks: Iterator[Block]) -> tuple[Iterator[Block], int]:
    """Drop lines up to the first one that is not empty; return the rest and their number."""
    dropped = 0
    for block in blocks:
        data = bytes(block.view)
        start = len(data) - len(without_empty_lines(data))
        end = data.find(b"\n", start) + 1 or len(data)
        dropped += data.count(b"\n", 0, end)
        if end < len(data):  # the rest is a copy, so that the reader may resize its buffer
            rest = block._replace(view=memoryview(data)[end:], offset=block.offset + end)
            return chain([rest], blocks), dropped
        if start < len(data):
            return blocks, dropped
    return iter(()), dropped


def without_empty_lines(text: bytes) -> bytes:
    """Return a text without the empty and blank lines at its beginning."""
    return text[cast("re.Match[bytes]", _EMPTY_LINES.match(text)).end() :]
