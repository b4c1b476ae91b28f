"""Count lines by the groups of a regular expression."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from typing import Any, Self

from mapreduce.kernel import SEPARATOR
from mapreduce.mapping.counting import excerpt
from mapreduce.mapping.header import title
from mapreduce.mapping.keys import (
    KeyCounter,
    KeyMap,
    KeyMapping,
    MapKey,
    at_line_feeds,
    line_of_key,
    whole,
)
from mapreduce.mapping.lines import lines_of, whole_lines
from mapreduce.mapping.mapper import Combiner, Drained, Judgement, KeyFailedError, Mapper, Tally
from mapreduce.mapping.patterns import at_once
from mapreduce.reducing.measures import Sum
from mapreduce.reducing.totals import Totals


@dataclass(frozen=True)
class RegexMapper(Mapper):
    r"""Counts lines in which ``pattern`` is found, by its groups ``fields``.

    Groups are named or numbered from 1; without ``fields``, the key is all groups. The first match
    in a line counts. A group that took no part in it is empty. A line without a match is skipped.
    ``pattern`` matches bytes; write it as text only if it is ASCII. A line is searched without its
    ``\n`` or ``\r\n``.

    ``summed`` are the groups whose integers are added for each key; empty or ``-`` adds 0, and a
    line with any other text there is malformed. ``map_key`` is called once for each distinct key
    with its groups; it returns the key to count, or ``SKIPPED``, or raises ``Malformed``.
    ``key_columns`` is the number of columns of what it returns; 0 means as many as ``fields``.
    ``titles`` has a title for each column; by default, one for each group if no keys are mapped.
    """

    pattern: bytes | str
    fields: tuple[int | str, ...] = ()
    summed: tuple[int | str, ...] = ()
    map_key: MapKey | None = None
    key_columns: int = 0
    measures: tuple[Sum, ...] = ()
    titles: tuple[str, ...] = ()
    key_separator = SEPARATOR

    def __post_init__(self) -> None:
        if isinstance(self.pattern, str) and not self.pattern.isascii():
            raise ValueError("the pattern matches bytes: write it as bytes, or in ASCII only")
        groups = self.compiled().groups
        if not groups:
            raise ValueError("the pattern has no group: put (...) around the key")
        object.__setattr__(self, "fields", self.fields or tuple(range(1, groups + 1)))
        self.places(self.fields + self.summed)
        if self.key_columns and not self.map_key:
            raise ValueError("key_columns needs a map_key: without it a key has its own columns")
        object.__setattr__(self, "key_columns", self.key_columns or len(self.fields))
        if not self.titles and not self.map_key:
            object.__setattr__(self, "titles", tuple(map(title, self.fields)))
        sums = tuple(Sum(f"group {group}", (b"", b"-")) for group in self.summed)
        object.__setattr__(self, "measures", self.measures or sums)
        if len(self.measures) != len(self.summed):
            raise ValueError(f"{len(self.measures)} measures for {len(self.summed)} groups")

    def map_keys(self, function: MapKey, *titles: str) -> Self:
        """Return a mapper that gives each key to a function, as ``ShapeMapper.map_keys`` does."""
        return replace(self, map_key=function, key_columns=len(titles), titles=titles)

    @property
    def layout(self) -> str:  # type: ignore[override]
        """Which groups of a line are counted, in words."""
        return f"groups {', '.join(map(str, self.fields))} of {self.pattern!r}"

    @property
    def bytes_pattern(self) -> bytes:
        """The pattern as bytes."""
        return self.pattern.encode() if isinstance(self.pattern, str) else self.pattern

    def compiled(self) -> re.Pattern[bytes]:
        """Return the pattern that searches one line. Raises ``ValueError`` if it is none."""
        try:
            return re.compile(self.bytes_pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error

    def places(self, groups: tuple[int | str, ...]) -> tuple[int, ...]:
        """Return where groups stand among all groups, from 0."""
        compiled = self.compiled()
        numbers = [
            compiled.groupindex.get(one, 0) if isinstance(one, str) else one for one in groups
        ]
        for group, number in zip(groups, numbers, strict=True):
            if not 1 <= number <= compiled.groups:
                known = ", ".join([*compiled.groupindex, f"1 to {compiled.groups}"])
                raise ValueError(f"the pattern has no group {group}; it has {known}")
        return tuple(number - 1 for number in numbers)

    def start(self) -> Combiner:
        return SumCombiner(self) if self.summed else RegexCombiner(self)


class Searcher:
    """Finds chosen groups in the lines of a block: one as bytes, several as tuples."""

    def __init__(self, mapper: RegexMapper) -> None:
        self._places = mapper.places(mapper.fields + mapper.summed)
        self._search, self._groups = mapper.compiled().search, mapper.compiled().groups
        at_once_pattern = at_once(mapper.bytes_pattern)
        self._find_all = at_once_pattern.findall if at_once_pattern else None
        self._choose: Callable[[Any], Any] = itemgetter(*self._places)

    def find(self, block: memoryview) -> list[Any]:
        """Return what is found in the lines of a block that have a match."""
        if self._find_all is None:
            found = map(self._search, whole_lines(block))
            return [self._choose(match.groups(b"")) for match in found if match]
        text = bytes(block)
        rows = self._find_all(text.replace(b"\r\n", b"\n") if b"\r" in text else text)
        if self._groups == 1:
            return rows if len(self._places) == 1 else [(one,) * len(self._places) for one in rows]
        if self._places == tuple(range(self._groups)):
            return rows
        return [*map(self._choose, rows)]

    def find_by_line(self, block: memoryview) -> Iterator[tuple[int, Any]]:
        """Yield the offset of each line that has a match, and what is found in it."""
        for offset, line in lines_of(block):
            if match := self._search(line):
                yield offset, self._choose(match.groups(b""))


class RegexCombiner:
    """Counts groups in the kernel's table of one worker."""

    def __init__(self, mapper: RegexMapper) -> None:
        self._columns, self._searcher = len(mapper.fields), Searcher(mapper)
        self._counter = KeyCounter(_key_map(mapper))

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        found, lines = self._searcher.find(block), bytes(block).count(b"\n")
        try:
            counted, malformed = self._counter.add(found, self._columns)
        except KeyFailedError as error:
            raise line_of_key(self._keys_by_line(block), error) from error
        wanted = min(wanted, malformed)
        where = list(islice(self._counter.malformed(self._keys_by_line(block)), wanted))
        return Tally(lines, lines - counted - malformed, malformed, where, self._counter.keys)

    def drain(self) -> Drained:
        return self._counter.drain()

    def _keys_by_line(self, block: memoryview) -> Iterator[tuple[int, bytes]]:
        for offset, found in self._searcher.find_by_line(block):
            yield offset, found if self._columns == 1 else SEPARATOR.join(found)


class SumCombiner:
    """Counts groups and adds the integers of others in the dictionaries of one worker."""

    def __init__(self, mapper: RegexMapper) -> None:
        self._mapper, self._searcher = mapper, Searcher(mapper)
        key_map = _key_map(mapper)
        self._mapping = KeyMapping(key_map) if key_map else None
        self._lines = 0  # those whose raw keys have been mapped
        self._reset()

    def _reset(self) -> None:
        self._counts = Counter[bytes]()
        self._sums: list[dict[bytes, Any]] = [{} for _ in self._mapper.measures]

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        lines, counted, where = bytes(block).count(b"\n"), 0, list[tuple[int, str]]()
        judgements = Counter[str]()
        for row in self._searcher.find(block):
            try:
                judgement = self._add(row)
            except KeyFailedError as error:
                raise line_of_key(self._keys_by_line(block), error) from error
            counted += judgement is None
            judgements["malformed"] += isinstance(judgement, str)
        malformed = judgements["malformed"]
        if wanted and malformed:
            found = ((at, self._judge(row)) for at, row in self._searcher.find_by_line(block))
            bad = ((at, reason) for at, reason in found if isinstance(reason, str))
            where = list(islice(bad, wanted))
        keys = len(self._counts)
        if self._mapping:
            if keys >= self._mapping.most_raw_keys:
                self._mapping.keep(self._drain_raw())
            keys = self._mapping.keys
        return Tally(lines, lines - counted - malformed, malformed, where, keys)

    def drain(self) -> Drained:
        totals = self._drain_raw()
        counted, self._lines = self._lines, 0
        return Drained(self._mapping.take(totals) if self._mapping else totals, counted)

    def _drain_raw(self) -> Totals:
        totals = Totals([self._counts, *self._sums], self._mapper.measures)
        self._lines += totals.lines
        self._reset()
        return totals

    def _add(self, row: tuple[bytes, ...]) -> Judgement:
        """Count a line, unless it is skipped or malformed."""
        judgement = self._judge(row)
        if judgement is None:
            key = self._key_of(row)
            texts = row[len(self._mapper.fields) :]
            self._counts[key] += 1
            for sums, measure, text in zip(self._sums, self._mapper.measures, texts, strict=True):
                sums[key] = measure.merge(sums.get(key, 0), measure.read(text))
        return judgement

    def _judge(self, row: tuple[bytes, ...]) -> Judgement:
        texts = row[len(self._mapper.fields) :]
        judgement = self._mapping.judge(self._key_of(row)) if self._mapping else None
        if judgement is not None:
            return judgement
        for measure, text in zip(self._mapper.measures, texts, strict=True):
            if measure.read(text) is None:
                return f"{measure.name} {excerpt(text)} is not a number"
        return None

    def _key_of(self, row: tuple[bytes, ...]) -> bytes:
        return SEPARATOR.join(row[: len(self._mapper.fields)])

    def _keys_by_line(self, block: memoryview) -> Iterator[tuple[int, bytes]]:
        for offset, row in self._searcher.find_by_line(block):
            yield offset, self._key_of(row)


def _key_map(mapper: RegexMapper) -> KeyMap | None:
    fields_of = at_line_feeds if len(mapper.fields) > 1 else whole
    return KeyMap(mapper.map_key, mapper.key_columns, fields_of) if mapper.map_key else None
