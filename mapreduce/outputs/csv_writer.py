"""Write tables as CSV (RFC 4180) in UTF-8, with line feeds as line ends."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final

from mapreduce.outputs.table import CsvRows, Row, Table, row_pieces

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins with one of these for a formula (OWASP, "CSV Injection")."""

_SPECIAL: Final = frozenset(',"\r\n')


class CsvWriter:
    """Writes a header and rows; ``excel_safe`` puts an apostrophe before every formula."""

    suffixes: ClassVar[Sequence[str]] = (".csv",)

    def text(self, table: Table, *, excel_safe: bool = False) -> Iterator[bytes]:
        """Yield the bytes of the file; bytes that are not UTF-8 are written unchanged."""
        yield self.head(table.header, excel_safe=excel_safe)
        if isinstance(table.rows, CsvRows) and not excel_safe:
            yield from table.rows.csv()
            return
        for rows in row_pieces(table):
            yield self.lines(table.header, rows, excel_safe=excel_safe)

    def head(self, header: Sequence[str], *, excel_safe: bool = False) -> bytes:
        """Return the header line."""
        return self.lines(header, [tuple(header)], excel_safe=excel_safe)

    def lines(
        self, _header: Sequence[str], rows: Iterable[Row], *, excel_safe: bool = False
    ) -> bytes:
        """Return a line for each row."""
        if excel_safe:
            rows = (tuple(map(_no_formula, row)) for row in rows)
        return csv_text(rows)


def _no_formula(value: str | float) -> str | float:
    return "'" + value if isinstance(value, str) and value[:1] in FORMULA else value


def csv_text(rows: Iterable[Row]) -> bytes:
    """Return rows as CSV: a value that holds a comma, a quote or a line end is quoted.

    Before Python 3.13 the ``csv`` module leaves a carriage return unquoted.
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
    return '"' + text.replace('"', '""') + '"' if not _SPECIAL.isdisjoint(text) else text
