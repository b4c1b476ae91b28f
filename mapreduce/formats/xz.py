"""Read xz (specification: "The .xz File Format")."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from mapreduce.formats.compressed import Compressed, Decoder


class Xz(Compressed):
    """Streams of xz. Zero bytes may follow each stream."""

    name: ClassVar[str] = "xz"  # type: ignore[misc]

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith(b"\xfd7zXZ\0")

    def decoder(self) -> Callable[[], Decoder]:
        from lzma import LZMADecompressor  # noqa: PLC0415 - most runs do not need it

        return LZMADecompressor
