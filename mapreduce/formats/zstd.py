"""Read zstd (RFC 8878). Besides frames of text it may have skippable frames, which hold none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ClassVar, Final

from mapreduce.errors import UsageError, install_hint
from mapreduce.formats.compressed import Compressed, Decoder
from mapreduce.formats.skippable import behind_skippable, is_skippable

LARGEST_WINDOW: Final = 1 << 27
"""Bytes of the largest window that is accepted; the same as the default of ``zstd -d``."""

_FRAME: Final = b"\x28\xb5\x2f\xfd"
_SINGLE_SEGMENT: Final = 0x20
_ID_SIZES: Final = (0, 1, 2, 4)


class Zstd(Compressed):
    """Frames of zstd. Skippable frames may follow each frame, but no padding may."""

    name: ClassVar[str] = "zstd"  # type: ignore[misc]
    padding: ClassVar[bytes] = b""

    def recognises(self, head: bytes, /) -> bool:
        rest = behind_skippable(head)
        # the head may end before the first frame of text
        is_unclear = is_skippable(head) and len(rest) < len(_FRAME)
        return rest.startswith(_FRAME) or is_unclear

    def is_member(self, data: bytes, /) -> bool:
        return data.startswith(_FRAME) or is_skippable(data)

    def check_member(self, name: str, data: bytes, /) -> None:
        header = behind_skippable(data)
        if not header.startswith(_FRAME) or len(header) < 6:
            return
        if identity := _dictionary(header):
            raise UsageError(
                f"{name}: zstd: needs the dictionary {identity}; decompress it first: "
                "zstd -D DICTIONARY -dc FILE | mapreduce JOB -"
            )
        if (window := _window(header)) > LARGEST_WINDOW:
            raise UsageError(
                f"{name}: zstd: needs a window of {window:,} bytes, more than {LARGEST_WINDOW:,}; "
                "decompress it first: zstd --long=31 -dc FILE | mapreduce JOB -"
            )

    def decoder(self) -> Callable[[], Decoder]:
        try:
            if sys.version_info >= (3, 14):
                from compression import zstd  # noqa: PLC0415
            else:
                from backports import zstd  # noqa: PLC0415 - the same module, optional
        except ImportError as error:
            raise UsageError(
                f"zstd needs one more package: {install_hint('codecs')}, "
                "or decompress it first: zstd -dc FILE | mapreduce JOB -"
            ) from error
        return zstd.ZstdDecompressor


def _window(header: bytes) -> int:
    """Return the window size in bytes that a frame requires (RFC 8878, 3.1.1.1.2)."""
    if not header[4] & _SINGLE_SEGMENT:
        exponent, mantissa = header[5] >> 3, header[5] & 7
        return (8 + mantissa) << (7 + exponent)
    # a single segment: the window is as large as the text
    at, size = 5 + _ID_SIZES[header[4] & 3], 1 << (header[4] >> 6)
    return int.from_bytes(header[at : at + size], "little")


def _dictionary(header: bytes) -> int:
    """Return the number of the dictionary that a frame requires, or 0 if it requires none."""
    at = 5 if header[4] & _SINGLE_SEGMENT else 6
    return int.from_bytes(header[at : at + _ID_SIZES[header[4] & 3]], "little")
