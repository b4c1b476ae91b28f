"""Flow logs as CSV: exports of CloudWatch, results of Logs Insights and of Athena, quoted records.

A row holds a whole record as one value, or each field of a record as a value of its own. Each row
is rewritten as a plain record before the kernel counts it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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
"""Columns, without a leading ``@``, that an export may add to the fields of a record."""


@dataclass(frozen=True)
class Columns:
    """The columns of a CSV, named as AWS names the fields."""

    names: tuple[str, ...]

    @cached_property
    def has_records(self) -> bool:
        """Whether a column holds whole records."""
        return MESSAGE in self.names

    def record_in(self, values: Sequence[bytes]) -> bytes:
        """Return the record that a row holds, without the line end that may stand within quotes."""
        return values[self._message].rstrip(b"\r")

    @cached_property
    def _message(self) -> int:
        return self.names.index(MESSAGE)

    def records_in(self, block: bytes) -> bytes | None:
        """Return the records of a block, one a line, if each row is as plain as nearly all are."""
        rows = self._plain_row.findall(block)
        if len(rows) != block.count(b"\n"):
            return None
        return b"\n".join([*(record for _quote, record in rows), b""])

    @cached_property
    def _plain_row(self) -> re.Pattern[bytes]:
        """A row whose values have no quotes in them, and whose record begins with a digit."""
        record, other = rb'("?)([0-9][^",\r\n]*)\1', rb'(?:"[^"\r\n]*"|[^",\r\n]*)'
        values = [record if name == MESSAGE else other for name in self.names]
        return re.compile(rb"^" + b",".join(values) + rb"\r?$", re.MULTILINE)

    def places(self, needed: Sequence[str]) -> list[int]:
        """Return where some columns stand in a row."""
        return [self.names.index(name) for name in needed]

    def is_header(self, values: Sequence[bytes]) -> bool:
        """Return whether a row names the columns again."""
        if any(value[:1].isdigit() for value in values):
            return False
        names = (_column(value.decode("utf-8", "replace")) for value in values)
        return tuple(names) == self.names

    def read(self, line: bytes) -> list[bytes] | str:
        """Return the values of a row, or the reason why it is malformed."""
        values = split_row(line)
        if values is None:
            return "the quotes of this row of CSV are wrong, or a line ends within them"
        if len(values) == 1 and line.count(b" ") + 1 == len(self.names):
            values = values[0].split(b" ")
        if len(values) != len(self.names):
            return f"{len(values)} values where the header of the CSV has {len(self.names)}"
        return values


def find_columns(name: str, line: bytes) -> Columns | None:
    """Return the columns that the first line of a CSV names; ``None`` if it is not a CSV header.

    Raises ``UsageError`` for a column that no flow log has, because the meaning of its rows is not
    known.
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
                "log has; export only fields of the records, and no computed columns"
            )
    for one in known:
        if names.count(one) > 1:
            raise UsageError(f"{name}: its first line names the column {one} twice")
    return Columns(tuple(names))


def _column(title: str) -> str:
    return field_name(title).removeprefix("@")


def split_row(line: bytes) -> list[bytes] | None:
    """Return the values of a row of CSV; ``None`` if its quotes are wrong.

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


def values_at(places: Sequence[int], values: Sequence[bytes]) -> bytes | str:
    """Return the needed values as a plain record, or the reason why the row is malformed."""
    record = b" ".join([values[place].strip(b" ") or b"-" for place in places])
    if record.count(b" ") != len(places) - 1:
        return "a value has a blank in it"
    return record
