"""Read gzip (RFC 1952) by isal or, if isal is missing, by zlib, which takes three times as long."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import ClassVar, Final

from mapreduce.formats.compressed import Compressed, Decoder

LONGEST_HEADER: Final = 1 << 20
"""Bytes of the longest header that is accepted: names and comments in it can have any length."""

_DEFLATE: Final = 8
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 2, 4, 8, 16, 0xE0


class Gzip(Compressed):
    """Members of gzip. Zero bytes may follow each member."""

    name: ClassVar[str] = "gzip"  # type: ignore[misc]

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith(b"\x1f\x8b")

    def decoder(self) -> Callable[[], Decoder]:
        try:
            from isal import igzip_lib  # noqa: PLC0415 - optional: some machines have no wheel
        except ImportError:
            return ZlibDecoder
        return lambda: IsalDecoder(
            igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP_NO_HDR_VER)
        )


class IsalDecoder:
    """Reads the header of a member, then lets isal decode the rest.

    isal itself reports long optional fields of a header as damage. It verifies the checksum and the
    length at the end.
    """

    def __init__(self, body: Decoder) -> None:
        self._body = body
        self._header: bytearray | None = bytearray()

    @property
    def eof(self) -> bool:
        return self._body.eof

    @property
    def needs_input(self) -> bool:
        return self._header is not None or self._body.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._body.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        if self._header is None:
            return self._body.decompress(data, max_length)
        self._header += data
        end = header_end(self._header)
        if end is None:
            if len(self._header) > LONGEST_HEADER:
                raise ValueError(f"its header has more than {LONGEST_HEADER:,} bytes")
            return b""
        data, self._header = bytes(self._header[end:]), None
        return self._body.decompress(data, max_length)


def header_end(data: bytes | bytearray) -> int | None:
    """Return where the header of a member ends (RFC 1952, 2.3), or ``None`` if it is incomplete.

    Raises ``ValueError`` for an invalid header.
    """
    if len(data) < 10:
        return None
    method, flags, at = data[2], data[3], 10
    if method != _DEFLATE or flags & _RESERVED:
        raise ValueError("its header has an unknown method or flag")
    if flags & _FEXTRA:
        at += 2 + _number(data[at : at + 2]) if len(data) >= at + 2 else 2
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            if (zero := data.find(b"\0", at)) < 0:
                return None
            at = zero + 1
    if flags & _FHCRC:
        if len(data) >= at + 2 and zlib.crc32(data[:at]) & 0xFFFF != _number(data[at : at + 2]):
            raise ValueError("the checksum of its header is wrong")
        at += 2
    return at if len(data) >= at else None


def _number(data: bytes | bytearray) -> int:
    return int.from_bytes(data, "little")


class ZlibDecoder:
    """The standard library's decoder of gzip, with the interface of ``Decoder``."""

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
