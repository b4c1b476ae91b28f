"""Counts by key: a Counter or, on their way between processes, packed bytes.

The parent passes packed counts from worker to worker without a look. The native kernel packs its
own table and merges what it has packed without one Python object for each key; a Counter that a
job has made itself is pickled.
"""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias


class Packed(Protocol):
    """Counts as bytes."""

    def unpack(self) -> Counter[bytes]:
        """Return them as a new Counter."""

    def merge(self, other: Any, /) -> Packed:
        """Return the sum of both, which are packed in the same way."""


Counts: TypeAlias = Counter[bytes] | Packed


@dataclass(frozen=True, slots=True)
class PickledCounts:
    """A Counter as bytes."""

    data: bytes

    @classmethod
    def of(cls, counts: Counter[bytes]) -> PickledCounts:
        return cls(pickle.dumps(counts, protocol=5))

    def unpack(self) -> Counter[bytes]:
        return pickle.loads(self.data)  # type: ignore[no-any-return]  # noqa: S301 - this run's own

    def merge(self, other: PickledCounts, /) -> PickledCounts:
        return self.of(_add(self.unpack(), other.unpack()))


def pack(counts: Counts) -> Packed:
    """Return counts ready to travel."""
    return PickledCounts.of(counts) if isinstance(counts, Counter) else counts


def unpack(counts: Counts) -> Counter[bytes]:
    """Return counts as a Counter: a new one or, where they are one, that very one."""
    return counts if isinstance(counts, Counter) else counts.unpack()


def merge(left: Counts, right: Counts) -> Counts:
    """Return the sum of both; a Counter among them is used up."""
    if isinstance(left, Counter) or type(left) is not type(right):
        return _add(unpack(left), unpack(right))
    return left.merge(right)


def _add(left: Counter[bytes], right: Counter[bytes]) -> Counter[bytes]:
    large, small = sorted((left, right), key=len, reverse=True)
    large.update(small)
    return large
