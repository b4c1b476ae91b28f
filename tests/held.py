"""What a table has drained, for tests: as dictionaries, or merged with what another one has."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mapreduce import Sum, Totals

Held = Any
"""Packed counts, a list of dictionaries, or totals."""


def _totals(held: Held) -> Totals:
    if isinstance(held, Totals):
        return held
    sums = len(columns(held)) - 1
    return Totals(held, (Sum(),) * sums)


def columns(held: Held) -> list[Counter[bytes]]:
    """Return the counts, then each sum."""
    if isinstance(held, Totals):
        return [*map(Counter, held.columns())]
    return [*map(Counter, held if isinstance(held, list) else held.columns())]


def unpack(held: Held) -> Counter[bytes]:
    """Return the counts."""
    return columns(held)[0]


def merge(left: Held, right: Held) -> Totals:
    """Return the totals of both."""
    return _totals(left) + _totals(right)
