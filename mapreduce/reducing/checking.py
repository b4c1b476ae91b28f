"""Test that a measure of one's own merges to the same in any order."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import product
from typing import Any

from mapreduce.reducing.measures import Measure


def check_measure(measure: Measure, values: Sequence[Any]) -> None:
    """Test that merging some values gives the same in any order, as the engine needs it.

    All pairs and triples of the values are merged, so a dozen of them is enough. Raises
    ``ValueError`` for values that show the opposite, or that do not survive ``pickle``.

    >>> from mapreduce import Largest
    >>> check_measure(Largest(), [3, 8, 8, -1])
    """
    for value in values:
        if _copy(value) != value:
            raise ValueError(f"{value!r} is not the same after pickle")
    for left, right in product(values, repeat=2):
        one, other = _merged(measure, left, right), _merged(measure, right, left)
        if one != other:
            raise ValueError(
                f"{type(measure).__name__} is not commutative: {left!r} with {right!r} gives "
                f"{one!r}, and the other way round {other!r}"
            )
    for left, middle, right in product(values, repeat=3):
        one = _merged(measure, _merged(measure, left, middle), right)
        other = _merged(measure, left, _merged(measure, middle, right))
        if one != other:
            raise ValueError(
                f"{type(measure).__name__} is not associative: {left!r}, {middle!r} and {right!r} "
                f"give {one!r} if the first two are merged first, and else {other!r}"
            )


def _merged(measure: Measure, left: Any, right: Any) -> Any:
    """Merge copies, because ``merge`` may change the values that it is given."""
    return measure.merge(_copy(left), _copy(right))


def _copy(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - its own pickle
