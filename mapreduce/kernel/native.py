"""The native kernel's Python side: the same interface as the pure one, and packed counts.

The hash of each table is seeded with random bytes, because a log is written by attackers too.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, overload

from mapreduce.kernel import _native
from mapreduce.kernel._pure import Scan, check_columns
from mapreduce.outputs.table import ROWS, Row, rows_of

SEED_SIZE: Final = 32
UNIT: Final = 16
"""Bytes of which a packed key takes a multiple (_table.h)."""


variants = _native.variants


@dataclass(frozen=True, slots=True)
class PackedCounts:
    """Counts as bytes that are merged without one Python object for each key."""

    data: bytes

    @classmethod
    def of(cls, counts: Mapping[bytes, int]) -> PackedCounts:
        """Pack counts of any origin, without weights."""
        head = struct.pack("=QQQ", len(counts), sum(counts.values()) & (1 << 64) - 1, 0)
        return cls(head + b"".join(map(_record, counts, counts.values())))

    def __len__(self) -> int:
        return int.from_bytes(self.data[:8], sys.byteorder)

    def total(self) -> int:
        """Return the sum of all counts."""
        return int.from_bytes(self.data[8:16], sys.byteorder)

    def merge(self, other: PackedCounts, /) -> PackedCounts:
        return PackedCounts(_native.merge(self.data, other.data, os.urandom(SEED_SIZE)))

    def columns(self) -> list[dict[bytes, int]]:
        """Return the counts, then each sum, as dictionaries of the same keys."""
        return _native.unpack(self.data)

    def ranked(self, delimiter: bytes | None, top: int | None) -> Ranking:
        return Ranking(self.data, delimiter, len(self) if top is None else min(top, len(self)))


class Ranking(Sequence[Row]):
    """Packed counts as rows, the most frequent first; only what is looked at becomes objects."""

    def __init__(self, packed: bytes, delimiter: bytes | None, top: int) -> None:
        self._ranking = _native.Ranking(packed, top)
        self._delimiter = delimiter

    def __len__(self) -> int:
        return len(self._ranking)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        wanted = range(len(self))[index]
        if isinstance(wanted, int):
            return rows_of(self._ranking.items(wanted, wanted + 1), self._delimiter)[0]
        if wanted.step != 1:
            return [self[number] for number in wanted]
        stop = max(wanted.start, wanted.stop)
        return rows_of(self._ranking.items(wanted.start, stop), self._delimiter)

    def csv(self) -> Iterator[bytes]:
        """Yield the rows as CSV, some at a time."""
        delimiter = -1 if self._delimiter is None else self._delimiter[0]
        for start in range(0, len(self), ROWS):
            yield self._ranking.csv(start, min(start + ROWS, len(self)), delimiter)


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
        weights: Sequence[int] = (),
        *,
        variant: str,
    ) -> None:
        check_columns(delimiter, fields, width, weights)
        chosen, weighed, seed = tuple(fields), tuple(weights), os.urandom(SEED_SIZE)
        self._table = _native.FieldTable(delimiter, chosen, width or 0, weighed, variant, seed)

    def scan(self, block: memoryview, fresh: bool = True, /) -> Scan:
        return Scan(*self._table.scan(block, fresh))

    def forget(self, keys: list[bytes], /) -> list[int]:
        return self._table.forget(keys)

    def drain(self) -> PackedCounts:
        return PackedCounts(self._table.drain())
