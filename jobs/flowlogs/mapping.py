"""Count the records of a log: the kernel counts plain records, and other lines are rewritten first.

Nearly all lines are plain records. Only if the kernel finds malformed lines in a block, those lines
of the block are looked at again that may be something else: a record with trailing blanks, a record
of another default layout, or a header. All rows of a CSV are rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Self, TypeAlias, cast

from mapreduce import SKIPPED, Combiner, Drained, FieldMapper, Tally
from mapreduce.jobs.flowlogs.forms import Form
from mapreduce.jobs.flowlogs.layout import field_name
from mapreduce.jobs.flowlogs.rewriting import Rewriter

if TYPE_CHECKING:
    from mapreduce.jobs.flowlogs.records import Judge

_END: Final = b"\r\n"
"""The end of a rewritten line: the kernel drops this ``\\r`` but keeps one that ends a value."""

_PIECE: Final = 1 << 12
"""Bytes of a block that are searched for malformed lines at once."""

Line: TypeAlias = tuple[int, bytes]
"""The offset of a line in its block, and the line without its end."""


@dataclass(frozen=True)
class RecordMapper(FieldMapper):
    """Counts fields of records; a ``rewriter`` makes plain records of other lines.

    Without a rewriter all lines must be plain records, as those made from the columns of a table.
    """

    rewriter: Rewriter | None = None

    def kind_of(self, key: bytes, /) -> str:
        """Return why a record is skipped; ``judge`` knows it."""
        return cast("Judge", self.judge).kind_of(key)

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
        tally = self._count_rewritten(rest, wanted, self.fields)
        return replace(tally, lines=len(lines), skipped=tally.skipped + len(lines) - len(rest))

    def drain(self) -> Drained:
        return self.fields.drain()

    def _count_rewritten(self, lines: Sequence[Line], wanted: int, fields: Combiner) -> Tally:
        """Rewrite lines and count them; a line that makes no record is skipped or malformed."""
        records: list[Line] = []
        faults: list[tuple[int, str]] = []
        for offset, line in lines:
            record = self.rewriter.rewrite(line)
            if isinstance(record, bytes):
                records.append((offset, record))
            elif isinstance(record, str):
                faults.append((offset, record))
        tally = _count(fields, records, wanted)
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
        if tally.malformed:
            tally = self._look_again(tally, block)
        if wanted and tally.malformed:
            tally = replace(tally, malformed_at=self._locate(block, min(wanted, tally.malformed)))
        return tally

    def _look_again(self, tally: Tally, block: memoryview) -> Tally:
        """Rewrite lines that the kernel has found malformed, and return the corrected tally.

        The kernel finds every header malformed because of its key (see ``Judge``).
        """
        _plain, others, headers = self._sort(self.rewriter.doubtful_lines(block))
        rewritten = self._count_rewritten(others, 0, self.fields)
        return Tally(
            tally.lines,
            tally.skipped + headers + rewritten.skipped,
            tally.malformed - headers - len(others) + rewritten.malformed,
            keys=max(tally.keys, rewritten.keys),
        )

    def _locate(self, block: memoryview, wanted: int) -> list[tuple[int, str]]:
        """Return the offsets of the first ``wanted`` malformed lines, and why they are malformed.

        Only those pieces of the block are read line by line that the kernel does not find proper.
        """
        found: list[tuple[int, str]] = []
        fields = FieldMapper.start(self.mapper)  # what it counts is of no concern
        for start, piece in _pieces_of(block):
            if fields.map_block(piece, 0).malformed:
                plain, others, _headers = self._sort(lines_of(piece))
                missing = wanted - len(found)
                where = [
                    *self._count_rewritten(others, missing, fields).malformed_at,
                    *_count(fields, plain, missing).malformed_at,
                ]
                found += [(start + at, why) for at, why in sorted(where)[:missing]]
            if len(found) == wanted:
                break
        return found

    def _sort(self, lines: Iterable[Line]) -> tuple[list[Line], list[Line], int]:
        """Return the plain lines, the lines to rewrite, and the number of plain headers."""
        plain: list[Line] = []
        others: list[Line] = []
        headers = 0
        for offset, line in lines:
            if not line:
                continue
            if not self.rewriter.is_plain(line) or self._ends_with_tab(line):
                others.append((offset, line))
            elif self._is_header(line):
                headers += 1
            else:
                plain.append((offset, line))
        return plain, others, headers

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


def _pieces_of(block: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Cut a block into pieces of whole lines; yield the offset of each piece with it."""
    text, start = bytes(block), 0
    while start < len(text):
        end = text.find(b"\n", start + _PIECE) + 1 or len(text)
        yield start, block[start:end]
        start = end
