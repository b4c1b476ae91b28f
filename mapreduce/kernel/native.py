"""The Python side of the native kernel: the interface of the pure kernel, and packed counts.

The hash of each table is seeded with random bytes: an attacker can write lines into a log, but
cannot choose keys that collide.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, overload

import mapreduce.kernel._native as _native  # noqa: PLR0402 - "from" would hide that it is not built
from mapreduce.kernel._pure import NOTHING, Expected, Scan, check_columns, key_too_long
from mapreduce.kernel._pure_keys import Added
from mapreduce.outputs.table import ROWS, Row, rows_of

SEED_SIZE: Final = 32
UNIT: Final = 16
"""A packed key is padded to a multiple of this many bytes (_table.h)."""

variants = _native.variants
has_byte = _native.has_byte


def find_lines(
    block: memoryview,
    delimiter: bytes,
    *,
    widths: Sequence[int] = (),
    words: Collection[bytes] = (),
    before: int = 0,
) -> list[int]:
    """Do what ``_pure_finding.find_lines`` does, in C."""
    return _native.find_lines(block, delimiter[0], before, tuple(widths), b" ".join(words))


class PackedCounts:
    """Counts packed into bytes; they are merged without making a Python object of each key."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data: Final = data

    @classmethod
    def of(cls, counts: Mapping[bytes, int]) -> PackedCounts:
        """Pack a mapping of counts, without sums."""
        head = struct.pack("=QQQ", len(counts), sum(counts.values()) & (1 << 64) - 1, 0)
        return cls(head + b"".join(map(_record, counts, counts.values())))

    def __len__(self) -> int:
        return int.from_bytes(self.data[:8], sys.byteorder)

    def total(self) -> int:
        """Return the sum of all counts."""
        return int.from_bytes(self.data[8:16], sys.byteorder)

    def sums(self) -> list[int]:
        """Return the sum of all counts, then the sum of each sum."""
        return [self.total(), *_native.sums(self.data)]

    def merge(self, other: PackedCounts, /) -> PackedCounts:
        return PackedCounts(_native.merge(self.data, other.data, os.urandom(SEED_SIZE)))

    def columns(self) -> list[dict[bytes, int]]:
        """Return the counts, then each sum, as dictionaries of the same keys."""
        return _native.unpack(self.data)

    def ranked(
        self,
        delimiter: bytes | None,
        top: int | None,
        by: int | None = 0,
        descending: bool = True,
    ) -> Ranking:
        most = len(self) if top is None else min(top, len(self))
        number = -1 if by is None else by
        return Ranking(_native.Ranking(self.data, most, number, descending), delimiter)


class Ranking(Sequence[Row]):
    """Packed counts as rows in an order; reading a row makes a tuple of it."""

    def __init__(self, ranking: _native.Ranking, delimiter: bytes | None) -> None:
        self._ranking = ranking
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
    if len(key) > _native.LONGEST_KEY:
        raise key_too_long(_native.LONGEST_KEY)
    padding = bytes(-len(key) % UNIT if key else UNIT)
    return struct.pack("=QII", count, 0, len(key)) + key + padding


class NativeTable:
    """What all tables in C share; ``_table`` is the C object."""

    _table: Any

    def forget(self, keys: list[bytes], /) -> list[int]:
        counts: list[int] = self._table.forget(keys)
        return counts

    def drain(self) -> PackedCounts:
        return PackedCounts(self._table.drain())


class LineTable(NativeTable):
    """A table that finds the keys of lines itself."""

    def scan(self, block: memoryview, fresh: int = True, /) -> Scan:
        try:
            return Scan(*self._table.scan(block, fresh))
        except OverflowError as error:
            raise key_too_long(_native.LONGEST_KEY) from error


class FieldTable(LineTable):
    """The same as ``_pure.FieldTable``, in C; ``variant`` names the instruction set to use."""

    def __init__(
        self,
        delimiter: bytes,
        fields: Sequence[int],
        width: int | None = None,
        weights: Sequence[int] = (),
        expected: Expected = NOTHING,
        *,
        variant: str,
    ) -> None:
        check_columns(delimiter, fields, width, weights, expected)
        chosen, weighed, seed = tuple(map(abs, fields)), tuple(weights), os.urandom(SEED_SIZE)
        to_end = fields[-1] < 0
        self._table = _native.FieldTable(
            delimiter, chosen, to_end, width or 0, weighed, expected, variant, seed
        )


class KeyTable(NativeTable):
    """The same as ``_pure_keys.KeyTable``, in C; ``variant`` names the instruction set to use."""

    def __init__(self, *, variant: str) -> None:
        self._table = _native.KeyTable(variant, os.urandom(SEED_SIZE))

    def add(self, found: list[Any], columns: int = 0, fresh: bool = True, /) -> Added:
        try:
            counted, _empty, _misshapen, new, known = self._table.add(found, columns, fresh)
        except OverflowError as error:
            raise key_too_long(_native.LONGEST_KEY) from error
        return Added(counted, new, known)

    def words(self, block: memoryview, fresh: bool = True, /) -> Scan:
        try:
            return Scan(*self._table.words(block, fresh))
        except OverflowError as error:
            raise key_too_long(_native.LONGEST_KEY) from error
