"""The native kernel's Python side: the same interface as the pure one, and packed counts.

The hash of each table is seeded with random bytes, because a log is written by attackers too.
"""

from __future__ import annotations

import os
import struct
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mapreduce.kernel import _native
from mapreduce.kernel._pure import Scan, check_columns

SEED_SIZE: Final = 32
UNIT: Final = 16
"""Bytes of which a packed key takes a multiple (_table.h)."""

LARGEST: Final = 2 << 30
"""Bytes of the largest split, half a second of work: each split costs a partial result."""
PAYS_FROM: Final = 512 << 20
"""Bytes of input from which a second process saves more than it costs (benchmarks/NOTES.md)."""

variants = _native.variants


@dataclass(frozen=True, slots=True)
class PackedCounts:
    """Counts as bytes that are merged without one Python object for each key."""

    data: bytes

    @classmethod
    def of(cls, counts: Mapping[bytes, int]) -> PackedCounts:
        """Pack counts of any origin."""
        head = struct.pack("=QQ", len(counts), sum(counts.values()) & (1 << 64) - 1)
        return cls(head + b"".join(map(_record, counts, counts.values())))

    def total(self) -> int:
        """Return the sum of all counts."""
        return int.from_bytes(self.data[8:16], sys.byteorder)

    def merge(self, other: PackedCounts, /) -> PackedCounts:
        return PackedCounts(_native.merge(self.data, other.data, os.urandom(SEED_SIZE)))

    def unpack(self) -> Counter[bytes]:
        return Counter(_native.unpack(self.data))


def _record(key: bytes, count: int) -> bytes:
    padding = bytes(-len(key) % UNIT if key else UNIT)
    return struct.pack("=QII", count, 0, len(key)) + key + padding


class FieldTable:
    """See the pure kernel's; ``variant`` names the instructions to use."""

    def __init__(
        self,
        delimiter: bytes,
        fields: Sequence[int],
        width: int | None = None,
        *,
        variant: str,
    ) -> None:
        check_columns(delimiter, fields, width)
        seed = os.urandom(SEED_SIZE)
        self._table = _native.FieldTable(delimiter, tuple(fields), width or 0, variant, seed)

    def scan(self, block: memoryview, fresh: bool = True, /) -> Scan:
        return Scan(*self._table.scan(block, fresh))

    def forget(self, keys: list[bytes], /) -> list[int]:
        return self._table.forget(keys)

    def drain(self) -> PackedCounts:
        return PackedCounts(self._table.drain())
