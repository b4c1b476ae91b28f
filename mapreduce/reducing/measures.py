"""What is kept of the values of each key, besides the number of its lines.

A measure reads the values of lines and merges two of them into one. Splits end in any order, so
``merge`` must be associative and commutative.

>>> Largest().merge(3, 8)
8
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

MOST_DIGITS: Final = 1000
"""A longer number is refused: Python's own reader of integers gives up at 4,300 digits."""


class Measure:
    """Subclass this for a measure of your own; make it a frozen dataclass if it has settings."""

    name: str = ""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def merge(self, left: Any, right: Any, /) -> Any:
        """Return one value for two values of the same key."""
        raise NotImplementedError(f"{type(self).__name__} needs a method merge")


@dataclass(frozen=True)
class Sum(Measure):
    """The exact sum of integers of any size.

    ``name`` is the field's name in messages. A text in ``absent`` stands for no value and adds 0.
    Only a ``signed`` value may begin with a minus.
    """

    name: str = ""
    absent: tuple[bytes, ...] = ()
    signed: bool = True

    def merge(self, left: Any, right: Any, /) -> Any:
        return left + right

    def read(self, text: bytes) -> int | None:
        """Return the integer that a text writes in ASCII digits, or ``None`` if it is none."""
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
