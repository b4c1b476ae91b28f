"""Count the distinct values of chosen fields: ``cut | sort | uniq -c | sort -rn`` in one pass."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from mapreduce import FieldMapper, Job, Table, Totals, UsageError, named


@dataclass(frozen=True)
class FieldCount(Job):
    """The job; ``top`` keeps only the most frequent."""

    mapper: FieldMapper
    top: int | None = None
    outputs: Sequence[str] = ("counts.csv",)
    name: ClassVar[str] = "count"  # type: ignore[misc]
    remedy: ClassVar[str] = (  # type: ignore[misc]
        f"Perhaps another byte is between the fields ({named('delimiter')})."
    )

    @property
    def described(self) -> Mapping[str, object]:
        return {
            "fields": list(self.mapper.fields),
            "delimiter": self.mapper.delimiter.decode("latin-1"),
            "fields_expected": self.mapper.width,
            "top": self.top,
        }

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        """Return one row for each combination of values, the most frequent first, then by bytes."""
        several = self.mapper.key_columns > 1
        rows = totals.rows(split_at=self.mapper.delimiter if several else None, top=self.top)
        note = f"{len(rows):,} of {len(totals):,} distinct values"
        return [Table(self.outputs[0], (*self._titles(), "Count"), rows, note)]

    def _titles(self) -> list[str]:
        """Return the titles of the key's columns; what reaches to the end of a line is one."""
        fields = self.mapper.fields
        if fields[-1] > 0:
            return [f"Field{number}" for number in fields]
        return [f"Field{','.join(map(str, [*fields[:-1], -fields[-1]]))}-"]


def count(
    fields: Annotated[str, "-F", "Field numbers from 1, as in cut: 7,8 or 2-4 or 3- or -2."],
    delimiter: Annotated[str, "-d", r"One byte between fields; \t is a tab."] = " ",
    fields_expected: Annotated[
        int | None, "Fields that a line must have; others are malformed."
    ] = None,
    top: Annotated[int | None, "Write only the N most frequent."] = None,
) -> FieldCount:
    """Count the distinct values of chosen fields of delimited lines."""
    if top is not None and top < 1:
        raise UsageError(f"{named('top', top)}: must be at least 1")
    try:
        mapper = FieldMapper(parse_delimiter(delimiter), parse_fields(fields), fields_expected)
        return FieldCount(mapper, top)
    except ValueError as error:
        raise UsageError(f"{error}") from error


def parse_delimiter(text: str) -> bytes:
    r"""Return the byte that is meant: itself, or an escape such as ``\t``; one ``\`` is itself."""
    try:
        byte = codecs.decode(text, "unicode_escape") if text[:1] == "\\" and text[1:] else text
    except UnicodeDecodeError as error:
        raise UsageError(f"{named('delimiter', text)}: is no escape; \\t is a tab") from error
    return byte.encode("utf-8", "surrogateescape")


def parse_fields(text: str) -> tuple[int, ...]:
    """Return the numbers in ``7,8``, ``2-4``, ``-2`` (1 to 2) or ``3-`` (3 to the end: -3, last).

    Raises ``UsageError`` for anything else.
    """
    numbers: list[int] = []
    parts = text.split(",")
    for place, part in enumerate(parts, start=1):
        first, dash, last = part.partition("-")
        ends = [first or last, last or first]
        if not all(end.isascii() and end.isdigit() and len(end) < 8 for end in ends):
            raise UsageError(f"{named('fields', text)}: write numbers from 1, such as 7,8 or 2-4")
        start, stop = int(first or 1), int(last or first)
        if dash and not last:
            if place < len(parts):
                raise UsageError(f"{named('fields', text)}: {part} must be the last one")
            numbers.append(-start)
        elif stop < start or stop - start > 1000:
            raise UsageError(f"{named('fields', text)}: {part} is no range")
        else:
            numbers += range(start, stop + 1)
    return tuple(numbers)
