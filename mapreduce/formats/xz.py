"""xz (its specification, "The .xz File Format")."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from mapreduce.formats.compressed import Compressed, Decoder


class Xz(Compressed):
    """Streams of xz; zeros may stand behind each of them."""

    name: ClassVar[str] = "xz"  # type: ignore[misc]
    begins: ClassVar[bytes | None] = b"\xfd"

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith(b"\xfd7zXZ\0")

    def decoder(self) -> Callable[[], Decoder]:
        from lzma import LZMADecompressor  # noqa: PLC0415 - only where it is needed

        return LZMADecompressor
