"""Count the distinct values of chosen fields: ``cut | sort | uniq -c | sort -rn`` in one pass."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from mapreduce import FieldMapper, Job, Table, Totals, UsageError


@dataclass(frozen=True)
class FieldCount(Job):
    """The job; ``top`` keeps only the most frequent."""

    mapper: FieldMapper
    top: int | None = None
    outputs: Sequence[str] = ("counts.csv",)

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        """Return one row for each combination of values, the most frequent first, then by bytes."""
        several = len(self.mapper.fields) > 1
        rows = totals.rows(split_at=self.mapper.delimiter if several else None, top=self.top)
        note = f"{len(rows):,} of {len(totals):,} distinct values"
        header = (*(f"Field{number}" for number in self.mapper.fields), "Count")
        return [Table(self.outputs[0], header, rows, note)]


def count(
    fields: Annotated[str, "-F", "Field numbers from 1, as in cut: 7,8 or 2-4."],
    delimiter: Annotated[str, "-d", r"One byte between fields; \t is a tab."] = " ",
    fields_expected: Annotated[
        int | None, "Fields that a line must have; others are malformed."
    ] = None,
    top: Annotated[int | None, "Write only the N most frequent."] = None,
) -> FieldCount:
    """Count the distinct values of chosen fields of delimited lines."""
    if top is not None and top < 1:
        raise UsageError(f"--top {top}: must be at least 1")
    try:
        byte = codecs.decode(delimiter, "unicode_escape") if delimiter[:1] == "\\" else delimiter
        encoded = byte.encode("utf-8", "surrogateescape")
        return FieldCount(FieldMapper(encoded, parse_fields(fields), fields_expected), top)
    except ValueError as error:
        raise UsageError(f"{error}") from error


def parse_fields(text: str) -> tuple[int, ...]:
    """Return the numbers in ``7,8`` or ``2-4``; raise ``UsageError`` for anything else."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        ends = [first, last or first]
        if not all(end.isascii() and end.isdigit() and len(end) < 8 for end in ends):
            raise UsageError(f"--fields {text!r}: write numbers from 1, such as 7,8 or 2-4")
        start, stop = int(ends[0]), int(ends[1])
        if stop < start or stop - start > 1000:
            raise UsageError(f"--fields {text!r}: {part!r} is no range")
        numbers += range(start, stop + 1)
    return tuple(numbers)
