"""Count the keys that a function returns for each line, and merge their values by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mapreduce.errors import Malformed, ReturnError
from mapreduce.mapping.keys import KeyMap, KeyMapping
from mapreduce.mapping.lines import LineMapper, lines_of
from mapreduce.mapping.mapper import SKIPPED, Drained, KeyFailedError, LineFailedError, Tally
from mapreduce.mapping.returned import no_keys, wrong_key
from mapreduce.reducing.totals import Totals


class ValueCombiner:
    """Counts the keys of lines and merges their values in the dictionaries of one worker."""

    def __init__(self, mapper: LineMapper) -> None:
        self._mapper = mapper
        self._mapping = KeyMapping(KeyMap(mapper.map_key)) if mapper.map_key else None
        self._reset()

    def _reset(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._values: list[dict[bytes, Any]] = [{} for _ in self._mapper.measures]
        self._counted = 0

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        found, where = list[Any](), list[tuple[int, str]]()
        lines = skipped = malformed = 0
        for offset, line in lines_of(block):
            lines += 1
            try:
                keys = self._keys_of(line)
            except Malformed as error:
                malformed += 1
                if len(where) < wanted:
                    where.append((offset, str(error)))
                continue
            except KeyFailedError as error:
                raise LineFailedError(offset, error.cause) from error
            except (Exception, SystemExit) as error:
                raise LineFailedError(offset, error) from error
            found += keys
            skipped += not keys
        self._counted += lines - skipped - malformed
        self._add(found, block)
        return Tally(lines, skipped, malformed, where, len(self._counts))

    def drain(self) -> Drained:
        totals = Totals([self._counts, *self._values], self._mapper.measures)
        counted = self._counted
        self._reset()
        return Drained(self._mapping.map_totals(totals) if self._mapping else totals, counted)

    def _keys_of(self, line: bytes) -> list[Any]:
        """Return the keys of a line with their values, without those that are skipped."""
        found = self._mapper.map_line(line)
        if found is None:
            return []
        if not isinstance(found, Iterable):
            raise ReturnError(no_keys(found), self._mapper.map_line)
        keys = list(found)
        if self._mapping is None:
            return keys
        return [key for key in keys if not self._is_skipped(key)]

    def _is_skipped(self, found: Any) -> bool:
        """Return whether a key is skipped. Raises ``Malformed`` for one that is malformed."""
        if self._mapping is None or wrong_key(found, len(self._mapper.measures)):
            return False
        judgement = self._mapping.judge(found[0])
        if isinstance(judgement, str):
            raise Malformed(judgement)
        return judgement is SKIPPED

    def _add(self, found: list[tuple[Any, ...]], block: memoryview) -> None:
        """Count the keys of a block; if one is wrong, find the line that it is from."""
        if any(map(self._is_wrong, found)):
            self._blame_line(block)
        measures = self._mapper.measures
        for key, *values in found:
            self._counts[key] += 1
            for held, measure, value in zip(self._values, measures, values, strict=True):
                held[key] = measure.merge(held[key], value) if key in held else value

    def _is_wrong(self, found: Any) -> bool:
        return bool(wrong_key(found, len(self._mapper.measures)))

    def _blame_line(self, block: memoryview) -> None:
        """Raise ``LineFailedError`` for the first line whose keys are not what they must be."""
        for offset, line in lines_of(block):
            with suppress(Malformed):
                for each in self._keys_of(line):
                    if problem := wrong_key(each, len(self._mapper.measures)):
                        raise LineFailedError(offset, ReturnError(problem, self._mapper.map_line))
