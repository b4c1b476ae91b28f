"""Read a lookup table, which gives a destination port and a protocol their tag.

A table with a bad row is refused as a whole, and the error names all bad rows: a silently wrong tag
is worse than a run that does not start. This module reads a CSV of single ports and protocols;
``lookup_forms`` knows other ways to write a table, ``lookup_rules`` ranges, wildcards and names.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

from mapreduce import UsageError, named, printable
from mapreduce.jobs.flowlogs.protocols import protocol_number, small_number

if TYPE_CHECKING:
    from mapreduce.jobs.flowlogs.lookup_rules import Rule

COLUMNS: Final = ("dstport", "protocol", "tag")
SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
UNTAGGED: Final = "Untagged"
SHOWN: Final = 20
"""The most bad rows that one error names."""

Pair: TypeAlias = tuple[int, int]
"""A destination port and a protocol number."""

OnConflict: TypeAlias = Literal["error", "first", "last"]

_ESCAPED: Final = re.compile("[\udc80-\udcff]")
"""What stands in the text for a byte that is not UTF-8."""


class BadRow(ValueError):  # noqa: N818 - one of many, gathered into one UsageError
    """What is wrong with a row, and what to do; ``line`` is 0 where the caller knows it."""

    def __init__(self, fault: str, line: int = 0) -> None:
        super().__init__(fault)
        self.line = line


class Form(NamedTuple):
    """How a table is written.

    ``columns`` are the places of ``COLUMNS`` in a row of ``width`` values. ``comments`` says
    whether a line that begins with ``#`` is a comment.
    """

    columns: Sequence[int]
    width: int
    separator: str = ","
    comments: bool = False
    has_header: bool = True


class Tags(dict[Pair, str]):
    """The tags of single ports with one protocol; ``rules`` has those of many, best first."""

    rules: Sequence[Rule] = ()


def read_lookup(path: Path | str, *, on_conflict: OnConflict = "error") -> Tags:
    """Return the tag of each (dstport, protocol number) in a CSV with those columns.

    The columns may be in any order; other columns and blanks around values are ignored.
    ``on_conflict`` chooses between two tags of one pair. Raises ``UsageError``, which names the
    file, the line, the fault and the remedy of every bad row (at most 20).
    """
    if on_conflict not in get_args(OnConflict):
        known = ", ".join(get_args(OnConflict))
        raise UsageError(f"{named('on_conflict', on_conflict)}: choose one of {known}")
    if not isinstance(path, str | Path):
        raise UsageError(f"{named('lookup')} must be a path, not {path!r}")
    path, table = Path(path), _Table(on_conflict)
    text = _text(path)
    bad: list[tuple[int, str]] = []
    form = _form_of(text, bad)
    if form:
        rows = rows_of(text, bad, form.separator, form.comments)
        _add_rows(table, rows, form, bad)
    if bad:
        raise UsageError(_report(printable(str(path)), bad))
    return table.tags


def _add_rows(
    table: _Table,
    rows: Iterator[tuple[int, list[str]]],
    form: Form,
    bad: list[tuple[int, str]],
) -> None:
    """Add all rows but the header to the table; add the bad ones to ``bad``."""
    if form.has_header:
        next(rows)
    for line, row in rows:
        try:
            table.add_row(line, *_values(row, form))
        except BadRow as error:
            bad.append((line, str(error)))
    bad += table.finish()


class _Table:
    """The tags so far, and the line from which each pair has its tag."""

    def __init__(self, on_conflict: OnConflict) -> None:
        self.on_conflict = on_conflict
        self.tags = Tags()
        self.lines: dict[Pair, int] = {}
        self.rules: list[Rule] = []

    def add_row(self, line: int, port_text: str, protocol_text: str, tag: str) -> None:
        port, protocol = small_number(port_text, 65535), protocol_number(protocol_text)
        if port is not None and protocol is not None:
            self.add(line, port, protocol, tag)
            return
        from mapreduce.jobs.flowlogs.lookup_rules import Rule, read_row  # noqa: PLC0415 - few tables need it

        first, last, protocols = read_row(port_text, protocol_text)
        _check_tag(tag)
        for one in protocols:
            if one is None or first < last:
                self.rules.append(Rule(first, last, one, tag, line))
            else:
                self.add(line, first, one, tag)

    def add(self, line: int, port: int, protocol: int, tag: str) -> None:
        _check_tag(tag)
        pair = port, protocol
        known = self.tags.setdefault(pair, tag)
        first = self.lines.setdefault(pair, line)
        if known == tag or self.on_conflict == "first":
            return
        if self.on_conflict == "error":
            raise BadRow(
                f"port {port}, protocol {protocol} has the tag {known!r} in line {first} and "
                f"{tag!r} here; keep one, or choose with --on-conflict first or last"
            )
        self.tags[pair] = tag

    def finish(self) -> list[tuple[int, str]]:
        """Give the tags their rules; return the lines and faults of those that conflict."""
        if not self.rules:
            return []
        from mapreduce.jobs.flowlogs.lookup_rules import conflicts, ordered  # noqa: PLC0415 - few tables need it

        self.tags.rules = ordered(self.rules, self.on_conflict)
        return [*conflicts(self.rules)] if self.on_conflict == "error" else []


def _text(path: Path) -> str:
    name = printable(str(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{name}:1: is UTF-16; save it as UTF-8")
    return data.decode("utf-8-sig", errors="surrogateescape")


def rows_of(
    text: str, bad: list[tuple[int, str]], separator: str = ",", comments: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line's number, values) for each row; add rows that are no CSV to ``bad``."""
    if '"' in text or (comments and "#" in text):
        text = _plainly_quoted(text, separator, comments)
    reader = csv.reader(
        io.StringIO(text, newline="\n"), strict=True, skipinitialspace=True, delimiter=separator
    )
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


def _plainly_quoted(text: str, separator: str, comments: bool) -> str:
    """Drop comments, and the blanks around quoted values, which a strict reader refuses."""
    blank = " " if separator == "\t" else r"[ \t]"
    # A quoted value is matched as a whole, so that a line in it that begins with # is no comment.
    pattern = rf'(^|{separator}){blank}*("(?:[^"]|"")*"){blank}*(?={separator}|\r?$)'
    if comments:
        pattern = rf"^[ \t]*#[^\n]*|{pattern}"
    return re.sub(f"(?m){pattern}", r"\1\2", text)


def _form_of(text: str, bad: list[tuple[int, str]]) -> Form | None:
    """Return how the table is written; without one, say in ``bad`` what is wrong with its start."""
    line, header = next(rows_of(text, bad), (1, []))
    names = [name.lower() for name in header]
    if not bad and all(names.count(column) == 1 for column in COLUMNS):
        columns = [names.index(column) for column in COLUMNS]
        return Form(columns, len(header), comments=0 in columns[:2])
    from mapreduce.jobs.flowlogs.lookup_forms import find_form, header_fault  # noqa: PLC0415 - few tables need it

    try:
        form = find_form(text)
        if form:
            bad.clear()  # the rows are read once more
        elif not bad:
            line, header = next(rows_of(text, [], comments=True), (line, header))
            bad.append((line, header_fault(header)))
    except BadRow as error:
        bad.append((error.line or line, str(error)))
        return None
    return form


def _values(row: Sequence[str], form: Form) -> Sequence[str]:
    """Return the port, the protocol and the tag of a row as texts."""
    if len(row) != form.width:
        check_encoding(row)
        raise BadRow(
            f"{len(row)} values where the header has {form.width}; {_remedy_of_width(row, form)}"
        )
    values = [row[column] for column in form.columns]
    check_encoding(values)
    return values


def _remedy_of_width(row: Sequence[str], form: Form) -> str:
    if row[0].startswith("#") and not form.comments:
        return "a comment is read only where dstport or protocol is the first column; remove it"
    if len(row) == 1 and any(other in row[0] for other in SEPARATORS):
        return f"separate them by {SEPARATORS[form.separator]}, as in the first line"
    if len(row) < form.width:
        return "add what is missing"
    return f"quote a value that has a {SEPARATORS[form.separator].removesuffix('s')} in it"


def check_encoding(values: Sequence[str]) -> None:
    """Refuse values with bytes that are not UTF-8: no file says which characters they are."""
    for value in values:
        if not value.isascii() and _ESCAPED.search(value):
            data = value.encode(errors="surrogateescape")
            guess = data.decode("cp1252", errors="ignore")
            looks = (
                f"; as CP1252 it would be {shown(guess)}" if guess.encode("cp1252") == data else ""
            )
            raise BadRow(f"is not UTF-8{looks}; save the file as UTF-8")


def _check_tag(tag: str) -> None:
    if not tag:
        raise BadRow("the tag is empty; write one, or remove the row")
    if tag.casefold() == UNTAGGED.casefold():
        raise BadRow(
            f"the tag {shown(tag)} is reserved for records that match no row; choose another tag"
        )


def shown(text: str) -> str:
    """Return a value as an error shows it: quoted, and not longer than a line."""
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _report(name: str, bad: list[tuple[int, str]]) -> str:
    bad.sort()
    lines = [f"{name}:{line}: {printable(fault)}" for line, fault in bad[:SHOWN]]
    more = [f"... and {len(bad) - SHOWN:,} more bad rows"] if len(bad) > SHOWN else []
    return "\n".join([*lines, *more])
