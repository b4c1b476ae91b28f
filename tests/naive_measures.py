"""The oracle of measures: what fields hold by key, found in the plainest way.

It shares no code with the project.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any

EXACT = Context(prec=200)


def measure_rows(
    rows: Iterable[Sequence[str]],
    key: Sequence[int],
    asked: Sequence[tuple[str, int]],
    absent: Sequence[str] = ("", "-"),
) -> tuple[dict[tuple[str, ...], tuple[Any, ...]], int]:
    """Return count and measures by key, and the number of malformed rows.

    Each thing that is ``asked`` is a word (min, max, mean or distinct) and the place of a field.
    A row with a text that is no number where a number is measured is malformed.
    """
    held = defaultdict[tuple[str, ...], list[Sequence[str]]](list)
    malformed = 0
    for row in rows:
        texts = [row[place] for word, place in asked if word != "distinct"]
        if all(text in absent or is_number(text) for text in texts):
            held[tuple(row[place] for place in key)].append(row)
        else:
            malformed += 1
    found = {
        one: (
            len(its),
            *(answer(word, [row[place] for row in its], absent) for word, place in asked),
        )
        for one, its in held.items()
    }
    return found, malformed


def answer(word: str, texts: Sequence[str], absent: Sequence[str]) -> Any:
    """Return one measure of all texts of a key; an empty text if there is nothing to measure."""
    there = [text for text in texts if text not in absent]
    if word == "distinct":
        return len(set(there))
    if not there:
        return ""
    numbers = sorted(map(Decimal, there))
    if word == "mean":
        total = Decimal(0)
        for number in numbers:
            total = EXACT.add(total, number)
        mean = EXACT.divide(total, Decimal(len(numbers)))
        return EXACT.quantize(mean, Decimal("0.000001"))
    return numbers[0] if word == "min" else numbers[-1]


def is_number(text: str) -> bool:
    """Return whether a text is a number with or without a point and an exponent."""
    return bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?", text))


def same(shown: Any, wanted: Any) -> bool:
    """Return whether what a table shows is exactly the number, or the empty text."""
    if wanted == "" or shown == "":
        return bool(shown == wanted)
    return Decimal(str(shown)) == Decimal(wanted)
