"""Flow logs as CSV: exports of CloudWatch, results of Logs Insights and of Athena, quoted records.

The record is one value of a row, or each of its fields is one. Each row is rewritten as a plain
record before the kernel counts it.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mapreduce import UsageError, printable
from mapreduce.jobs.flowlogs.layout import KNOWN, field_name

MESSAGE: Final = "message"
"""The column that holds a whole record."""
_BESIDE: Final = frozenset(
    (
        *("", "timestamp", "ingestiontime", "logstreamname", "logstream", "log", "ptr", "eventid"),
        *("year", "month", "day", "hour", "date", "aws-account-id", "aws-region", "aws-service"),
    )
)
"""Columns that stand beside the fields of a record, without ``@``."""


@dataclass(frozen=True)
class Columns:
    """The columns of a CSV, by the names that AWS gives the fields."""

    names: tuple[str, ...]

    @property
    def has_records(self) -> bool:
        """Whether a column holds whole records."""
        return MESSAGE in self.names

    def record_in(self, values: Sequence[bytes]) -> bytes:
        """Return the record that a row holds."""
        return values[self.names.index(MESSAGE)]

    def is_header(self, values: Sequence[bytes]) -> bool:
        """Return whether a row names the columns again."""
        names = (_column(value.decode("utf-8", "replace")) for value in values)
        return tuple(names) == self.names

    def read(self, line: bytes) -> list[bytes] | str:
        """Return the values of a row, or why there are none."""
        values = split_row(line)
        if values is None:
            return "the quotes of this row of CSV are wrong"
        if len(values) == 1 and line.count(b" ") + 1 == len(self.names):
            values = values[0].split(b" ")
        if len(values) != len(self.names):
            return f"{len(values)} values where the header of the CSV has {len(self.names)}"
        return values


def find_columns(name: str, line: bytes) -> Columns | None:
    """Return the columns that the first line of a CSV names; ``None`` if it is not such a line.

    Raises ``UsageError`` for a column that no flow log has: what such rows mean is not known.
    """
    titles = [title.decode("utf-8", "replace") for title in split_row(line) or []]
    names = [*map(_column, titles)]
    known = [one for one in names if one in KNOWN or one == MESSAGE]
    if not known or any(title[:1].isdigit() for title in titles):
        return None
    for title, one in zip(titles, names, strict=True):
        if one not in KNOWN and one != MESSAGE and one not in _BESIDE:
            raise UsageError(
                f"{name}: its first line names the column {printable(repr(title))}, which no flow "
                "log has; select the fields of the records, and nothing that was computed of them"
            )
    for one in known:
        if names.count(one) > 1:
            raise UsageError(f"{name}: its first line names the column {one} twice")
    return Columns(tuple(names))


def _column(title: str) -> str:
    return field_name(title).removeprefix("@")


def split_row(line: bytes) -> list[bytes] | None:
    """Return the values of a row of CSV, ``None`` if its quotes are wrong.

    >>> split_row(b'1,"2 x","a, b"')
    [b'1', b'2 x', b'a, b']
    """
    if b'"' not in line:
        return line.split(b",")
    values = line[1:-1].split(b'","')
    if len(line) > 1 and line[:1] == line[-1:] == b'"' and not any(b'"' in one for one in values):
        return values
    try:
        (row,) = csv.reader([line.decode("latin-1")], strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        return None
    return [value.encode("latin-1") for value in row]


def needed_values(columns: Columns, needed: Sequence[str], values: Sequence[bytes]) -> bytes | str:
    """Return the values of some columns as a plain record, or why that cannot be."""
    chosen = [values[columns.names.index(name)] or b"-" for name in needed]
    record = b" ".join(chosen)
    if record.count(b" ") != len(needed) - 1:
        return "a value with a blank in it"
    return record
