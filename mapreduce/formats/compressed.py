"""Compressed text: known by its first bytes, streamed in bounded memory, verified to the end.

A member may follow another, as ``cat a.gz b.gz`` makes it, and what is unpacked may be compressed
again. What is truncated, damaged or followed by something else is an error, and since nothing is
written before all is counted, nothing of it is. Decompression runs ahead in a thread of its own:
the libraries let others run while they work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final, Protocol

from mapreduce.errors import InputError, UsageError
from mapreduce.formats.format import (
    FIRST,
    HEAD,
    Block,
    Format,
    Head,
    MapperFor,
    Readable,
    ended,
    first_line_of,
    peek,
    read_into,
)
from mapreduce.formats.stream import whole_lines
from mapreduce.options import Tick

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

PIECE: Final = 1 << 20
"""Bytes that are decompressed at once."""
AHEAD: Final = 3
"""Pieces that may wait: with one, a single file takes a tenth longer (benchmarks/NOTES.md)."""
LEAST: Final = 64 << 10
"""Bytes of the shortest piece but the last: a million members of a byte are no million pieces."""
TOLD: Final = 4 << 10
"""Bytes of its text that are looked at before any work: enough for nearly every first line."""
DEEPEST: Final = 3
"""How often an input is unpacked at most."""
_READ: Final = 128 << 10
_HEADER: Final = 18
"""Bytes of the longest header that tells what a member needs: that of a frame of zstd."""


class Decoder(Protocol):
    """One member, as the decompressors of ``bz2`` and ``lzma`` are."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more to be had without more input."""

    @property
    def unused_data(self) -> bytes:
        """What has been given behind the member's end."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Return at most so many bytes; keep the input that they do not need."""


class Compressed(Format):
    """Text in one codec, of which a subclass tells how a member begins and what decodes it.

    ``padding`` may stand behind a member.
    """

    cost: ClassVar[int] = 16
    padding: ClassVar[bytes] = b"\0"

    def decoder(self) -> Callable[[], Decoder]:
        """Return what makes the decoder of a member; raise ``UsageError`` if it is missing."""
        raise NotImplementedError

    def is_member(self, data: bytes, /) -> bool:
        """Return whether a further member begins with these bytes."""
        return self.recognises(data)

    def check_member(self, name: str, data: bytes, /) -> None:
        """Raise ``UsageError`` for a member that begins so and that the decoder cannot decode."""

    def look(self, name: str, head: Head, /) -> tuple[int, bytes | None]:
        self.decoder()
        self.check_member(name, head.data)
        text = first_text(head.data, self, TOLD)
        inner = Head(text, is_whole=head.is_whole and len(text) < TOLD, in_order=True)
        _start, line = _inner(text).look(self.inside(name), inner)
        return 0, line

    def inside(self, name: str, /) -> str:
        """Return how an error names what an input holds."""
        return f"{name} (unpacked by {self.name})"

    def fit(
        self, source: Readable, mapper_for: MapperFor, tick: Tick, /
    ) -> tuple[Format, Mapper | None]:
        line = source.line
        if line is None:
            with source.open(tick=tick) as file:
                pieces = iter(lambda: read_some(source, file), b"")
                texts = self.unpack(pieces, source.name, FIRST, 0)
                line = first_line_of(
                    text for _offset, text in whole_lines(source.name, texts, 0, FIRST)
                )
        return self, mapper_for(source.name, line)

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
        """Yield the blocks of a whole file, as long as it was when it was found."""
        taken = told = 0

        def read() -> bytes:
            nonlocal taken
            buffer = bytearray(min(_READ, end - taken))
            got = read_into(source, file, memoryview(buffer), start, end) if buffer else 0
            taken += got
            return bytes(buffer[:got])

        with source.open() as file:
            texts = self.unpack(iter(read, b""), source.name, min(PIECE, max_line + 1), 0)
            with closing(ahead(texts)) as pieces:  # the thread ends before the file is closed
                for offset, data in whole_lines(source.name, pieces, 0, max_line):
                    yield Block(ended(data), offset, taken - told)
                    told = taken

    def unpack(
        self, pieces: Iterator[bytes], name: str, size: int, depth: int, /
    ) -> Iterator[bytes]:
        if depth == DEEPEST:
            raise UsageError(f"{name}: is compressed more than {DEEPEST} times; unpack it first")
        texts = decompress(pieces, self, name, size)
        head, first = peek(texts, HEAD)
        inner, within = _inner(head), self.inside(name)
        inner.look(within, Head(head, in_order=True))
        yield from inner.unpack(chain(first, texts), within, size, depth + 1)


def _inner(head: bytes) -> Format:
    """Return the format of what has been unpacked."""
    from mapreduce.formats.table import find_format  # noqa: PLC0415 - which has this one in it

    return find_format(head)


def decompress(
    pieces: Iterator[bytes], codec: Compressed, name: str, piece: int = PIECE
) -> Iterator[bytes]:
    """Yield what an input holds in pieces of at most ``piece`` bytes, only the last one small.

    Raises ``InputError`` that begins with ``name``.
    """
    held, least = bytearray(), min(piece, LEAST)

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


def first_text(head: bytes, codec: Compressed, size: int = LEAST) -> bytes:
    """Return what the first bytes of an input hold, as far as can be told, or ``size`` of it."""
    text = b""
    try:
        for piece in _members(iter([head]), codec, "", lambda: size):
            text += piece
            if len(text) >= size:
                break
    except (InputError, UsageError):  # the head is cut off; who reads it all tells what is wrong
        return text
    return text


def _members(
    pieces: Iterator[bytes], codec: Compressed, name: str, room: Callable[[], int]
) -> Iterator[bytes]:
    """Yield what all members hold, never more at once than there is room for."""
    make = codec.decoder()
    data = _next_member(b"", pieces, b"")
    while data:
        codec.check_member(name, data)
        decoder = make()
        while not decoder.eof:
            if decoder.needs_input and not data:
                data = next(pieces, b"")
                if not data:
                    raise InputError(f"{name}: {codec.name}: ends before its end; was it cut off?")
            yield _decode(decoder, data if decoder.needs_input else b"", room(), codec, name)
            data = b""
        data = _next_member(decoder.unused_data, pieces, codec.padding)
        if data and not codec.is_member(data):
            raise InputError(f"{name}: {codec.name}: is followed by something else")


def _decode(decoder: Decoder, data: bytes, room: int, codec: Compressed, name: str) -> bytes:
    try:
        return decoder.decompress(data, room)
    except Exception as error:  # each library has errors of its own, and one is a plain OSError
        raise InputError(f"{name}: {codec.name}: is damaged ({error})") from error


def _next_member(data: bytes, pieces: Iterator[bytes], padding: bytes) -> bytes:
    """Return the first bytes of the next member, if there is one behind the padding."""
    while True:
        data = data.lstrip(padding) if padding else data
        if len(data) >= _HEADER or not (more := next(pieces, b"")):
            return data
        data += more


def read_some(source: Readable, file: BinaryIO) -> bytes:
    """Return the next bytes of a file, none at its end."""
    try:
        return file.read(FIRST)
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror}") from error


def ahead(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield pieces, the next of which a thread makes while one is used; raise what it raises."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - costs a small run 5 ms

    thread = ThreadPoolExecutor(1)
    try:
        coming = deque(thread.submit(next, pieces, b"") for _ in range(AHEAD))
        while piece := coming.popleft().result():
            coming.append(thread.submit(next, pieces, b""))
            yield piece
    finally:
        thread.shutdown(cancel_futures=True)
