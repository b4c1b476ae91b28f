"""Count chosen fields of delimited lines, with a kernel in C or its pure Python twin.

A key is the raw bytes of the chosen fields, joined by the delimiter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from mapreduce import kernel
from mapreduce.errors import UsageError
from mapreduce.kernel import ODD
from mapreduce.mapping.counting import NO_KEY, TableCombiner, TableMapper, accept, excerpt
from mapreduce.mapping.mapper import Combiner, Drained, Judgement, Tally
from mapreduce.reducing.measures import Sum
from mapreduce.reducing.totals import Odd

QUOTES_NOTE: Final = (
    'a field begins with a quote ("), and quotes mean nothing to this job: a delimiter inside '
    "them has split the field"
)
"""The note of a run whose input looks like CSV with quotes."""
QUOTE: Final = ord('"')
_QUOTED_FIELD: Final = {
    b",": re.compile(rb'(?:\A|[,\n])"'),
    b"\t": re.compile(rb'(?:\A|[\t\n])"'),
    b";": re.compile(rb'(?:\A|[;\n])"'),
    b"|": re.compile(rb'(?:\A|[|\n])"'),
}
"""A field that begins with a quote, by the delimiters of files that are known to have them."""


@dataclass(frozen=True)
class FieldMapper(TableMapper):
    """Counts ``fields`` (numbered from 1) of lines split at the one byte ``delimiter``.

    The last field may be negative: -3 means field 3 and all fields after it, as one column.

    ``width`` is the number of fields that a line must have; ``None`` accepts any line that has all
    the chosen fields. ``judge`` judges each distinct key once, except for keys that the pattern
    ``accepted`` matches whole. These are counted, because a pattern takes a fifth of the time of a
    Python function. ``summed`` are the fields whose integers are added for each key; ``measures``
    has one measure for each of them (by default, a plain sum). ``names`` are the names of the
    fields, then of the summed fields; they find the columns of a table. ``expected`` is the number
    of a field and the few bytes that it must have in every line. This check costs no time, but
    needs a ``width``. Raises ``ValueError`` for arguments that contradict each other.
    """

    delimiter: bytes
    fields: tuple[int, ...]
    width: int | None = None
    judge: Callable[[bytes], Judgement] = accept
    accepted: re.Pattern[bytes] = NO_KEY
    summed: tuple[int, ...] = ()
    measures: tuple[Sum, ...] = ()
    names: tuple[str, ...] = ()
    expected: tuple[int, bytes] = (0, b"")

    def __post_init__(self) -> None:
        if not self.measures:
            sums = tuple(Sum(f"field {number}") for number in self.summed)
            object.__setattr__(self, "measures", sums)
        if len(self.measures) != len(self.summed):
            raise ValueError(f"{len(self.measures)} measures for {len(self.summed)} fields")
        self.table()

    def table(self) -> kernel.Table:
        """Return an empty table. Raises ``ValueError`` if the kernel refuses the arguments."""
        return kernel.FieldTable(
            self.delimiter, self.fields, self.width, self.summed, self.expected
        )

    @property
    def key_columns(self) -> int:  # type: ignore[override]  # depends on the fields
        """The number of fields in a key; 1 if the key extends to the end of the line."""
        return 1 if self.fields[-1] < 0 else len(self.fields)

    @property
    def titles(self) -> tuple[str, ...]:  # type: ignore[override]
        """A title for each column of a key; fields to the end of the line are one column."""
        if self.fields[-1] > 0:
            return tuple(f"Field{number}" for number in self.fields)
        return (f"Field{','.join(map(str, [*self.fields[:-1], -self.fields[-1]]))}-",)

    @property
    def key_separator(self) -> bytes:  # type: ignore[override]
        """The byte between the fields of a key."""
        return self.delimiter

    @property
    def column_separator(self) -> bytes:  # type: ignore[override]
        """The byte between the columns of a table that is no text."""
        return self.delimiter

    @property
    def odd(self) -> Odd:  # type: ignore[override]
        """How the values that the kernel cannot add stand behind a key."""
        return Odd(self.delimiter)

    @property
    def layout(self) -> str:  # type: ignore[override]
        """Which fields of a line are counted, in words."""
        numbers = ", ".join(map(str, self.fields))
        names = f" ({', '.join(self.names)})" if self.names else ""
        width = "" if self.width is None else f" of {self.width}"
        return f"fields {numbers}{width}{names} between {self.delimiter!r}"

    def start(self) -> Combiner:
        return FieldCombiner(self)

    def read_line(self, line: bytes, /) -> bytes | str:
        fields = line.split(self.delimiter)
        last = max(*map(abs, self.fields), *self.summed, 0)
        if self.width is not None and len(fields) != self.width:
            return f"{len(fields)} fields where {self.width} are expected"
        if len(fields) < last:
            return f"{len(fields)} fields where at least {last} are expected"
        number, text = self.expected
        if number and fields[number - 1] != text:
            return f"field {number} is {excerpt(fields[number - 1])}, and not {excerpt(text)}"
        key, texts = (
            self.delimiter.join([fields[number - 1] for number in numbers])
            for numbers in (_expand_last_field(self.fields, len(fields)), self.summed)
        )
        return key + ODD + texts if self.summed else key

    def for_columns(self, names: Sequence[str], /) -> tuple[tuple[str, ...], Self]:
        """Choose columns of a table that has columns ``names``; return them and their mapper.

        The columns are found by ``self.names`` if there are any, else by the numbers of the fields.
        At least two columns are returned, so that no line is empty: empty lines are skipped.
        """
        chosen = _expand_last_field(self.fields, len(names))
        numbers = (*chosen, *self.summed)
        columns = (
            _columns_by_name(self.names, names)
            if self.names
            else _columns_by_number(numbers, names)
        )
        places = tuple(range(1, len(columns) + 1))
        fields, summed = places[: len(chosen)], places[len(chosen) :]
        if self.fields[-1] < 0:
            fields = (*fields[:-1], -fields[-1])
        columns = columns * 2 if len(columns) == 1 else columns
        width = len(columns)
        mapper = replace(self, fields=fields, summed=summed, width=width, names=())
        return columns, replace(mapper, expected=(0, b""))


def _expand_last_field(fields: tuple[int, ...], width: int) -> tuple[int, ...]:
    """Return the fields of a line of ``width`` fields; -3 becomes 3 and all fields after it."""
    if fields[-1] > 0:
        return fields
    return (*fields[:-1], *range(-fields[-1], max(width, -fields[-1]) + 1))


def _columns_by_number(numbers: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
    if max(numbers) > len(names):
        raise UsageError(f"has no column {max(numbers)}; it has only {len(names)} columns")
    return tuple(names[number - 1] for number in numbers)


def _columns_by_name(wanted: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of these names; ``_`` is equal to ``-``, and capitals do not matter."""
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(_normalised(name), []).append(name)
    columns = []
    for name in wanted:
        same = known.get(_normalised(name), [])
        if len(same) != 1:
            number = "several columns" if same else "no column"
            raise UsageError(f"has {number} {name}; its columns are {', '.join(names)}")
        columns += same
    return tuple(columns)


def _normalised(name: str) -> str:
    return name.replace("_", "-").lower()


class FieldCombiner(TableCombiner):
    """Counts the fields of lines, and notes it if quotes have been split."""

    def __init__(self, mapper: FieldMapper) -> None:
        super().__init__(mapper)
        self._quoted = _QUOTED_FIELD.get(mapper.delimiter)
        self._has_quotes = False

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        if self._quoted and kernel.has_byte(block, QUOTE) and self._quoted.search(block):
            self._has_quotes, self._quoted = True, None
        return super().map_block(block, wanted)

    def drain(self) -> Drained:
        notes = frozenset([QUOTES_NOTE] if self._has_quotes else [])
        return super().drain()._replace(notes=notes)
