"""Tell the form of a flow log by its first line: a header, a CSV, or records with a time in front.

A first line that looks like names of fields must be a valid header, or the log is refused: a log is
never read by positions that its first line contradicts.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mapreduce import UsageError, named, printable
from mapreduce.jobs.flowlogs.exports import (
    refuse_export,
    refuse_separated_messages,
    refuse_separator,
)
from mapreduce.jobs.flowlogs.layout import (
    COLUMN_NAME,
    DEFAULT,
    DEFAULTS,
    Layout,
    header_names,
    unknown_names,
)
from mapreduce.jobs.flowlogs.rows import MESSAGE, Columns, find_columns

_TIME: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})? ", re.ASCII
)
"""The time that CloudWatch writes before each record."""


class Form(NamedTuple):
    """How the records of one log are written.

    ``columns`` are the columns of a CSV. If one of them holds whole records, ``layout`` is the
    layout of these records.
    """

    layout: Layout
    columns: Columns | None = None


def find_form(name: str, line: bytes, otherwise: Layout) -> Form:
    """Return the form of the log ``name`` whose first line is ``line``.

    ``otherwise`` is the layout of records without a header. Raises ``UsageError`` for a log that
    cannot be read reliably, with a command that converts it.
    """
    line = line.strip(b" \t\r")
    if otherwise.names[:1] != ("tags",):  # a value of tags looks like JSON
        refuse_export(name, line)
    if (before := _fields_before(line, otherwise)) is not None:
        return Form(_stamped(name, line, before, otherwise))
    if is_quoted(line):
        names = _header(name, line[1:-1], otherwise)
        return Form(Layout(names) if names else otherwise, Columns((MESSAGE,)))
    if columns := find_columns(name, line):
        return Form(otherwise if columns.has_records else Layout(columns.names), columns)
    refuse_separated_messages(name, line)
    if names := _header(name, line, otherwise):
        return Form(Layout(names))
    return Form(_default_of(line, otherwise))


def is_quoted(line: bytes) -> bool:
    """Return whether a line is one quoted value with blanks in it, such as a quoted record."""
    return (
        len(line) > 1 and line[:1] == line[-1:] == b'"' and line.count(b'"') == 2 and b" " in line
    )


def _header(name: str, line: bytes, otherwise: Layout) -> tuple[str, ...]:
    """Return the names in the header that a line is, none if it is no header.

    Raises ``UsageError`` for a header that has a name of no field.
    """
    names = header_names(line)
    if names:
        refuse_separator(name, line)
    elif otherwise.version and (words := unknown_names(line)):
        raise _no_name(name, words[0])
    for one in names:
        if not COLUMN_NAME.fullmatch(one):
            raise _no_name(name, one)
    return names


def _no_name(name: str, word: str) -> UsageError:
    return UsageError(
        f"{name}: in its header or among its columns, {printable(repr(word))} is not the name of a "
        "field; correct that name, or, in a log of text, remove the header and name the fields "
        f"with {named('log_format')}"
    )


def _fields_before(line: bytes, layout: Layout) -> int | None:
    """Return the number of fields before a record: 1 for a time, 2 with the name of a log stream.

    Return ``None`` if the line does not begin with a time.
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
    if names := _header(name, record, otherwise):
        return Layout(names, before)
    return _default_of(record, otherwise)._replace(before=before)


def _default_of(record: bytes, otherwise: Layout) -> Layout:
    """Return the layout of a record without a header: ``otherwise``, or a default that fits."""
    if otherwise == DEFAULT:
        fields = record.split(b" ")
        return next((one for one in DEFAULTS if one.has_shape_of(fields)), otherwise)
    return otherwise
