"""Totals: for each key the number of its lines and the values of the measures.

Mappers make totals, merges add them, and a job gets the final ones. Totals hold either dictionaries
or the packed bytes of the native kernel, which can merge and rank them without making a Python
object for each key. Callers need not know which.

>>> one = Totals.of({b"a": 2, b"b": 1})
>>> (one + Totals.of({b"b": 5})).rows()
[('b', 6), ('a', 2)]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple, TypeAlias, cast

from mapreduce.kernel import ODD, Packed
from mapreduce.outputs.table import Row, key_columns
from mapreduce.reducing.measures import Measure, Sum

Columns: TypeAlias = "list[dict[bytes, Any]]"


class Odd(NamedTuple):
    """How values that the kernel cannot add stand behind a key, after the byte ``ODD``.

    ``separator`` is the byte between two of them. A key without them has ``inside`` bytes ``ODD``.
    """

    separator: bytes
    inside: int = 0

    def cut(self, key: bytes) -> tuple[bytes, list[bytes]]:
        """Return a key without the values behind it, and these values, if there are any."""
        *fields, texts = key.split(ODD, self.inside + 1)
        if len(fields) <= self.inside:
            return key, []
        return ODD.join(fields), texts.split(self.separator)


class Order(NamedTuple):
    """What rows are ordered by: value 0 is the count, 1 the first measure, ``None`` the key.

    Rows with equal values are always in the ascending order of the bytes of their keys.
    """

    value: int | None = 0
    descending: bool = True

    def sort(self, columns: Sequence[Mapping[bytes, Any]]) -> list[bytes]:
        """Return the keys in this order."""
        if self.value is None:
            return sorted(columns[0], reverse=self.descending)
        value_of = columns[self.value].__getitem__
        return sorted(sorted(columns[0]), key=value_of, reverse=self.descending)


@dataclass(frozen=True)
class Totals:
    """The count and the values of the ``measures`` for each key.

    ``held`` is a list of dictionaries with the same keys, the counts first, or packed bytes. If
    ``odd`` is not ``None``, some keys are followed by values that the kernel cannot add;
    ``settled`` adds these. Adding two totals uses both up.
    """

    held: Packed | Columns
    measures: tuple[Measure, ...] = ()
    odd: Odd | None = None

    @classmethod
    def of(
        cls,
        counts: Mapping[bytes, int],
        *values: Mapping[bytes, Any],
        measures: Sequence[Measure] = (),
    ) -> Totals:
        """Make totals from the counts by key and, for each measure, the values of the same keys."""
        if len(values) != len(measures):
            raise ValueError(f"{len(values)} columns of values for {len(measures)} measures")
        return cls([dict(counts), *map(dict, values)], tuple(measures))

    def __len__(self) -> int:
        """Return the number of distinct keys."""
        return len(self.held[0]) if isinstance(self.held, list) else len(self.held)

    @property
    def counts(self) -> Counter[bytes]:
        """How often each key was counted: once for each line, or as often as its mapper gave it."""
        return Counter(self.columns()[0])

    @property
    def lines(self) -> int:
        """The number of counted lines, if each of them had one key."""
        return sum(self.held[0].values()) if isinstance(self.held, list) else self.held.total()

    @property
    def packed_size(self) -> int | None:
        """The bytes of the packed form, or ``None`` if these are dictionaries."""
        return None if isinstance(self.held, list) else len(self.held.data)

    def columns(self) -> list[dict[bytes, Any]]:
        """Return dictionaries of the same keys in the same order: the counts, then each measure."""
        return self.held if isinstance(self.held, list) else [*self.held.columns()]

    def __add__(self, other: Totals) -> Totals:
        """Return the totals of both. Raises ``ValueError`` if their measures differ."""
        if not len(self) or not len(other):
            return self if len(self) else other
        if self.measures != other.measures:
            raise ValueError(f"cannot merge measures {self.measures} and {other.measures}")
        if self.odd and other.odd and self.odd != other.odd:
            return self.settled() + other.settled()
        odd = self.odd or other.odd
        if not isinstance(self.held, list) and type(self.held) is type(other.held):
            return Totals(self.held.merge(other.held), self.measures, odd)
        return Totals(_merged(self.columns(), other.columns(), self.measures), self.measures, odd)

    def settled(self) -> Totals:
        """Return totals in which the values behind keys have been added as Python integers.

        The kernels add numbers of 1 to 19 digits. They append any other value to its key, so that
        a sum is exact at any size. The mapper has refused values that its measures cannot read.
        """
        if self.odd is None:
            return self
        columns, sums = self.columns(), cast("tuple[Sum, ...]", self.measures)
        for key in [key for key in columns[0] if key.count(ODD) > self.odd.inside]:
            lines, *values = [column.pop(key) for column in columns]
            plain, texts = self.odd.cut(key)
            columns[0][plain] = columns[0].get(plain, 0) + lines
            readings = zip(columns[1:], sums, values, texts, strict=True)
            for column, measure, value, text in readings:
                more = value + lines * (measure.read(text) or 0)
                column[plain] = measure.merge(column.get(plain, 0), more)
        return replace(self, held=columns, odd=None)

    def rows(
        self,
        *,
        split_at: bytes | None = None,
        top: int | None = None,
        columns: Sequence[int] | None = None,
        order: Order | None = None,
    ) -> Sequence[Row]:
        """Return a row for each key: the key, then its count and measures, highest count first.

        The byte ``split_at`` cuts the key into columns. ``columns`` chooses and orders the values:
        0 is the count, 1 the first measure. Without an ``order``, rows are ranked by the first of
        these values; rows with equal values are sorted by the bytes of the key. Only the first
        ``top`` rows are returned.
        Bytes that are not UTF-8 become surrogate escapes.
        """
        shown = range(1 + len(self.measures)) if columns is None else columns
        all_sums = [0, *range(1, 1 + len(self.measures))]
        order = order or Order(shown[0])
        if list(shown) == all_sums and self.odd is None and not isinstance(self.held, list):
            return self.held.ranked(split_at, top, *order)
        held = self.columns()
        chosen = [held[number] for number in shown]
        ranking = self.ranking(order)[:top]
        shows = [self.measures[number - 1].show if number else None for number in shown]
        values = [_shown(column, ranking, show) for column, show in zip(chosen, shows, strict=True)]
        return [
            (*key_columns(key, split_at), *row) for key, *row in zip(ranking, *values, strict=True)
        ]

    def ranking(self, order: Order) -> list[bytes]:
        """Return the keys in an order."""
        columns = [*self.columns()]
        if not columns[0]:
            return []
        if order.value:
            rank = self.measures[order.value - 1].rank
            columns[order.value] = {key: rank(one) for key, one in columns[order.value].items()}
        return order.sort(columns)

    def overall(self, keys: Sequence[bytes] | None = None) -> list[Any]:
        """Return the count and the measures of some keys together, or of all, as of one key."""
        if keys is None and not isinstance(self.held, list) and self.odd is None:
            return [*self.held.sums()]
        totals: list[Any] = []
        for measure, column in zip((Sum(), *self.measures), self.columns(), strict=True):
            values = column.values() if keys is None else [column[key] for key in keys]
            # merge may change its first argument, which must stay the value of its key
            adds = type(measure) is Sum
            totals.append(sum(values) if adds else reduce(measure.join, map(deepcopy, values)))
        return totals

    def notes(self) -> list[str]:
        """Return what the measures say of their values."""
        if not isinstance(self.held, list):
            return []
        columns = zip(self.measures, self.held[1:], strict=True)
        return [note for measure, column in columns if (note := measure.note(column.values()))]

    def has_negative(self, number: int) -> bool:
        """Return whether any key has a negative value: 0 is the count, 1 the first measure."""
        return isinstance(self.held, list) and any(
            value < 0 for value in self.held[number].values()
        )


def _shown(
    column: dict[bytes, Any], keys: Sequence[bytes], show: Callable[[Any], Any] | None
) -> Iterator[Any]:
    values = map(column.__getitem__, keys)
    return map(show, values) if show else values


EMPTY = Totals([{}])
"""Totals without keys. They can be added to totals of any measures."""


def _merged(
    left: list[dict[bytes, Any]], right: list[dict[bytes, Any]], measures: Iterable[Measure]
) -> list[dict[bytes, Any]]:
    """Merge the columns with fewer keys into the others, and return these."""
    if len(left[0]) < len(right[0]):
        left, right = right, left
    counts = left[0]
    known = [key for key in right[0] if key in counts]
    for key, number in right[0].items():
        counts[key] = counts.get(key, 0) + number
    for column, other, measure in zip(left[1:], right[1:], measures, strict=True):
        merged = {key: measure.join(column[key], other[key]) for key in known}
        column.update(other)
        column.update(merged)
    return left
