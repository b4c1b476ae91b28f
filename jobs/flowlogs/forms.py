"""What the first line of a flow log says of its form: a header, a CSV, or records with a time.

A line that looks like names of fields is a header, or it is refused: no log is read by positions
that its first line contradicts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from mapreduce import UsageError, printable
from mapreduce.jobs.flowlogs.exports import refuse_export, refuse_separator
from mapreduce.jobs.flowlogs.layout import (
    COLUMN_NAME,
    DEFAULT,
    DEFAULTS,
    Layout,
    header_names,
)
from mapreduce.jobs.flowlogs.rows import MESSAGE, Columns, find_columns

_TIME: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})? ", re.ASCII
)
"""What CloudWatch writes before each record."""


@dataclass(frozen=True, slots=True)
class Form:
    """How the records of one log are written.

    ``columns`` are those of a CSV. Where one of them holds whole records, ``layout`` is that of the
    records.
    """

    layout: Layout
    columns: Columns | None = None


def find_form(name: str, line: bytes, otherwise: Layout) -> Form:
    """Return the form of the log ``name`` that begins with this line.

    ``otherwise`` is the layout of records without a header. Raises ``UsageError`` for a log that
    cannot be read surely, with the command that makes one of it that can.
    """
    line = line.strip(b" \t\r")
    if otherwise.names[:1] != ("tags",):  # whose values look like JSON
        refuse_export(name, line)
    if (before := _fields_before(line, otherwise)) is not None:
        return Form(_stamped(name, line, before, otherwise))
    if is_quoted(line):
        names = _header(name, line[1:-1])
        return Form(Layout(names) if names else otherwise, Columns((MESSAGE,)))
    if columns := find_columns(name, line):
        return Form(otherwise if columns.has_records else Layout(columns.names), columns)
    if names := _header(name, line):
        return Form(Layout(names))
    return Form(_default_of(line, otherwise))


def is_quoted(line: bytes) -> bool:
    """Return whether a line is one value in quotes that has blanks in it, such as a record."""
    return (
        len(line) > 1 and line[:1] == line[-1:] == b'"' and line.count(b'"') == 2 and b" " in line
    )


def _header(name: str, line: bytes) -> tuple[str, ...]:
    names = header_names(line)
    if names:
        refuse_separator(name, line)
    for one in names:
        if not COLUMN_NAME.fullmatch(one):
            raise UsageError(
                f"{name}: its first line looks like a header, but {printable(repr(one))} is not "
                "the name of a field; correct that line, or remove it and name the fields with "
                "--log-format"
            )
    return names


def _fields_before(line: bytes, layout: Layout) -> int | None:
    """Return how many fields stand before a record: a time, and perhaps the name of a log stream.

    ``None`` if the line does not begin with a time.
    """
    if not _TIME.match(line):
        return None
    fields = line.split(b" ")
    for before in (1, 2):
        record = fields[before:]
        if header_names(b" ".join(record)) or any(
            one.has_shape_of(record) for one in (layout, *DEFAULTS)
        ):
            return before
    return 1


def _stamped(name: str, line: bytes, before: int, otherwise: Layout) -> Layout:
    record = line.split(b" ", before)[before]
    if names := _header(name, record):
        return Layout(names, before)
    return replace(_default_of(record, otherwise), before=before)


def _default_of(record: bytes, otherwise: Layout) -> Layout:
    """Return the layout of a record without a header: another default one, if it has its shape."""
    if otherwise == DEFAULT:
        fields = record.split(b" ")
        return next((one for one in DEFAULTS if one.has_shape_of(fields)), otherwise)
    return otherwise
