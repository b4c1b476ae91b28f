"""A table of results, and its text: CSV (RFC 4180) with line feeds, UTF-8."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias, runtime_checkable

Row: TypeAlias = tuple[str | int, ...]

ROWS: Final = 4096
"""Rows that are made text at once."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

_SPECIAL = re.compile(r'[,"\r\n]')


@dataclass(frozen=True, slots=True)
class Table:
    """One result file: its name, its header, its rows in order, and a note for the summary.

    Text may hold surrogate escapes (PEP 383): bytes that are not UTF-8 are written as they came.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Row]
    note: str = ""


@runtime_checkable
class Written(Protocol):
    """Rows that know their own text."""

    def csv(self) -> Iterator[bytes]:
        """Yield the rows as CSV, some at a time, the same bytes as ``csv_text`` gives."""


def key_columns(key: bytes, split_at: bytes | None) -> tuple[str, ...]:
    """Return the columns of a key: one, or as many as ``split_at`` cuts it into.

    Bytes that are not UTF-8 become surrogate escapes.
    """
    texts = [key] if split_at is None else key.split(split_at)
    return tuple(text.decode(errors="surrogateescape") for text in texts)


def rows_of(items: Iterable[tuple[bytes, int]], split_at: bytes | None) -> list[Row]:
    """Return keys and counts as rows."""
    if split_at is None:  # decoded here: a call for each of many keys costs as much as decoding
        return [(key.decode(errors="surrogateescape"), count) for key, count in items]
    return [(*key_columns(key, split_at), count) for key, count in items]


def for_spreadsheets(table: Table) -> Table:
    """Return a table whose text no spreadsheet takes for a formula: an apostrophe stands before.

    Source: OWASP, "CSV Injection".
    """
    rows = [tuple(map(_no_formula, row)) for row in table.rows]
    return replace(table, rows=rows)


def _no_formula(value: str | int) -> str | int:
    return "'" + value if isinstance(value, str) and value[:1] in FORMULA else value


def table_text(table: Table) -> Iterator[bytes]:
    """Yield a table as CSV, its header first."""
    yield csv_text([table.header])
    if isinstance(table.rows, Written):
        yield from table.rows.csv()
        return
    for start in range(0, len(table.rows), ROWS):
        yield csv_text(table.rows[start : start + ROWS])


def csv_text(rows: Iterable[Row]) -> bytes:
    """Return rows as CSV: quoted is what holds a comma, a quote or an end of line.

    Python's own module leaves a carriage return unquoted before 3.13.
    """
    rows = list(rows)
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    text = file.getvalue()
    if "\r" in text:
        text = "".join(map(_line, rows))
    return text.encode("utf-8", "surrogateescape")


def _line(row: Row) -> str:
    if row == ("",):
        return '""\n'
    return ",".join(_quoted(str(value)) for value in row) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
