"""A table of results: a job's ``finish`` returns it, and a writer turns it into a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from mapreduce.errors import JobError, printable

Row: TypeAlias = tuple[str | int | float, ...]

ROWS: Final = 4096
"""Rows that are turned into text at once."""


@dataclass(frozen=True, slots=True)
class Table:
    """One result file: its name, its header, its rows in order, and a note for the summary.

    The suffix of the name chooses the format (see ``writers``). Text may hold surrogate escapes
    (PEP 383), which stand for bytes that are not UTF-8.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Row]
    note: str = ""


@runtime_checkable
class CsvRows(Protocol):
    """Rows that can write themselves as CSV without making a Python object of each value."""

    def csv(self) -> Iterator[bytes]:
        """Yield the rows as CSV, some at a time: the same bytes that the CSV writer would make."""


def key_columns(key: bytes, split_at: bytes | None) -> tuple[str, ...]:
    """Return the columns of a key: the whole key, or the parts between ``split_at``.

    Bytes that are not UTF-8 become surrogate escapes.
    """
    texts = [key] if split_at is None else key.split(split_at)
    return tuple(text.decode(errors="surrogateescape") for text in texts)


def rows_of(items: Iterable[tuple[Any, ...]], split_at: bytes | None) -> list[Row]:
    """Return keys, each with its count and its sums, as rows."""
    if split_at is None:  # inlined: a call for each key would take as long as decoding it
        return [(key.decode(errors="surrogateescape"), *values) for key, *values in items]
    return [(*key_columns(key, split_at), *values) for key, *values in items]


def row_pieces(table: Table) -> Iterator[Sequence[Row]]:
    """Yield the rows, some at a time; raise ``JobError`` if one is not as wide as the header."""
    for start in range(0, len(table.rows), ROWS):
        rows = table.rows[start : start + ROWS]
        if any(width != len(table.header) for width in set(map(len, rows))):
            wrong = next(row for row in rows if len(row) != len(table.header))
            raise JobError(f"{label_of(table)} has the row {_shown(wrong)}, {_width(table, wrong)}")
        yield rows


def check_table(table: Table) -> None:
    """Raise ``JobError`` for a header or a first row that no writer can write.

    The other rows may not exist as objects yet; ``row_pieces`` checks them when they are written.
    """
    if not table.header or not all(isinstance(title, str) for title in table.header):
        raise JobError(f"{label_of(table)} has the header {table.header!r}: it must be text")
    if not isinstance(table.rows, Sequence):
        raise JobError(
            f"{label_of(table)} has rows of type {type(table.rows).__name__}: make a list"
        )
    first = table.rows[0] if len(table.rows) else None
    if first is None:
        return
    if len(first) != len(table.header):
        raise JobError(f"{label_of(table)} has the row {_shown(first)}, {_width(table, first)}")
    for title, value in zip(table.header, first, strict=True):
        if not isinstance(value, str | int | float):
            kind = type(value).__name__
            raise JobError(
                f"{label_of(table)} has {kind} in the column {printable(title)!r}: "
                "values are text and numbers"
            )


def label_of(table: Table) -> str:
    """Return the words by which an error message names a table."""
    return f"the table {printable(table.name)!r} of the job"


def _width(table: Table, row: Row) -> str:
    return f"which has {len(row)} values, but the header has {len(table.header)}"


def _shown(row: Row) -> str:
    text = repr(row)
    return text if len(text) <= 60 else f"{text[:60]}..."
