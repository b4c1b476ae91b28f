"""Measures of fields: the kernel counts the texts of a field, and each distinct one is read once.

>>> Largest().merge(3, 8)
8
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, Final

from mapreduce.errors import Malformed
from mapreduce.reducing.measures import ABSENT, Measure
from mapreduce.reducing.numbers import Number, read_number, show_number

MEAN_DIGITS: Final = 6
"""The most digits behind the point of a mean that is shown."""


@dataclass(frozen=True)
class FieldMeasure(Measure):
    """The base of measures of a ``field``, by its name or number: each distinct text is read once.

    A subclass defines ``of`` and ``merge``. A text in ``absent`` is a missing value, and is not
    measured. If a key has no value at all, its cell is empty.
    """

    field: int | str = ""
    absent: tuple[bytes, ...] = ABSENT

    nothing = None
    refuses = True
    """Whether there are texts that ``of`` refuses; if not, raw keys need not be looked at."""
    word = ""
    """What is measured, for the title."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name of the field in messages."""
        return self.field if isinstance(self.field, str) else f"Field{self.field}"

    @property
    def title(self) -> str:
        return f"{self.word or type(self).__name__}({self.name})"

    def of(self, text: bytes, count: int, /) -> Any:
        """Return the value of ``count`` lines with this text. Raises ``Malformed`` to refuse it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method of")

    def check(self, text: bytes, /) -> None:
        """Raise ``Malformed`` for a text that cannot be measured."""
        if text not in self.absent:
            self.of(text, 1)

    def gather(self, texts: Iterable[tuple[bytes, int]], /) -> Any:
        """Return the value of texts with the numbers of their lines; there is at least one."""
        return reduce(self.merge, [self.of(text, count) for text, count in texts])

    def value_of(self, texts: Iterable[tuple[bytes, int]]) -> Any:
        """Return the value of texts with the numbers of their lines; ``None`` if all are absent."""
        present = [pair for pair in texts if pair[0] not in self.absent]
        return self.gather(present) if present else None

    def join(self, left: Any, right: Any, /) -> Any:
        if left is None or right is None:
            return right if left is None else left
        return self.merge(left, right)

    def show(self, value: Any, /) -> Any:
        return "" if value is None else self.show_present(value)

    def show_present(self, value: Any, /) -> Any:
        """Return what a table shows of a value that is not missing; a number is exact."""
        return show_number(value) if isinstance(value, Fraction) else value

    def rank(self, value: Any, /) -> Any:
        return (0, 0) if value is None else (1, self.rank_present(value))

    def rank_present(self, value: Any, /) -> Any:
        """Return what orders rows; a missing value is below all others."""
        return value

    def number(self, text: bytes) -> Number:
        """Return the number that a text writes. Raises ``Malformed`` if it writes none."""
        number = read_number(text)
        if number is None:
            shown = repr(text[:20])[1:] + ("..." if len(text) > 20 else "")
            raise Malformed(f"{self.name} {shown} is not a number")
        return number


class _Extreme(FieldMeasure):
    """The smallest or the largest of all values; those of a field are numbers."""

    def of(self, text: bytes, _count: int, /) -> Any:
        return self.number(text)


class Smallest(_Extreme):
    """The smallest of all values; those of a field are exact numbers."""

    word = "Min"

    def merge(self, left: Any, right: Any, /) -> Any:
        return min(left, right)


class Largest(_Extreme):
    """The largest of all values; those of a field are exact numbers."""

    word = "Max"

    def merge(self, left: Any, right: Any, /) -> Any:
        return max(left, right)


class Mean(FieldMeasure):
    """The mean of the numbers of a field: the exact sum by the number of values.

    It is shown with at most six digits behind the point; half a digit is rounded to an even one.

    >>> mean = Mean("size")
    >>> mean.show(mean.merge(mean.of(b"0.1", 2), mean.of(b"2", 1)))
    0.733333
    """

    def of(self, text: bytes, count: int, /) -> Any:
        return self.number(text) * count, count

    def merge(self, left: Any, right: Any, /) -> Any:
        return left[0] + right[0], left[1] + right[1]

    def show_present(self, value: Any, /) -> Any:
        total, count = value
        return show_number(round(Fraction(total) / count, MEAN_DIGITS))

    def rank_present(self, value: Any, /) -> Any:
        total, count = value
        return Fraction(total) / count
