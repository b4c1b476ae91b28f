"""Rewrite lines that are not plain records as plain records, so that the kernel can count them.

Nearly all lines are plain records, which the kernel counts directly. Only if it finds malformed
lines in a block, each line of the block is examined: a record with trailing blanks, a record of
another default layout, and a header are not malformed. All rows of a CSV are rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Final, Self, TypeAlias

from mapreduce import SKIPPED, Combiner, Drained, FieldMapper, InputError, Judgement, Tally
from mapreduce.jobs.flowlogs.forms import Form
from mapreduce.jobs.flowlogs.layout import DEFAULTS, Layout, excerpt, field_name, header_names
from mapreduce.jobs.flowlogs.rows import values_at

_END: Final = b"\r\n"
"""The end of a rewritten line: the kernel drops this ``\\r`` but keeps one that ends a value."""

Line: TypeAlias = tuple[int, bytes]
"""The offset of a line in its block, and the line without its end."""


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
                "with --log-format"
            )
        values["version"] = self.form.layout.version
        return b" ".join([*before, *(values.get(n, b"-") for n in self.form.layout.names)])


def _fault(layout: Layout, record: Sequence[bytes]) -> str:
    """Return why a record does not have the shape of its layout."""
    number = f"{layout.before + len(record)} fields where {layout.width} are expected"
    if not layout.version or record[0] == layout.version:
        return number
    if not record[0].isdigit():
        has_width = len(record) == len(layout.names)
        return f"begins with {excerpt(record[0])} and not with a version" if has_width else number
    fault = number if len(record) != len(layout.names) else f"version {excerpt(record[0])}"
    return (
        f"{fault}: the default layout is that of version {excerpt(layout.version)}; name the "
        "fields of this log with --log-format"
    )


@dataclass(frozen=True)
class RecordMapper(FieldMapper):
    """Counts fields of records; a ``rewriter`` makes plain records of other lines.

    Without a rewriter all lines must be plain records, as those made from the columns of a table.
    """

    rewriter: Rewriter | None = None

    def start(self) -> Combiner:
        fields = super().start()
        if self.rewriter is None:
            return fields
        if self.rewriter.form.columns:
            return RowCombiner(self, self.rewriter, fields)
        return RecordCombiner(self, self.rewriter, fields)

    def for_columns(self, names: Sequence[str], /) -> tuple[tuple[str, ...], Self]:
        """Do what ``FieldMapper`` does; a column may have any spelling of a field's name."""
        plain = [*map(field_name, names)]
        columns, mapper = super().for_columns(plain)
        return tuple(names[plain.index(one)] for one in columns), replace(mapper, rewriter=None)


class RowCombiner:
    """Rewrites every line before it counts it."""

    def __init__(self, mapper: RecordMapper, rewriter: Rewriter, fields: Combiner) -> None:
        self.mapper, self.rewriter, self.fields = mapper, rewriter, fields

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        columns = self.rewriter.form.columns
        if columns and columns.has_records and (records := columns.records_in(bytes(block))):
            return self._count_records(records, block, wanted)
        return self._count_rows(block, wanted)

    def _count_records(self, records: bytes, block: memoryview, wanted: int) -> Tally:
        """Count the records of the rows of a block, which has a row for each of them."""
        rewriter = replace(self.rewriter, form=Form(self.rewriter.form.layout))
        combiner = RecordCombiner(self.mapper, rewriter, self.fields)
        tally = combiner.map_block(memoryview(records), wanted)
        if not tally.malformed_at:
            return tally
        offsets = [offset for offset, _row in lines_of(block)]
        where = [(offsets[records.count(b"\n", 0, at)], why) for at, why in tally.malformed_at]
        return replace(tally, malformed_at=where)

    def _count_rows(self, block: memoryview, wanted: int) -> Tally:
        lines = [*lines_of(block)]
        rest = [(offset, line) for offset, line in lines if line]
        tally = self._count_rewritten(rest, wanted)
        return replace(tally, lines=len(lines), skipped=tally.skipped + len(lines) - len(rest))

    def drain(self) -> Drained:
        return self.fields.drain()

    def _count_rewritten(self, lines: Sequence[Line], wanted: int) -> Tally:
        """Rewrite lines and count them; a line that makes no record is skipped or malformed."""
        records: list[Line] = []
        faults: list[tuple[int, str]] = []
        for offset, line in lines:
            record = self.rewriter.rewrite(line)
            if isinstance(record, bytes):
                records.append((offset, record))
            elif isinstance(record, str):
                faults.append((offset, record))
        tally = _count(self.fields, records, wanted)
        return Tally(
            len(lines),
            tally.skipped + len(lines) - len(records) - len(faults),
            tally.malformed + len(faults),
            sorted([*tally.malformed_at, *faults])[:wanted],
            tally.keys,
        )


class RecordCombiner(RowCombiner):
    """Rewrites lines only in those blocks in which the kernel has found malformed lines."""

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        tally = self.fields.map_block(block, 0)
        return self._look_again(tally, block, wanted) if tally.malformed else tally

    def _look_again(self, tally: Tally, block: memoryview, wanted: int) -> Tally:
        """Rewrite the malformed lines of a block, and return the corrected tally.

        The kernel finds every header malformed because of its key (see ``Judge``).
        """
        rewriter = self.rewriter
        plain: list[Line] = []
        others: list[Line] = []
        headers = 0
        for offset, line in lines_of(block):
            if not line:
                continue
            if not rewriter.is_plain(line) or self._ends_with_tab(line):
                others.append((offset, line))
            elif self._is_header(line):
                headers += 1
            else:
                plain.append((offset, line))
        rewritten = self._count_rewritten(others, wanted)
        malformed = tally.malformed - len(others) - headers
        where = [*rewritten.malformed_at]
        if malformed and wanted:
            where += _count(FieldMapper.start(self.mapper), plain, wanted).malformed_at
        return Tally(
            tally.lines,
            tally.skipped + headers + rewritten.skipped,
            malformed + rewritten.malformed,
            sorted(where)[:wanted],
            max(tally.keys, rewritten.keys),
        )

    def _is_header(self, line: bytes) -> bool:
        """Return whether a plain line is a header, which is malformed because of its key."""
        before = self.rewriter.form.layout.before
        if line.split(b" ", before)[before][:1].isdigit():
            return False
        return not self._is_skipped(line) and bool(self.rewriter.judge_header(line))

    def _ends_with_tab(self, line: bytes) -> bool:
        """Return whether a plain line is malformed only because of a tab after its last field."""
        mapper = self.mapper
        return (
            line.endswith(b"\t")
            and self.rewriter.form.layout.width in {*mapper.fields, *mapper.summed}
            and not self._is_skipped(line)
        )

    def _is_skipped(self, line: bytes) -> bool:
        """Return whether a plain line is skipped because of its key."""
        fields = line.split(b" ")
        key = b" ".join([fields[number - 1] for number in self.mapper.fields])
        return self.mapper.judge(key) is SKIPPED


def _count(combiner: Combiner, records: Sequence[Line], wanted: int) -> Tally:
    """Count rewritten records; give malformed ones the offsets of their original lines."""
    if not records:
        return Tally(0, 0, 0)
    from bisect import bisect_right  # noqa: PLC0415 - seldom needed

    block = b"".join(record + _END for _offset, record in records)
    starts = [0, *accumulate(len(record) + len(_END) for _offset, record in records)]
    tally = combiner.map_block(memoryview(block), wanted)
    where = [
        (records[bisect_right(starts, offset) - 1][0], reason)
        for offset, reason in tally.malformed_at
    ]
    return replace(tally, malformed_at=where)


def lines_of(block: memoryview) -> Iterator[Line]:
    r"""Yield the lines of a block, each without its ``\n`` or ``\r\n``."""
    offset = 0
    for line in bytes(block)[:-1].split(b"\n"):
        yield offset, line.removesuffix(b"\r")
        offset += len(line) + 1
