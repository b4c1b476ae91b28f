"""Read numbers exactly, and show them exactly.

A number is an ``int``, or a ``Fraction`` if it is not whole. Neither is ever rounded.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

from mapreduce.reducing.measures import MOST_DIGITS

_DECIMAL: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")

Number: TypeAlias = int | Fraction


def read_number(text: bytes) -> Number | None:
    """Return the number that a text writes in ASCII digits, or ``None`` for any other text.

    >>> read_number(b"-12"), read_number(b"1.50"), read_number(b"2e3"), read_number(b"1,5")
    (-12, Fraction(3, 2), 2000, None)
    """
    if len(text) > MOST_DIGITS:
        return None
    if text.isdigit():
        return int(text)
    if not _DECIMAL.fullmatch(text):
        return None
    exact = Fraction(Decimal(text.decode()))
    return exact.numerator if exact.denominator == 1 else exact


def show_number(number: Number) -> int | float | str:
    """Return a number with a finite decimal form so that it is written with all its digits.

    It is a ``float`` if Python writes this ``float`` with the same digits, and else a text.

    >>> show_number(Fraction(3, 2)), show_number(Fraction(-(10**17) - 1, 10))
    (1.5, '-10000000000000000.1')
    """
    digits, whole = 0, Fraction(number)
    while whole.denominator != 1:
        digits, whole = digits + 1, whole * 10
    if not digits:
        return int(whole)
    figures = str(abs(whole.numerator)).rjust(digits + 1, "0")
    text = f"{'-' * (number < 0)}{figures[:-digits]}.{figures[-digits:]}"
    return float(text) if repr(float(text)) == text else text
