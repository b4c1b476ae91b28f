"""Compressed inputs: known by their first bytes, streamed in bounded memory, verified to the end.

A member may follow another, as ``cat a.gz b.gz`` makes it. What is truncated, damaged or followed
by something else is an error, and since nothing is written before all is counted, nothing of it is.
Decompression runs ahead in a thread of its own: the libraries let others run while they work.
"""

from __future__ import annotations

import sys
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from mapreduce.errors import InputError, UsageError, install_hint

PIECE: Final = 1 << 20
"""Bytes that are decompressed at once."""
AHEAD: Final = 3
"""Pieces that may wait: with one, a single file takes a tenth longer (benchmarks/NOTES.md)."""
LEAST: Final = 64 << 10
"""Bytes of the shortest piece but the last: a million members of a byte are no million pieces."""
_READ: Final = 128 << 10


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


@dataclass(frozen=True, slots=True)
class Codec:
    """A format: its name, how its first member begins, what makes a decoder of one.

    ``begins`` are the first two bytes of what may follow a member, ``padding`` is what may stand
    before it.
    """

    name: str
    magic: bytes
    load: Callable[[], Callable[[], Decoder]]
    begins: tuple[bytes, ...]
    padding: bytes = b""


class _ZlibDecoder:
    """The standard library's decoder of gzip, with the interface of the others."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


def _gzip() -> Callable[[], Decoder]:
    try:
        from isal import igzip_lib  # noqa: PLC0415 - three times as fast, and optional
    except ImportError:
        return _ZlibDecoder
    return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _bzip2() -> Callable[[], Decoder]:
    from bz2 import BZ2Decompressor  # noqa: PLC0415 - only where it is needed

    return BZ2Decompressor


def _xz() -> Callable[[], Decoder]:
    from lzma import LZMADecompressor  # noqa: PLC0415 - only where it is needed

    return LZMADecompressor


def _zstd() -> Callable[[], Decoder]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415
        else:
            from backports import zstd  # noqa: PLC0415 - the same for older ones, and optional
    except ImportError as error:
        raise UsageError(
            f"zstd needs one more package: {install_hint('codecs')}; "
            "or decompress it first: zstd -dc FILE | mapreduce JOB -"
        ) from error
    return zstd.ZstdDecompressor


_SKIPPABLE: Final = tuple(bytes([first, 0x2A]) for first in range(0x50, 0x60))
"""How frames of zstd begin that hold no data."""

CODECS: Final = (
    Codec("gzip", b"\x1f\x8b", _gzip, (b"\x1f\x8b",), padding=b"\0"),
    Codec("zstd", b"\x28\xb5\x2f\xfd", _zstd, (b"\x28\xb5", *_SKIPPABLE)),
    Codec("xz", b"\xfd7zXZ\0", _xz, (b"\xfd7",), padding=b"\0"),
    *(
        Codec("bzip2", b"BZh%d%b" % (level, block), _bzip2, (b"BZ",))
        for level in range(1, 10)
        for block in (b"1AY&SY", b"\x17rE8P\x90")  # the first one, or the end of an empty member
    ),
)


def find_codec(head: bytes) -> Codec | None:
    """Return the codec of an input that begins with these bytes, or ``None`` if it is plain.

    Sources: RFC 1952, RFC 8878, the specifications of xz and bzip2.
    """
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)


def decompress(
    read: Callable[[int], bytes], codec: Codec, name: str, piece: int = PIECE
) -> Iterator[bytes]:
    """Yield what an input holds in pieces of at most ``piece`` bytes, only the last one small.

    ``read`` gives at most so many compressed bytes, none at the end. Raises ``InputError`` that
    begins with ``name``.
    """
    held, least = bytearray(), min(piece, LEAST)

    def room() -> int:
        return piece - len(held)

    for text in _members(read, codec, name, room):
        if not held and len(text) >= least:
            yield text
            continue
        held += text
        if len(held) >= least:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def first_text(head: bytes, codec: Codec, name: str) -> bytes:
    """Return what the first bytes of an input hold, as far as can be told, or ``LEAST`` of it."""
    given, text = iter([head]), b""
    try:
        for piece in _members(lambda _size: next(given, b""), codec, name, lambda: LEAST):
            text += piece
            if len(text) >= LEAST:
                break
    except InputError:  # the head ends before its end; who reads it all tells what is damaged
        return text
    return text


def _members(
    read: Callable[[int], bytes], codec: Codec, name: str, room: Callable[[], int]
) -> Iterator[bytes]:
    """Yield what all members hold, never more at once than there is room for."""
    make = codec.load()
    data = read(_READ)
    while data:
        decoder = make()
        while not decoder.eof:
            if decoder.needs_input and not data:
                data = read(_READ)
                if not data:
                    raise InputError(f"{name}: {codec.name}: ends before its end; was it cut off?")
            yield _decode(decoder, data if decoder.needs_input else b"", room(), codec, name)
            data = b""
        data = _next_member(decoder.unused_data, read, codec.padding)
        if data and data[:2] not in codec.begins:
            raise InputError(f"{name}: {codec.name}: is followed by something else")


def _decode(decoder: Decoder, data: bytes, room: int, codec: Codec, name: str) -> bytes:
    try:
        return decoder.decompress(data, room)
    except Exception as error:  # each library has errors of its own, and one is a plain OSError
        raise InputError(f"{name}: {codec.name}: is damaged ({error})") from error


def _next_member(data: bytes, read: Callable[[int], bytes], padding: bytes) -> bytes:
    """Return the first bytes of the next member, if there is one behind the padding."""
    while True:
        data = data.lstrip(padding) if padding else data
        if len(data) >= 2 or not (more := read(_READ)):
            return data
        data += more


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


def codec_named(name: str) -> Codec:
    """Return the codec of a source that travels by its name."""
    return next(codec for codec in CODECS if codec.name == name)
