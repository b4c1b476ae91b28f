"""The output formats; the suffix of a file's name chooses its writer.

To add a format, write a class like ``CsvWriter`` in a file of its own and add it to ``WRITERS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from mapreduce.outputs.csv_writer import CsvWriter
from mapreduce.outputs.json_writer import JsonLinesWriter
from mapreduce.outputs.table import Row, Table


class Writer(Protocol):
    """An output format."""

    @property
    def suffixes(self) -> Sequence[str]:
        """The suffixes of this format's files; a file that is renamed gets the first one."""

    def text(self, table: Table, *, excel_safe: bool = False) -> Iterator[bytes]:
        """Yield the bytes of a table's file, some rows at a time.

        With ``excel_safe``, no spreadsheet that opens the file takes text for a formula.
        """


@runtime_checkable
class LineWriter(Writer, Protocol):
    """A format of lines: the parts of a table that several processes wrote can be joined.

    Malformed lines are written in such formats.
    """

    def head(self, header: Sequence[str], *, excel_safe: bool = False) -> bytes:
        """Return the bytes before the first row, or none."""

    def lines(
        self, header: Sequence[str], rows: Iterable[Row], *, excel_safe: bool = False
    ) -> bytes:
        """Return the bytes of some rows."""


CSV: Final = CsvWriter()

WRITERS: Final[Sequence[Writer]] = (CSV, JsonLinesWriter())


def writer_of(name: str) -> Writer:
    """Return the writer for the suffix of a file's name; CSV if no writer has that suffix."""
    suffix = Path(name).suffix.lower()
    return next((writer for writer in WRITERS if suffix in writer.suffixes), CSV)


def line_writer_of(name: str) -> LineWriter:
    """Return the writer of a file of malformed lines for the suffix of its name."""
    writer = writer_of(name)
    return writer if isinstance(writer, LineWriter) else CSV


def table_text(table: Table, *, excel_safe: bool = False) -> Iterator[bytes]:
    """Yield the bytes of a table's file."""
    return writer_of(table.name).text(table, excel_safe=excel_safe)
