"""Write the only table of a job to standard output instead of a directory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from mapreduce.errors import UsageError, named
from mapreduce.outputs.stats import Stats, figures_text
from mapreduce.outputs.table import Table
from mapreduce.outputs.writers import table_text

STANDARD_OUTPUT: Final = "-"


def check_one_table(outputs: Sequence[str]) -> None:
    """Raise ``UsageError`` if a job makes several tables: standard output takes only one."""
    if len(outputs) > 1:
        directory = named("output", "DIR")
        raise UsageError(
            f"this job makes {len(outputs)} tables, and standard output takes one: name a "
            f"directory with {directory}"
        )


def print_figures(stats: Stats) -> None:
    """Write the figures of a run to standard output."""
    sys.stdout.write(figures_text(stats).decode())


def print_table(table: Table, *, excel_safe: bool) -> None:
    """Write a table to standard output; bytes that are not UTF-8 are written unchanged."""
    sys.stdout.flush()
    with open(sys.stdout.fileno(), "wb", closefd=False) as file:
        file.writelines(table_text(table, excel_safe=excel_safe))
