"""Read a lookup table, which gives a destination port and a protocol their tag.

A table with a bad row is refused as a whole, and the error names all bad rows: a silently wrong tag
is worse than a run that does not start.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from mapreduce import UsageError, named, printable
from mapreduce.jobs.flowlogs.protocols import protocol_number, small_number

COLUMNS: Final = ("dstport", "protocol", "tag")
UNTAGGED: Final = "Untagged"
SHOWN: Final = 20
"""The most bad rows that one error names."""

Pair: TypeAlias = tuple[int, int]
"""A destination port and a protocol number."""

OnConflict: TypeAlias = Literal["error", "first", "last"]

_QUOTED: Final = r'(?m)(^|,)[ \t]*("(?:[^"]|"")*")[ \t]*(?=,|\r?$)'


class _BadRow(ValueError):  # noqa: N818 - one of many, gathered into one UsageError
    """What is wrong with a row, and what to do."""


def read_lookup(path: Path | str, *, on_conflict: OnConflict = "error") -> dict[Pair, str]:
    """Return the tag of each (dstport, protocol number) in a CSV with those columns.

    The header is required. The columns may be in any order; other columns and blanks around values
    are ignored. ``on_conflict`` chooses between two tags of one pair. Raises ``UsageError``, which
    names the file, the line, the fault and the remedy of every bad row (at most 20).
    """
    if on_conflict not in get_args(OnConflict):
        known = ", ".join(get_args(OnConflict))
        raise UsageError(f"{named('on_conflict', on_conflict)}: choose one of {known}")
    if not isinstance(path, str | Path):
        raise UsageError(f"{named('lookup')} must be a path, not {path!r}")
    path, table = Path(path), _Table(on_conflict)
    bad: list[tuple[int, str]] = []
    rows = _rows(_text(path), bad)
    try:
        line, header = next(rows, (1, []))
        if bad:  # the header itself
            raise UsageError(_report(printable(str(path)), bad))
        columns = _columns(header)
    except _BadRow as error:
        raise UsageError(f"{printable(str(path))}:{line}: {error}") from error
    for line, row in rows:
        try:
            table.add(line, *_values(row, columns, len(header)))
        except _BadRow as error:
            bad.append((line, str(error)))
    if bad:
        raise UsageError(_report(printable(str(path)), bad))
    return table.tags


class _Table:
    """The tags so far, and the line from which each pair has its tag."""

    def __init__(self, on_conflict: OnConflict) -> None:
        self.on_conflict = on_conflict
        self.tags: dict[Pair, str] = {}
        self.lines: dict[Pair, int] = {}

    def add(self, line: int, port: int, protocol: int, tag: str) -> None:
        pair = port, protocol
        known = self.tags.setdefault(pair, tag)
        first = self.lines.setdefault(pair, line)
        if known == tag or self.on_conflict == "first":
            return
        if self.on_conflict == "error":
            raise _BadRow(
                f"port {port}, protocol {protocol} has the tag {known!r} in line {first} and "
                f"{tag!r} here; keep one, or choose with --on-conflict first or last"
            )
        self.tags[pair] = tag


def _text(path: Path) -> str:
    name = printable(str(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{name}:1: is UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}:{line}: is not UTF-8; save the file as UTF-8") from error


def _rows(text: str, bad: list[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line's number, values) for each row; add rows that are no CSV to ``bad``."""
    if '"' in text:  # a strict reader refuses blanks around quoted values
        text = re.sub(_QUOTED, r"\1\2", text)
    reader = csv.reader(io.StringIO(text, newline="\n"), strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            row = [value.strip() for value in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            bad.append(
                (line, f"the quotes are wrong ({error}); close each quote, double inner ones")
            )
            continue
        if any(row):
            yield line, row


def _columns(header: Sequence[str]) -> list[int]:
    names = [name.lower() for name in header]
    for column in COLUMNS:
        if names.count(column) != 1:
            fault = "is missing" if column not in names else "is there twice"
            looks = _separator_in(header)
            raise _BadRow(
                f"the column {column!r} {fault}; the first line must be "
                f"{','.join(COLUMNS)}{f', with commas instead of {looks}' if looks else ''}"
            )
    return [names.index(column) for column in COLUMNS]


def _separator_in(header: Sequence[str]) -> str:
    """Return the name of the separator in a header without commas, or an empty text."""
    if len(header) > 1:
        return ""
    separators = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
    return next((name for one, name in separators.items() if one in "".join(header)), "")


def _values(row: Sequence[str], columns: Sequence[int], width: int) -> tuple[int, int, str]:
    if len(row) != width:
        hint = "quote a value that has a comma in it" if len(row) > width else "add what is missing"
        raise _BadRow(f"{len(row)} values where the header has {width}; {hint}")
    port_text, protocol_text, tag = (row[column] for column in columns)
    port = small_number(port_text, 65535)
    if port is None:
        raise _BadRow(f"the port {_shown(port_text)} is not a number 0 to 65535; correct it")
    protocol = protocol_number(protocol_text)
    if protocol is None:
        raise _BadRow(
            f"the protocol {_shown(protocol_text)} is unknown; write an IANA keyword such as tcp, "
            "or a number 0 to 255"
        )
    if not tag:
        raise _BadRow("the tag is empty; write one, or remove the row")
    if tag.casefold() == UNTAGGED.casefold():
        raise _BadRow(
            f"the tag {_shown(tag)} is reserved for records that match no row; choose another tag"
        )
    return port, protocol, tag


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _report(name: str, bad: list[tuple[int, str]]) -> str:
    bad.sort()
    lines = [f"{name}:{line}: {printable(fault)}" for line, fault in bad[:SHOWN]]
    more = [f"... and {len(bad) - SHOWN:,} more bad rows"] if len(bad) > SHOWN else []
    return "\n".join([*lines, *more])
