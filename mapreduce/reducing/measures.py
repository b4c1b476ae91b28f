"""Measures: what is kept for each key in addition to the number of its lines.

A measure reads the values of lines and merges two values into one. Splits finish in any order, so
``merge`` must be associative and commutative. ``check_measure`` tests that.

>>> Sum().merge(3, 8)
11
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

ABSENT: Final = (b"", b"-")
"""Texts that mean a missing value."""
MOST_DIGITS: Final = 1000
"""Longer numbers are refused, because Python itself converts at most 4,300 digits."""


class Measure:
    """Subclass this to write a measure; make it a frozen dataclass if it has settings."""

    name: str = ""
    nothing: Any = ""
    """The value of no lines at all."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @property
    def title(self) -> str:
        """The title of the column that shows the values."""
        return self.name

    def merge(self, left: Any, right: Any, /) -> Any:
        """Return one value for two values of one key."""
        raise NotImplementedError(f"{type(self).__name__} needs a method merge")

    def join(self, left: Any, right: Any, /) -> Any:
        """Merge two values, either of which may be missing if the measure knows missing values."""
        return self.merge(left, right)

    def show(self, value: Any, /) -> Any:
        """Return what a table shows of a value: text or a number."""
        return value

    def rank(self, value: Any, /) -> Any:
        """Return what rows are ordered by if they are ordered by this measure."""
        return value

    def note(self, _values: Iterable[Any], /) -> str:
        """Return what the user should know about the values of a table, or an empty text."""
        return ""


@dataclass(frozen=True)
class Sum(Measure):
    """The exact sum of integers of any size.

    ``name`` names the field in messages. The texts in ``absent`` mean a missing value and add 0.
    Only a ``signed`` value may begin with a minus sign.
    """

    name: str = ""
    absent: tuple[bytes, ...] = ()
    signed: bool = True

    nothing = 0

    @property
    def title(self) -> str:
        return f"Sum({self.name})"

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
