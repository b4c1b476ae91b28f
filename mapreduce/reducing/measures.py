"""Measures: what is kept for each key in addition to the number of its lines.

A measure reads the values of lines and merges two values into one. Splits finish in any order, so
``merge`` must be associative and commutative.

>>> Largest().merge(3, 8)
8
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

MOST_DIGITS: Final = 1000
"""Longer numbers are refused, because Python itself converts at most 4,300 digits."""


class Measure:
    """Subclass this to write a measure; make it a frozen dataclass if it has settings."""

    name: str = ""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def merge(self, left: Any, right: Any, /) -> Any:
        """Return one value for two values of one key."""
        raise NotImplementedError(f"{type(self).__name__} needs a method merge")


@dataclass(frozen=True)
class Sum(Measure):
    """The exact sum of integers of any size.

    ``name`` names the field in messages. The texts in ``absent`` mean a missing value and add 0.
    Only a ``signed`` value may begin with a minus sign.
    """

    name: str = ""
    absent: tuple[bytes, ...] = ()
    signed: bool = True

    def merge(self, left: Any, right: Any, /) -> Any:
        return left + right

    def read(self, text: bytes) -> int | None:
        """Return the integer that ASCII digits represent, or ``None`` for any other text."""
        if text in self.absent:
            return 0
        digits = text.removeprefix(b"-") if self.signed else text
        if digits.isdigit() and len(text) <= MOST_DIGITS:
            return int(text)
        return None


class Smallest(Measure):
    """The smallest of all values."""

    def merge(self, left: Any, right: Any, /) -> Any:
        return min(left, right)


class Largest(Measure):
    """The largest of all values."""

    def merge(self, left: Any, right: Any, /) -> Any:
        return max(left, right)
