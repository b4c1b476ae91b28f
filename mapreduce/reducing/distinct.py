"""The number of distinct values: exact up to a bound, and beyond it an estimate of known error.

Beyond the bound the values are a sketch, HyperLogLog: each value is hashed to 64 bits. The first
bits choose one of ``REGISTERS`` registers, which keeps the largest number of the first 1-bit among
the others. So a register is a maximum, and any order of merging gives the same sketch.

Sources: P. Flajolet, É. Fusy, O. Gandouet and F. Meunier, "HyperLogLog" (2007); the estimate is
Algorithm 6 of O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
which needs no table and has no bias in any range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from math import log, sqrt
from typing import Any, Final

from mapreduce.reducing.field_measures import FieldMeasure

EXACT: Final = 10_000
"""The most distinct values of a key that are kept themselves."""
INDEX_BITS: Final = 14
REGISTERS: Final = 1 << INDEX_BITS
HASH_BITS: Final = 64
ERROR: Final = 0.0081
"""The standard error of an estimate: 1.04 by the square root of the number of registers."""


class Distinct(FieldMeasure):
    """The number of distinct texts of a field.

    It is exact up to 10,000. A higher number is an estimate with a standard error of 0.81 %: two in
    three are nearer to the truth than that, and 19 in 20 nearer than twice that.
    """

    refuses = False

    def of(self, text: bytes, _count: int, /) -> Any:
        return frozenset((text,))

    def gather(self, texts: Iterable[tuple[bytes, int]], /) -> Any:
        return _bounded(frozenset(text for text, _count in texts))

    def merge(self, left: Any, right: Any, /) -> Any:
        if isinstance(left, frozenset) and isinstance(right, frozenset):
            return _bounded(left | right)
        if isinstance(left, frozenset):
            left, right = right, left
        if isinstance(right, frozenset):
            return sketch(right, left)
        return bytes(map(max, left, right))

    def show(self, value: Any, /) -> Any:
        return 0 if value is None else self.show_present(value)

    def show_present(self, value: Any, /) -> Any:
        if isinstance(value, frozenset):
            return len(value)
        return max(EXACT + 1, round(estimate(value)))

    def rank_present(self, value: Any, /) -> Any:
        return self.show_present(value)

    def note(self, values: Iterable[Any], /) -> str:
        number = sum(isinstance(value, bytes) for value in values)
        return (
            f"{self.title}: {number:,} numbers above {EXACT:,} are estimates, with a standard "
            f"error of {ERROR:.2%}"
            if number
            else ""
        )


def _bounded(values: frozenset[bytes]) -> frozenset[bytes] | bytes:
    """Return values as they are, or as a sketch if there are too many."""
    return values if len(values) <= EXACT else sketch(values)


def sketch(values: Iterable[bytes], known: bytes = bytes(REGISTERS)) -> bytes:
    """Return the registers of values and of what is known, a byte for each register."""
    registers = bytearray(known)
    for value in values:
        hashed = int.from_bytes(blake2b(value, digest_size=HASH_BITS // 8).digest())
        index = hashed >> (HASH_BITS - INDEX_BITS)
        rest = hashed & ((1 << (HASH_BITS - INDEX_BITS)) - 1)
        first = HASH_BITS - INDEX_BITS - rest.bit_length() + 1
        registers[index] = max(registers[index], first)
    return bytes(registers)


def estimate(registers: bytes) -> float:
    """Return about how many distinct values a sketch has seen.

    >>> round(estimate(sketch(str(number).encode() for number in range(1000))), -2)
    1000.0
    """
    most = HASH_BITS - INDEX_BITS
    having = Counter(registers)
    scaled = REGISTERS * _full(1 - having[most + 1] / REGISTERS)
    for value in range(most, 0, -1):
        scaled = 0.5 * (scaled + having[value])
    scaled += REGISTERS * _empty(having[0] / REGISTERS)
    return REGISTERS * REGISTERS / (2 * log(2) * scaled)


def _empty(share: float) -> float:
    """Return Ertl's sigma: what registers that are still 0 add."""
    if share == 1:
        return float("inf")
    power, total, before = 1.0, share, -1.0
    while total != before:
        share, before = share * share, total
        total, power = total + share * power, 2 * power
    return total


def _full(share: float) -> float:
    """Return Ertl's tau: what registers that cannot become higher add."""
    if share in (0, 1):
        return 0.0
    power, total, before = 1.0, 1 - share, -1.0
    while total != before:
        share, before, power = sqrt(share), total, 0.5 * power
        total -= (1 - share) ** 2 * power
    return total / 3
