"""Skippable frames, which hold no text: zstd and lz4 both have them (RFC 8878, 3.1.2)."""

from __future__ import annotations


def behind_skippable(data: bytes) -> bytes:
    """Return the bytes behind the skippable frames at the beginning."""
    while is_skippable(data):
        data = data[8 + int.from_bytes(data[4:8], "little") :]
    return data


def is_skippable(data: bytes) -> bool:
    """Return whether data begin with a skippable frame."""
    return data[1:4] == b"\x2a\x4d\x18" and 0x50 <= data[0] <= 0x5F
