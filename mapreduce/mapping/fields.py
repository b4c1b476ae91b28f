"""Count chosen fields of delimited lines, with a kernel in C or its pure Python twin.

A key is the raw bytes of the chosen fields, joined by the delimiter. The job judges each key when
it is first seen. A malformed key is then removed from the table, so that malformed keys never fill
it and are found again in later blocks. A skipped key is removed when the table is drained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from mapreduce import kernel
from mapreduce.errors import UsageError
from mapreduce.kernel import ODD
from mapreduce.kernel.pace import Pace
from mapreduce.mapping.lines import lines_of
from mapreduce.mapping.mapper import SKIPPED, Combiner, Drained, Judgement, Mapper, Tally
from mapreduce.reducing.measures import Sum
from mapreduce.reducing.totals import Totals

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

REMEMBERED: Final = 1 << 18
"""The largest number of skipped keys that are remembered, so that they take little memory."""


def accept(_key: bytes, /) -> Judgement:
    """Count every key."""
    return None


@dataclass(frozen=True)
class FieldMapper(Mapper):
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
    accepted: re.Pattern[bytes] = re.compile(rb"(?!)")
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
    def key_separator(self) -> bytes:  # type: ignore[override]
        """The byte between the fields of a key."""
        return self.delimiter

    @property
    def pace(self) -> Pace:  # type: ignore[override]
        """How fast the kernel is."""
        return kernel.PACE

    @property
    def layout(self) -> str:  # type: ignore[override]
        """Which fields of a line are counted, in words."""
        numbers = ", ".join(map(str, self.fields))
        names = f" ({', '.join(self.names)})" if self.names else ""
        width = "" if self.width is None else f" of {self.width}"
        return f"fields {numbers}{width}{names} between {self.delimiter!r}"

    def start(self) -> Combiner:
        return FieldCombiner(self)

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


class FieldCombiner:
    """Counts the fields of lines in the kernel's table of one worker."""

    def __init__(self, mapper: FieldMapper) -> None:
        self._mapper = mapper
        self._table = mapper.table()
        self._wants_new_keys = mapper.judge is not accept or bool(mapper.summed)
        self._skipped = set[bytes]()  # keys judged as skipped, even if the table has been drained
        self._in_table = set[bytes]()  # those of them that are in the table now
        self._has_odd = False
        self._quoted = _QUOTED_FIELD.get(mapper.delimiter)
        self._has_quotes = False

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        if self._quoted and kernel.has_byte(block, QUOTE) and self._quoted.search(block):
            self._has_quotes, self._quoted = True, None
        scan = self._table.scan(block, self._wants_new_keys)
        refused = self._refused(scan.fresh)
        junk = [key for key, judgement in refused.items() if judgement is not SKIPPED]
        skipped = refused.keys() - junk
        self._in_table |= skipped
        self._skipped |= skipped
        keys = scan.known - len(junk) - len(self._in_table)
        forgotten = self._forget_skipped() if len(self._skipped) > REMEMBERED else 0
        malformed = scan.misshapen + sum(self._table.forget(junk))
        where = self._locate(block, min(wanted, malformed)) if wanted and malformed else ()
        return Tally(scan.lines, scan.empty + forgotten, malformed, where, keys)

    def _refused(self, keys: Sequence[bytes]) -> dict[bytes, Judgement]:
        accepted, known = self._mapper.accepted.fullmatch, self._skipped
        judged = {
            key: SKIPPED if key in known else self._judge_key(key)
            for key in keys
            if not accepted(key)
        }
        return {key: judgement for key, judgement in judged.items() if judgement is not None}

    def _judge_key(self, key: bytes) -> Judgement:
        """Let the job judge a key, then read the values behind it that the kernel cannot add."""
        plain, has_odd, odd = key.partition(ODD)
        judgement = self._mapper.judge(plain)
        if judgement is not None or not has_odd:
            return judgement
        texts = odd.split(self._mapper.delimiter)
        for measure, text in zip(self._mapper.measures, texts, strict=True):
            if measure.read(text) is None:
                return f"{measure.name} {excerpt(text)} is not a number"
        self._has_odd = True
        return None

    def drain(self) -> Drained:
        skipped = self._forget_skipped()
        odd = self._mapper.delimiter if self._has_odd else None
        totals = Totals(self._table.drain(), self._mapper.measures, odd)
        notes = frozenset([QUOTES_NOTE] if self._has_quotes else [])
        return Drained(totals, totals.lines, skipped, notes)

    def _forget_skipped(self) -> int:
        """Remove skipped keys from the table; return the number of their lines."""
        skipped = sum(self._table.forget([*self._in_table]))
        self._in_table.clear()
        if len(self._skipped) > REMEMBERED:
            self._skipped.clear()
        return skipped

    def _locate(self, block: memoryview, wanted: int) -> list[tuple[int, str]]:
        found = []
        for offset, line in lines_of(block):
            judgement = self._judge_line(line)
            if isinstance(judgement, str):
                found.append((offset, judgement))
                if len(found) == wanted:
                    break
        return found

    def _judge_line(self, line: bytes) -> Judgement:
        mapper, fields = self._mapper, line.split(self._mapper.delimiter)
        last = max(*map(abs, mapper.fields), *mapper.summed, 0)
        if not line:
            return SKIPPED
        if mapper.width is not None and len(fields) != mapper.width:
            return f"{len(fields)} fields where {mapper.width} are expected"
        if len(fields) < last:
            return f"{len(fields)} fields where at least {last} are expected"
        number, text = mapper.expected
        if number and fields[number - 1] != text:
            return f"field {number} is {excerpt(fields[number - 1])}, and not {excerpt(text)}"
        key, odd = (
            mapper.delimiter.join([fields[number - 1] for number in numbers])
            for numbers in (_expand_last_field(mapper.fields, len(fields)), mapper.summed)
        )
        return self._judge_key(key + ODD + odd if mapper.summed else key)


def excerpt(value: bytes) -> str:
    """Return the beginning of a value, escaped for a message."""
    return repr(value[:20])[1:] + ("..." if len(value) > 20 else "")
