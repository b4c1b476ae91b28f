"""A format: text that zlib has compressed (RFC 1950), as ``pigz -z`` writes it.

The engine refuses such files by name. To read them, put this file into ``mapreduce/formats`` and
the row ``(b"x", Zlib)`` into ``FORMATS`` in ``mapreduce/formats/table.py``: these files begin with
``x``.
"""

import zlib
from collections.abc import Callable
from typing import ClassVar

from mapreduce.formats.compressed import Compressed, Decoder


class Zlib(Compressed):
    """zlib. The base class does the rest: a codec says how its data begins and what decodes it."""

    name: ClassVar[str] = "zlib"  # type: ignore[misc]

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith((b"x\x01", b"x\x9c", b"x\xda"))

    def decoder(self) -> Callable[[], Decoder]:
        return ZlibDecoder


class ZlibDecoder:
    """Decodes one stream of zlib; the interface is that of ``bz2.BZ2Decompressor``."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max(max_length, 0))
