"""Read compressed text in bounded memory and verify it to the end.

An input may hold several members, as ``cat a.gz b.gz`` writes them, and its text may be compressed
again. An input that is truncated, damaged or followed by other bytes is an error. A separate thread
decompresses the next pieces while the current one is counted: the libraries release the GIL.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final, Protocol

from mapreduce.errors import InputError, UsageError
from mapreduce.formats.format import (
    HEAD,
    PROBE,
    Block,
    Format,
    Head,
    MapperFor,
    Readable,
    choose_by_line,
    first_line_of,
    peek,
    read_into,
    with_final_newline,
)
from mapreduce.formats.stream import whole_lines
from mapreduce.options import Tick

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

PIECE_SIZE: Final = 1 << 20
"""Bytes that are decompressed in one call."""
PIECES_AHEAD: Final = 3
"""Pieces that may wait: with one, a single file takes a tenth longer (benchmarks/NOTES.md)."""
SMALLEST_PIECE: Final = 64 << 10
"""Bytes of the shortest piece but the last: a million tiny members are joined to few pieces."""
HEAD_TEXT: Final = 4 << 10
"""Bytes of text that are unpacked to find the first line; enough for nearly every input."""
MAX_DEPTH: Final = 3
"""How many times one input may be compressed."""
_READ: Final = 128 << 10
_HEADER: Final = 18
"""Bytes of the longest header that must be read to check a member: that of a zstd frame."""


class Decoder(Protocol):
    """Decodes one member. It has the interface of the decompressors of ``bz2`` and ``lzma``."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether it can return no more text without more input."""

    @property
    def unused_data(self) -> bytes:
        """The input that was given beyond the end of the member."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Return at most ``max_length`` bytes of text; keep input that was not needed for them."""


class Compressed(Format):
    """Text compressed by one codec. A subclass recognises members and makes their decoders.

    The byte ``padding`` may follow a member any number of times.
    """

    cost: ClassVar[int] = 16
    padding: ClassVar[bytes] = b"\0"

    def decoder(self) -> Callable[[], Decoder]:
        """Return a function that makes a decoder. Raises ``UsageError`` if no library has one."""
        raise NotImplementedError

    def is_member(self, data: bytes, /) -> bool:
        """Return whether another member begins with these bytes."""
        return self.recognises(data)

    def check_member(self, name: str, data: bytes, /) -> None:
        """Raise ``UsageError`` if the decoder cannot decode a member with this beginning."""

    def inspect(self, name: str, head: Head, /) -> tuple[int, bytes | None]:
        self.decoder()
        self.check_member(name, head.data)
        text = unpack_head(head.data, self, HEAD_TEXT)
        inner = Head(text, is_whole=head.is_whole and len(text) < HEAD_TEXT, in_order=True)
        _start, line = _inner_format(text).inspect(self.inside(name), inner)
        return 0, line

    def inside(self, name: str, /) -> str:
        """Return how an error message names the unpacked text of an input."""
        return f"{name} (unpacked by {self.name})"

    def choose_mapper(
        self, source: Readable, mapper_for: MapperFor, tick: Tick, /
    ) -> tuple[Format, Mapper | None]:
        line = source.line
        if line is None:
            with source.open(tick=tick) as file:
                pieces = iter(lambda: read_some(source, file), b"")
                texts = self.unpack(pieces, source.name, PROBE, 0)
                first = next(texts, b"").removeprefix(BOM_UTF8)
                line = first_line_of(chain([first], texts))
        return self, choose_by_line(mapper_for, source.name, line)

    def cut(
        self,
        source: Readable,
        _file: BinaryIO,
        _sizes: Iterator[int],
        /,
        *,
        max_line: int,  # noqa: ARG002
        tick: Tick,  # noqa: ARG002
    ) -> Iterator[tuple[int, int]]:
        yield 0, source.size or 0

    def read(
        self,
        source: Readable,
        start: int,
        end: int,
        /,
        *,
        block_size: int,  # noqa: ARG002
        max_line: int,
    ) -> Iterator[Block]:
        """Yield the blocks of a whole file, up to the size that it had when it was found."""
        taken = reported = 0

        def read() -> bytes:
            nonlocal taken
            buffer = bytearray(min(_READ, end - taken))
            got = read_into(source, file, memoryview(buffer), start, end) if buffer else 0
            taken += got
            return bytes(buffer[:got])

        with source.open() as file:
            texts = self.unpack(iter(read, b""), source.name, min(PIECE_SIZE, max_line + 1), 0)
            with closing(read_ahead(texts)) as pieces:  # ends its thread before the file is closed
                for offset, data in whole_lines(source.name, pieces, 0, max_line):
                    yield Block(with_final_newline(data), offset, taken - reported)
                    reported = taken

    def unpack(
        self, pieces: Iterator[bytes], name: str, size: int, depth: int, /
    ) -> Iterator[bytes]:
        if depth == MAX_DEPTH:
            raise UsageError(f"{name}: is compressed more than {MAX_DEPTH} times; unpack it first")
        texts = decompress(pieces, self, name, size)
        head, first = peek(texts, HEAD)
        inner, within = _inner_format(head), self.inside(name)
        inner.inspect(within, Head(head, in_order=True))
        yield from inner.unpack(chain(first, texts), within, size, depth + 1)


def _inner_format(head: bytes) -> Format:
    """Return the format of unpacked bytes."""
    from mapreduce.formats.table import find_format  # noqa: PLC0415 - it imports this module

    return find_format(head)


def decompress(
    pieces: Iterator[bytes], codec: Compressed, name: str, piece: int = PIECE_SIZE
) -> Iterator[bytes]:
    """Yield the text of an input in pieces of at most ``piece`` bytes; only the last may be small.

    Raises ``InputError``, whose message begins with ``name``.
    """
    held, least = bytearray(), min(piece, SMALLEST_PIECE)

    def room() -> int:
        return piece - len(held)

    for text in _members(pieces, codec, name, room):
        if not held and len(text) >= least:
            yield text
            continue
        held += text
        if len(held) >= least:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def unpack_head(head: bytes, codec: Compressed, size: int = SMALLEST_PIECE) -> bytes:
    """Return as much text as the first bytes of an input hold, or about ``size`` bytes of it."""
    text = b""
    try:
        for piece in _members(iter([head]), codec, "", lambda: size):
            text += piece
            if len(text) >= size:
                break
    except (InputError, UsageError):  # the head is cut off; faults show when all is read
        return text
    return text


def _members(
    pieces: Iterator[bytes], codec: Compressed, name: str, room: Callable[[], int]
) -> Iterator[bytes]:
    """Yield the text of all members, at most ``room()`` bytes in each piece."""
    make = codec.decoder()
    data = _next_member(b"", pieces, b"")
    while data:
        codec.check_member(name, data)
        decoder = make()
        while not decoder.eof:
            if decoder.needs_input and not data:
                data = next(pieces, b"")
                if not data:
                    raise InputError(f"{name}: {codec.name}: is incomplete; was it cut off?")
            yield _decode(decoder, data if decoder.needs_input else b"", room(), codec, name)
            data = b""
        data = _next_member(decoder.unused_data, pieces, codec.padding)
        if data and not codec.is_member(data):
            raise InputError(
                f"{name}: {codec.name}: other bytes follow its end; were they appended by mistake?"
            )


def _decode(decoder: Decoder, data: bytes, room: int, codec: Compressed, name: str) -> bytes:
    try:
        return decoder.decompress(data, room)
    except Exception as error:  # each library raises other ones, among them OSError
        raise InputError(f"{name}: {codec.name}: is damaged ({error})") from error


def _next_member(data: bytes, pieces: Iterator[bytes], padding: bytes) -> bytes:
    """Return the first bytes behind the padding, where the next member begins if there is one."""
    while True:
        data = data.lstrip(padding) if padding else data
        if len(data) >= _HEADER or not (more := next(pieces, b"")):
            return data
        data += more


def read_some(source: Readable, file: BinaryIO) -> bytes:
    """Return the next bytes of a file; at its end, return no bytes."""
    try:
        return file.read(PROBE)
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror}") from error


def read_ahead(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield pieces; a thread reads the next one while one is used. Raise what ``pieces`` raises."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - costs a small run 5 ms

    thread = ThreadPoolExecutor(1)
    try:
        waiting = deque(thread.submit(next, pieces, b"") for _ in range(PIECES_AHEAD))
        while piece := waiting.popleft().result():
            waiting.append(thread.submit(next, pieces, b""))
            yield piece
    finally:
        thread.shutdown(cancel_futures=True)
