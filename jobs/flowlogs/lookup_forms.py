"""Find out how a lookup is written that does not begin with the plain header.

What leaves no doubt is read: semicolons or tabs for commas, ``Dst Port`` for ``dstport``, comments,
and rows without a header whose order is certain. For all else the error says what it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, permutations
from typing import Final

from mapreduce.jobs.flowlogs.lookup import (
    COLUMNS,
    SEPARATORS,
    BadRow,
    Form,
    check_encoding,
    rows_of,
    shown,
)
from mapreduce.jobs.flowlogs.lookup_rules import read_row
from mapreduce.jobs.flowlogs.services import find_service

_NOT_READ: Final = {"|": "bars", " ": "blanks"}
_ALSO: Final = {"destinationport": "dstport", "destport": "dstport", "proto": "protocol"}
_LIKE: Final = {"port": "dstport", "ports": "dstport", "label": "tag", "name": "tag", "tags": "tag"}


def find_form(text: str) -> Form | None:
    """Return the form of a table, or ``None`` if its first row is neither a header nor tags.

    Raises ``BadRow`` if port and protocol may be the other way round.
    """
    for separator in SEPARATORS:
        for comments in (True, False):
            row = next(rows_of(text, [], separator, comments), (1, []))[1]
            columns = _columns(row)
            # In a first column of tags, or of anything else, a # may belong to the value.
            if columns and comments == (0 in columns[:2]):
                return Form(columns, len(row), separator, comments)
        if _has_no_header(text, separator):
            return Form((0, 1, 2), 3, separator, comments=True, has_header=False)
    return None


def _columns(header: Sequence[str]) -> Sequence[int] | None:
    """Return the places of the columns if each is there once."""
    found = []
    for column in COLUMNS:
        exact = [at for at, name in enumerate(header) if name.lower() == column]
        places = exact or [at for at, name in enumerate(header) if _plain(name) == column]
        if len(places) != 1:
            return None
        found += places
    return found


def _plain(name: str) -> str:
    """Return the name of a column in lower case and as one word."""
    word = re.sub(r"[ _-]", "", name.lower())
    return _ALSO.get(word, word)


def _has_no_header(text: str, separator: str) -> bool:
    """Return whether the first row already has a port, a protocol and a tag, in this order."""
    rows = rows_of(text, [], separator, comments=True)
    line, first = next(rows, (1, []))
    if len(first) != len(COLUMNS) or not _fits(first, 0, 1):
        return False
    others = [order for order in permutations(range(3), 2) if order != (0, 1)]
    for _, row in chain([(line, first)], rows):
        if len(row) == len(COLUMNS):
            others = [order for order in others if _fits(row, *order)]
        if not others:
            return True
    raise BadRow(
        "this is no header, and the rows do not show which column is the port, the protocol and "
        f"the tag; write {','.join(COLUMNS)} above them, in their order",
        line,
    )


def _fits(row: Sequence[str], port: int, protocol: int) -> bool:
    """Return whether a row may have its port and its protocol there.

    A service does not count as a port here, because tags are often named as services.
    """
    try:
        read_row(row[port], row[protocol])
    except BadRow:
        return False
    return find_service(row[port]) is None


def header_fault(header: Sequence[str]) -> str:
    """Return what is wrong with a first row that names no columns, and what to write instead."""
    check_encoding(header)
    if "\0" in "".join(header):
        return "looks like UTF-16; save it as UTF-8"
    names = [name.lower() for name in header]
    column = next((column for column in COLUMNS if names.count(column) != 1), None)
    if not column:
        return (
            "comments are read only where dstport or protocol is the first column; remove those "
            "above this header"
        )
    fault = "is missing" if column not in names else "is there twice"
    looks = _separator_in(header)
    like = next((name for name in header if _LIKE.get(_plain(name)) == column), None)
    return (
        f"the column {column!r} {fault}; the first line must be "
        f"{','.join(COLUMNS)}{f', with commas instead of {looks}' if looks else ''}"
        f"{f': {shown(like)} may be meant for it' if like else ''}"
    )


def _separator_in(header: Sequence[str]) -> str:
    """Return the name of the separator in a header without commas, or an empty text."""
    if len(header) > 1:
        return ""
    separators = {**SEPARATORS, **_NOT_READ}
    return next((name for one, name in separators.items() if one in "".join(header)), "")
