"""An output format: a table in Markdown.

To use it, put this file into ``mapreduce/outputs`` and ``MarkdownWriter()`` into ``WRITERS`` in
``mapreduce/outputs/writers.py``. A table whose name ends with ``.md`` is then written by it.
"""

import re
from collections.abc import Iterator, Sequence

from mapreduce import Table


class MarkdownWriter:
    """Writes a row a line, with a bar between the cells."""

    suffixes: Sequence[str] = (".md",)

    def text(self, table: Table, *, excel_safe: bool = False) -> Iterator[bytes]:
        """Yield the bytes of the file.

        No spreadsheet opens Markdown. A format that one opens must put ``'`` before text that
        begins with one of ``FORMULA`` (``mapreduce.outputs.csv_writer``) if ``excel_safe`` is set.
        """
        rule = ("---",) * len(table.header)
        for row in (table.header, rule, *table.rows):
            cells = (re.sub(r"([|\\])", r"\\\1", str(value)) for value in row)
            yield f"| {' | '.join(cells)} |\n".encode("utf-8", "surrogateescape")
