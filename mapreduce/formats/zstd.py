"""zstd (RFC 8878): its frames may hold text, or nothing that is to be read (skippable frames)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from mapreduce.errors import UsageError, install_hint
from mapreduce.formats.compressed import Compressed, Decoder

_FRAME: Final = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Zstd(Compressed):
    """Frames of zstd. What may stand behind them is a skippable frame, and no padding."""

    name: ClassVar[str] = "zstd"  # type: ignore[misc]
    padding: ClassVar[bytes] = b""

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith(_FRAME)

    def is_member(self, data: bytes, /) -> bool:
        return data.startswith(_FRAME[:2]) or is_skippable(data)

    def decoder(self) -> Callable[[], Decoder]:
        try:
            if sys.version_info >= (3, 14):
                from compression import zstd  # noqa: PLC0415
            else:
                from backports import zstd  # noqa: PLC0415 - the same for older ones, and optional
        except ImportError as error:
            raise UsageError(
                f"zstd needs one more package: {install_hint('codecs')}, "
                "or decompress it first: zstd -dc FILE | mapreduce JOB -"
            ) from error
        return zstd.ZstdDecompressor


def is_skippable(data: bytes) -> bool:
    """Return whether a frame begins so that holds no text."""
    return len(data) > 1 and 0x50 <= data[0] <= 0x5F and data[1] == 0x2A
