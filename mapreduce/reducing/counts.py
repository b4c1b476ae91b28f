"""Counts by key: a Counter or, on their way between processes and with sums, packed bytes.

The parent passes packed counts from worker to worker without a look. The native kernel packs its
own table and merges what it has packed without one Python object for each key; a Counter that a
job has made itself is pickled.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from mapreduce.outputs.table import Row


class Packed(Protocol):
    """Counts as bytes."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    def __len__(self) -> int:
        """Return the number of keys."""

    def total(self) -> int:
        """Return the sum of all counts."""

    def unpack(self) -> Counter[bytes]:
        """Return them as a new Counter."""

    def columns(self) -> list[Counter[bytes]]:
        """See ``columns``."""

    def merge(self, other: Any, /) -> Packed:
        """Return the sum of both, which are packed in the same way."""

    def ranked(self, delimiter: bytes | None, top: int | None) -> Sequence[Row]:
        """See ``ranked``."""


Counts: TypeAlias = Counter[bytes] | Packed


@dataclass(frozen=True, slots=True)
class PickledCounts:
    """Counters of the same keys as bytes: the counts, then the sums of each weight."""

    data: bytes
    keys: int
    counted: int

    @classmethod
    def of(cls, columns: Sequence[Counter[bytes]]) -> PickledCounts:
        counts = columns[0]
        return cls(pickle.dumps([*columns], protocol=5), len(counts), counts.total())

    def __len__(self) -> int:
        return self.keys

    def total(self) -> int:
        return self.counted

    def unpack(self) -> Counter[bytes]:
        return self.columns()[0]

    def columns(self) -> list[Counter[bytes]]:
        return pickle.loads(self.data)  # type: ignore[no-any-return]  # noqa: S301 - this run's own

    def merge(self, other: PickledCounts, /) -> PickledCounts:
        return self.of([*map(_add, self.columns(), other.columns())])

    def ranked(self, delimiter: bytes | None, top: int | None) -> Sequence[Row]:
        return ranked(self.unpack(), delimiter, top)


def pack(counts: Counts) -> Packed:
    """Return counts ready to travel."""
    return PickledCounts.of([counts]) if isinstance(counts, Counter) else counts


def unpack(counts: Counts) -> Counter[bytes]:
    """Return counts as a Counter: a new one or, where they are one, that very one."""
    return counts if isinstance(counts, Counter) else counts.unpack()


def columns(counts: Counts) -> list[Counter[bytes]]:
    """Return the counts and the sums of each weight, all of the same keys in the same order."""
    return [counts] if isinstance(counts, Counter) else counts.columns()


def merge(left: Counts, right: Counts) -> Counts:
    """Return the sum of both; a Counter among them is used up."""
    if not left or not right:
        return left or right
    if isinstance(left, Counter) and isinstance(right, Counter):
        return _add(left, right)
    if type(left) is type(right):
        return left.merge(right)  # type: ignore[union-attr]  # a Counter has left above
    pairs = zip(columns(left), columns(right), strict=True)  # of two kinds of mappers
    return PickledCounts.of([_add(one, two) for one, two in pairs])


def _add(left: Counter[bytes], right: Counter[bytes]) -> Counter[bytes]:
    large, small = sorted((left, right), key=len, reverse=True)
    large.update(small)
    return large


def ranked(counts: Counts, delimiter: bytes | None = None, top: int | None = None) -> Sequence[Row]:
    """Return rows of a key and its count, the highest first, equal ones by the bytes of the key.

    Only the first ``top``; a key is cut into columns at ``delimiter``. Bytes that are not UTF-8
    become surrogate escapes.
    """
    if not isinstance(counts, Counter):
        return counts.ranked(delimiter, top)
    keys = sorted(sorted(counts), key=counts.__getitem__, reverse=True)[:top]  # stable
    return rows_of(((key, counts[key]) for key in keys), delimiter)


def rows_of(items: Iterable[tuple[bytes, int]], delimiter: bytes | None) -> list[Row]:
    """Return keys and counts as rows."""
    if delimiter is None:
        return [(_text(key), count) for key, count in items]
    return [(*map(_text, key.split(delimiter)), count) for key, count in items]


def _text(key: bytes) -> str:
    return key.decode(errors="surrogateescape")
