"""Count chosen fields of delimited lines: the mapper that the kernels make fast.

A key is the raw bytes of the chosen fields, joined by the delimiter. A job judges each key once,
when it is first seen; a malformed one is forgotten at once, so that junk never piles up in the
table and a block in which it comes again is noticed again. One that is skipped is forgotten last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mapreduce import kernel
from mapreduce.job import SKIPPED, Drained, Judgement, Tally
from mapreduce.kernel import ODD, are_numbers
from mapreduce.kernel.pace import Pace

REMEMBERED: Final = 1 << 18
"""Skipped keys that are remembered, at most: they are not worth more memory than the others."""


def accept(_key: bytes, /) -> Judgement:
    """Count every key."""
    return None


@dataclass(frozen=True)
class FieldMapper:
    """Counts ``fields`` (numbered from 1) of lines split at the one byte ``delimiter``.

    ``width`` is the number of fields that a line must have; ``None`` accepts any line that has
    all the chosen ones. ``judge`` sees each distinct key, but for those that ``accepted`` matches
    whole: a pattern costs a fifth of a function written in Python, and nearly all keys are plain.
    ``headers`` are lines of another width that carry no data. ``weights`` are fields whose numbers
    are summed by key; what is none of at most 19 digits becomes a part of the key, behind ``ODD``
    (see ``kernel._pure.FieldTable``), so that ``judge`` decides on it.
    """

    delimiter: bytes
    fields: tuple[int, ...]
    width: int | None = None
    judge: Callable[[bytes], Judgement] = accept
    accepted: re.Pattern[bytes] = re.compile(rb"(?!)")
    headers: tuple[bytes, ...] = ()
    weights: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.table()  # refuses what cannot be

    def table(self) -> kernel.Table:
        """Return an empty table; raise ``ValueError`` if there can be none."""
        return kernel.FieldTable(self.delimiter, self.fields, self.width, self.weights)

    @property
    def pace(self) -> Pace:
        """How fast the kernel is."""
        return kernel.PACE

    def start(self) -> FieldCombiner:
        return FieldCombiner(self)


class FieldCombiner:
    """The live table of one worker."""

    def __init__(self, mapper: FieldMapper) -> None:
        self._mapper = mapper
        self._table = mapper.table()
        self._judges = mapper.judge is not accept
        self._skipped = set[bytes]()  # keys that are judged already, with the table or without
        self._in_table = set[bytes]()  # those of them whose lines the table counts for now

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        scan = self._table.scan(block, self._judges)
        refused = self._refused(scan.fresh)
        junk = [key for key, judgement in refused.items() if judgement is not SKIPPED]
        skipped = refused.keys() - junk
        self._in_table |= skipped
        self._skipped |= skipped
        keys = scan.known - len(junk) - len(self._in_table)
        forgotten = self._forget_skipped() if len(self._skipped) > REMEMBERED else 0
        headers = self._count_headers(block) if scan.misshapen else 0
        malformed = scan.misshapen - headers + sum(self._table.forget(junk))
        where = self._locate(block, min(wanted, malformed)) if wanted and malformed else ()
        return Tally(scan.lines, scan.empty + headers + forgotten, malformed, where, keys)

    def _count_headers(self, block: memoryview) -> int:
        headers = self._mapper.headers
        return sum(line in headers for _offset, line in lines_of(block)) if headers else 0

    def _refused(self, keys: Sequence[bytes]) -> dict[bytes, Judgement]:
        accepted, judge = self._mapper.accepted.fullmatch, self._mapper.judge
        known = self._skipped
        judged = {key: SKIPPED if key in known else judge(key) for key in keys if not accepted(key)}
        return {key: judgement for key, judgement in judged.items() if judgement is not None}

    def drain(self) -> Drained:
        skipped = self._forget_skipped()
        counts = self._table.drain()
        return Drained(counts, counts.total(), skipped)

    def _forget_skipped(self) -> int:
        """Take keys that are skipped out of the table; return how many lines had them."""
        skipped = sum(self._table.forget([*self._in_table]))
        self._in_table.clear()
        if len(self._skipped) > REMEMBERED:
            self._skipped.clear()
        return skipped

    def _locate(self, block: memoryview, wanted: int) -> list[tuple[int, str]]:
        found = []
        for offset, line in lines_of(block):
            judgement = self._judge_line(line)
            if isinstance(judgement, str):
                found.append((offset, judgement))
                if len(found) == wanted:
                    break
        return found

    def _judge_line(self, line: bytes) -> Judgement:
        fields = line.split(self._mapper.delimiter)
        width, weights = self._mapper.width, self._mapper.weights
        last = max(*self._mapper.fields, *weights, 0)
        if not line or line in self._mapper.headers:
            return SKIPPED
        if width is not None and len(fields) != width:
            return f"{len(fields)} fields where {width} are expected"
        if len(fields) < last:
            return f"{len(fields)} fields where at least {last} are expected"
        key, odd = (
            self._mapper.delimiter.join([fields[number - 1] for number in numbers])
            for numbers in (self._mapper.fields, weights)
        )
        plain = are_numbers([fields[number - 1] for number in weights])
        return self._mapper.judge(key if plain else key + ODD + odd)


def lines_of(block: memoryview) -> Iterator[tuple[int, bytes]]:
    r"""Yield (byte offset, line) for each line of a block, without its ``\n`` or ``\r\n``."""
    offset = 0
    for line in bytes(block)[:-1].split(b"\n"):
        yield offset, line.removesuffix(b"\r")
        offset += len(line) + 1
