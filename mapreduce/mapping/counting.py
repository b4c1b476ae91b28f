"""Count lines in a table of the kernel, and judge each distinct key once.

The job judges each key when it is first seen. A malformed key is then removed from the table, so
that malformed keys never fill it and are found again in later blocks. A skipped key is removed when
the table is drained.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from mapreduce import kernel
from mapreduce.kernel import MARKED
from mapreduce.kernel.pace import Pace
from mapreduce.mapping.mapper import (
    SKIPPED,
    Combiner,
    Drained,
    Judgement,
    KeyFailedError,
    LineFailedError,
    Mapper,
    Tally,
)
from mapreduce.reducing.measures import Sum
from mapreduce.reducing.totals import Odd, Totals

if TYPE_CHECKING:
    from mapreduce.mapping.keys import KeyMap, KeyMapping

REMEMBERED: Final = 1 << 18
"""The largest number of skipped keys that are remembered, so that they take little memory."""
NO_KEY: Final = re.compile(rb"(?!)")
"""A pattern that matches nothing."""


def accept(_key: bytes, /) -> Judgement:
    """Count every key."""
    return None


class TableMapper(Mapper):
    """The base of mappers that count with the kernel; a subclass defines ``table`` and more.

    ``judge`` judges each distinct key once, except for keys that the pattern ``accepted`` matches
    whole. These are counted, because a pattern takes a fifth of the time of a Python function.
    ``odd`` tells where the values stand that the kernel cannot add. ``key_map`` makes another key
    of each distinct key; keys that become equal are added up. ``kind_of`` names the kind of a
    skipped key, or returns an empty text; lines are counted by kind when skipped keys are
    forgotten, so that this costs nothing for each line.
    """

    judge: Callable[[bytes], Judgement] = staticmethod(accept)
    accepted: re.Pattern[bytes] = NO_KEY
    measures: tuple[Sum, ...] = ()
    odd: Odd = Odd(b" ")
    key_map: KeyMap | None = None
    kind_of: Callable[[bytes], str] | None = None

    @property
    def pace(self) -> Pace:  # type: ignore[override]
        """How fast the kernel is."""
        return kernel.PACE

    @property
    def looks_at(self) -> int:
        """Which new keys the combiner must see: all, none, or those that the kernel marks."""
        if self.judge is not accept or self.key_map:
            return True
        return MARKED if self.measures else False

    def table(self) -> kernel.Table:
        """Return an empty table. Raises ``ValueError`` if the kernel refuses the arguments."""
        raise NotImplementedError(f"{type(self).__name__} needs a method table")

    def read_line(self, line: bytes, /) -> bytes | Judgement:
        """Return the key of a line with its weights behind it; or ``SKIPPED``; or what is wrong."""
        raise NotImplementedError(f"{type(self).__name__} needs a method read_line")

    def start(self) -> Combiner:
        return TableCombiner(self)


def _mapping_of(key_map: KeyMap) -> KeyMapping:
    from mapreduce.mapping.keys import KeyMapping  # noqa: PLC0415 - most runs map no keys

    return KeyMapping(key_map)


class TableCombiner:
    """Counts lines in the kernel's table of one worker."""

    def __init__(self, mapper: TableMapper) -> None:
        self._mapper = mapper
        self._table = mapper.table()
        self._looks_at = mapper.looks_at
        self._skipped = set[bytes]()  # keys judged as skipped, even if the table has been drained
        self._in_table = set[bytes]()  # those of them that are in the table now
        self._kinds = Counter[str]()  # the lines of forgotten keys
        self._has_odd = False
        self._mapping = mapper.key_map and _mapping_of(mapper.key_map)
        self._maps = mapper.looks_at is True  # else only if a key that must be mapped is met
        self._lines = 0  # those of tables whose raw keys have been mapped

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        scan = self._table.scan(block, self._looks_at)
        try:
            refused = self._refused(scan.fresh)
        except KeyFailedError as error:
            raise self._line_failed(block, error) from error
        junk = [key for key, judgement in refused.items() if judgement is not SKIPPED]
        skipped = refused.keys() - junk
        self._in_table |= skipped
        self._skipped |= skipped
        keys = scan.known - len(junk) - len(self._in_table)
        forgotten = self._forget_skipped() if len(self._skipped) > REMEMBERED else 0
        malformed = scan.misshapen + sum(self._table.forget(junk))
        if self._mapping and self._maps:
            if scan.known >= self._mapping.most_raw_keys:
                forgotten += self._map_table(self._mapping)
            keys = self._mapping.keys
        where = self._locate(block, min(wanted, malformed)) if wanted and malformed else ()
        return Tally(scan.lines, scan.empty + forgotten, malformed, where, keys)

    def _refused(self, keys: Sequence[bytes]) -> dict[bytes, Judgement]:
        accepted, known = self._mapper.accepted.fullmatch, self._skipped
        judged = {
            key: SKIPPED if key in known else self._judge_key(key)
            for key in keys
            if not accepted(key)
        }
        return {key: judgement for key, judgement in judged.items() if judgement is not None}

    def _judge_key(self, key: bytes) -> Judgement:
        """Let the job judge a key, then read the values behind it that the kernel cannot add."""
        plain, texts = self._mapper.odd.cut(key)
        judgement = self._mapper.judge(plain)
        if judgement is not None:
            return judgement
        if self._mapping:
            self._maps = True
            if (judgement := self._mapping.judge(plain)) is not None:
                return judgement
        for measure, text in zip(self._mapper.measures if texts else (), texts, strict=True):
            if measure.read(text) is None:
                return f"{measure.name} {excerpt(text)} is not a whole number"
        self._has_odd |= bool(texts)
        return None

    def drain(self) -> Drained:
        skipped = self._forget_skipped()
        kinds, self._kinds = self._kinds, Counter()
        totals = self._drain_table()
        lines, self._lines = self._lines + totals.lines, 0
        if self._mapping and self._maps:
            totals = self._mapping.take(totals)
        return Drained(totals, lines, skipped, kinds=kinds)

    def _drain_table(self) -> Totals:
        odd = self._mapper.odd if self._has_odd else None
        return Totals(self._table.drain(), self._mapper.measures, odd)

    def _map_table(self, mapping: KeyMapping) -> int:
        """Map the raw keys of the table and begin a new one; return how many lines were skipped."""
        skipped = self._forget_skipped()
        totals = self._drain_table()
        self._lines += totals.lines
        mapping.keep(totals)
        self._table = self._mapper.table()
        return skipped

    def _forget_skipped(self) -> int:
        """Remove skipped keys from the table; return the number of their lines."""
        keys = [*self._in_table]
        skipped = self._table.forget(keys)
        if self._mapper.kind_of:
            self._note_kinds(self._mapper.kind_of, zip(keys, skipped, strict=True))
        self._in_table.clear()
        if len(self._skipped) > REMEMBERED:
            self._skipped.clear()
        return sum(skipped)

    def _note_kinds(
        self, kind_of: Callable[[bytes], str], forgotten: Iterable[tuple[bytes, int]]
    ) -> None:
        """Count the lines of forgotten keys by the kinds of the keys."""
        for key, lines in forgotten:
            if lines and (kind := kind_of(self._mapper.odd.cut(key)[0])):
                self._kinds[kind] += lines

    def _locate(self, block: memoryview, wanted: int) -> list[tuple[int, str]]:
        from mapreduce.mapping.lines import lines_of  # noqa: PLC0415 - for malformed lines only

        found = []
        for offset, line in lines_of(block):
            judgement = self._judge_line(line)
            if isinstance(judgement, str):
                found.append((offset, judgement))
                if len(found) == wanted:
                    break
        return found

    def _line_failed(self, block: memoryview, error: KeyFailedError) -> LineFailedError:
        """Return the error that names the first line with the key for which the job has failed."""
        from mapreduce.mapping.keys import line_of_key  # noqa: PLC0415 - for failures only
        from mapreduce.mapping.lines import lines_of  # noqa: PLC0415

        cut, read_line = self._mapper.odd.cut, self._mapper.read_line
        keys = ((offset, read_line(line)) for offset, line in lines_of(block) if line)
        found = ((at, cut(key)[0] if isinstance(key, bytes) else None) for at, key in keys)
        return line_of_key(found, error)

    def _judge_line(self, line: bytes) -> Judgement:
        if not line:
            return SKIPPED
        key = self._mapper.read_line(line)
        return self._judge_key(key) if isinstance(key, bytes) else key


def excerpt(value: bytes) -> str:
    """Return the beginning of a value, escaped for a message."""
    return repr(value[:20])[1:] + ("..." if len(value) > 20 else "")
