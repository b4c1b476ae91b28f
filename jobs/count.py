"""Count the distinct values of chosen fields: ``cut | sort | uniq -c | sort -rn`` in one pass."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from mapreduce import FieldMapper, Job, Table, Totals, UsageError, named


@dataclass(frozen=True)
class FieldCount(Job):
    """Counts the distinct values of chosen fields; ``top`` keeps only the most frequent ones."""

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
        """Return a row for each combination of values, the most frequent first, then by bytes."""
        several = self.mapper.key_columns > 1
        rows = totals.rows(split_at=self.mapper.delimiter if several else None, top=self.top)
        note = f"{len(rows):,} of {len(totals):,} distinct values"
        return [Table(self.outputs[0], (*self._titles(), "Count"), rows, note)]

    def _titles(self) -> list[str]:
        """Return the titles of the key's columns; fields to the end of the line are one."""
        fields = self.mapper.fields
        if fields[-1] > 0:
            return [f"Field{number}" for number in fields]
        return [f"Field{','.join(map(str, [*fields[:-1], -fields[-1]]))}-"]


def count(
    fields: Annotated[
        str, "-F", "Fields to count by, numbered from 1 as in cut: 7,8 or 2-4 or 3- or -2."
    ],
    delimiter: Annotated[str, "-d", r"The one byte that separates fields; \t is a tab."] = " ",
    fields_expected: Annotated[
        int | None, "Number of fields in a line; lines with more or fewer are malformed."
    ] = None,
    top: Annotated[int | None, "Write only this many values, the most frequent ones."] = None,
) -> FieldCount:
    """Count the distinct values of chosen fields of delimited lines."""
    for name, text in (("fields", fields), ("delimiter", delimiter)):
        if not isinstance(text, str):
            raise UsageError(f"{named(name, text)}: must be a text, such as '7,8' or ','")
    if top is not None and not (isinstance(top, int) and top >= 1):
        raise UsageError(f"{named('top', top)}: must be at least 1")
    try:
        mapper = FieldMapper(parse_delimiter(delimiter), parse_fields(fields), fields_expected)
        return FieldCount(mapper, top)
    except ValueError as error:
        raise UsageError(f"{error}") from error


def parse_delimiter(text: str) -> bytes:
    r"""Return the delimiter that a text names: the text itself, or an escape such as ``\t``.

    A single ``\`` is not an escape but the delimiter itself.
    """
    try:
        byte = codecs.decode(text, "unicode_escape") if text[:1] == "\\" and text[1:] else text
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{named('delimiter', text)}: is not a valid escape; write \\t for a tab"
        ) from error
    return byte.encode("utf-8", "surrogateescape")


def parse_fields(text: str) -> tuple[int, ...]:
    """Return the field numbers that ``7,8``, ``2-4``, ``-2`` (1 to 2) or ``3-`` stand for.

    ``3-`` means all fields from 3 to the end of the line; it becomes -3 and must come last. Raises
    ``UsageError`` for any other text.
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
            raise UsageError(
                f"{named('fields', text)}: {part} is not a range: write the lower number "
                "first, and at most 1,000 fields"
            )
        else:
            numbers += range(start, stop + 1)
    return tuple(numbers)
