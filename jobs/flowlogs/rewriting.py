"""Rewrite a line that is not a plain record as a plain record, so that the kernel can count it.

A plain record has the shape of its layout. A record with trailing blanks, a record of another
default layout, and the row of a CSV are rewritten; a header is skipped; other lines are malformed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from mapreduce import SKIPPED, InputError, Judgement, find_lines
from mapreduce.jobs.flowlogs.forms import Form
from mapreduce.jobs.flowlogs.layout import DEFAULTS, SPELLINGS, Layout, excerpt, header_names
from mapreduce.jobs.flowlogs.rows import values_at

_WORDS: Final = tuple(spelling.encode() for spelling in SPELLINGS)
"""The words of which a header has at least one."""


@dataclass(frozen=True)
class Rewriter:
    """Makes plain records of lines in the form of a log; of a CSV, it keeps the needed fields."""

    form: Form
    needed: tuple[str, ...]

    def is_plain(self, line: bytes) -> bool:
        """Return whether the kernel finds that a line has the shape of a record."""
        blanks, number, text = self._shape
        if line.count(b" ") != blanks:
            return False
        return not number or line.split(b" ", number)[number - 1] == text

    @cached_property
    def _shape(self) -> tuple[int, int, bytes]:
        """The number of blanks in a record, and what is expected in which field."""
        return (self.form.layout.width - 1, *self.form.layout.expected)

    @cached_property
    def _places(self) -> list[int]:
        """Where the needed columns stand in a row."""
        return self.form.columns.places(self.needed) if self.form.columns else []

    def doubtful_lines(self, block: memoryview) -> Iterator[tuple[int, bytes]]:
        """Yield the offset and the text of each line that may be rewritten or be a header.

        Any other line is a plain record, or it is malformed.
        """
        layout, text = self.form.layout, bytes(block)
        others = [one for one in DEFAULTS if layout.version and one.names != layout.names]
        widths = [layout.before + len(one.names) for one in others]
        for offset in find_lines(block, b" ", widths=widths, words=_WORDS, before=layout.before):
            yield offset, text[offset : text.index(b"\n", offset)].removesuffix(b"\r")

    def rewrite(self, line: bytes) -> bytes | Judgement:
        """Return a line as a plain record, or judge it."""
        columns = self.form.columns
        if columns is None:
            return self._rewrite_record(line)
        values = columns.read(line)
        if isinstance(values, str):
            values = columns.read(line.rstrip(b" \t"))
        if isinstance(values, str):
            return values
        if columns.is_header(values):
            return SKIPPED
        if columns.has_records:
            record = columns.record_in(values)
            is_sure = record[:1].isdigit() and record[-1:] != b"\t" and self.is_plain(record)
            return record if is_sure else self._rewrite_record(record)
        return self.judge_header(line.strip(b'"')) or values_at(self._places, values)

    def judge_header(self, line: bytes) -> Judgement:
        """Skip a line that is a header; raise ``InputError`` for the header of another layout."""
        names = header_names(b" ".join(line.split(b" ")[self.form.layout.before :]))
        if not names:
            return None
        if names == self.form.layout.names:
            return SKIPPED
        raise InputError(
            f"a header of another layout in the middle ({' '.join(names)}); "
            "split the file before this line"
        )

    def _rewrite_record(self, line: bytes) -> bytes | Judgement:
        layout, stripped = self.form.layout, line.rstrip(b" \t")
        if judgement := self.judge_header(stripped):
            return judgement
        for record in (line, stripped):
            if self.is_plain(record) and not record.endswith(b"\t"):
                return record
        values = stripped.split(b" ")
        before, values = values[: layout.before], values[layout.before :]
        for other in DEFAULTS if layout.version else ():
            if other.has_shape_of(values):
                return self._translate(before, values, other)
        return _fault(layout, line.split(b" ")[layout.before :])

    def _translate(
        self, before: Sequence[bytes], record: Sequence[bytes], other: Layout
    ) -> bytes | Judgement:
        """Return a record of another default layout as a record of this layout."""
        values = dict(zip(other.names, record, strict=True))
        missing = [name for name in self.needed if name not in values or name == "version"]
        if missing:
            return (
                f"a record of version {excerpt(record[0])} in a log of another version cannot be "
                f"counted by {missing[0]}; count the logs of each version in a run of their own, "
                "with their own log format"
            )
        values["version"] = self.form.layout.version
        return b" ".join([*before, *(values.get(n, b"-") for n in self.form.layout.names)])


def _fault(layout: Layout, record: Sequence[bytes]) -> str:
    """Return why a record does not have the shape of its layout."""
    number = f"{layout.before + len(record)} fields where {layout.width} are expected"
    if not layout.version or not record or record[0] == layout.version:
        return number
    if not record[0].isdigit():
        has_width = len(record) == len(layout.names)
        return f"begins with {excerpt(record[0])} and not with a version" if has_width else number
    fault = number if len(record) != len(layout.names) else f"version {excerpt(record[0])}"
    return (
        f"{fault}: the default layout is that of version {excerpt(layout.version)}; name the "
        "fields of this log as its log format"
    )
