"""Write tables as JSON lines: one object for each row, with the header's titles as its names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from mapreduce.errors import JobError, printable
from mapreduce.outputs.table import Row, Table, label_of, row_pieces


class JsonLinesWriter:
    """Writes one object a line, without a header.

    Bytes that are not UTF-8 become lone surrogates (PEP 383). No spreadsheet takes a JSON string
    for a formula, so ``excel_safe`` changes nothing.
    """

    suffixes: ClassVar[Sequence[str]] = (".jsonl", ".ndjson", ".json")

    def text(self, table: Table, *, excel_safe: bool = False) -> Iterator[bytes]:
        """Yield the bytes of the file; raise ``JobError`` if two columns have the same title."""
        for title in table.header:
            if table.header.count(title) > 1:
                raise JobError(
                    f"{label_of(table)} has two columns {printable(title)!r}: a JSON object would "
                    "keep only one of them; write CSV, or give them different titles"
                )
        yield self.head(table.header)
        for rows in row_pieces(table):
            yield self.lines(table.header, rows, excel_safe=excel_safe)

    def head(self, _header: Sequence[str], *, excel_safe: bool = False) -> bytes:  # noqa: ARG002
        """Return nothing: every line names its own columns."""
        return b""

    def lines(
        self,
        header: Sequence[str],
        rows: Iterable[Row],
        *,
        excel_safe: bool = False,  # noqa: ARG002
    ) -> bytes:
        """Return a line for each row."""
        from json import JSONEncoder  # noqa: PLC0415 - keeps start-up fast

        encode = JSONEncoder().encode
        lines = [encode(dict(zip(header, row, strict=True))) + "\n" for row in rows]
        return "".join(lines).encode()
