"""Count the keys that a function returns for each line.

Such a function makes the simplest job. A line is skipped if the function returns no keys. It is
malformed if the function raises ``Malformed``; the text of the exception is the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mapreduce.mapping.mapper import Drained, LineFailedError, Mapper, Tally
from mapreduce.reducing.measures import Measure
from mapreduce.reducing.totals import Totals


class Malformed(ValueError):  # noqa: N818 - the field's term for such a line
    """Raised by a job's line function to refuse the line."""


@dataclass(frozen=True)
class LineMapper(Mapper):
    r"""Counts the keys that ``map_line`` returns for each line (without ``\n`` or ``\r\n``).

    Keys are bytes. With ``measures`` it returns tuples of a key and one value for each measure.
    """

    map_line: Callable[[bytes], Iterable[Any]]
    measures: tuple[Measure, ...] = ()

    def start(self) -> LineCombiner:
        return LineCombiner(self)


class LineCombiner:
    """Counts the keys of lines in the dictionaries of one worker."""

    def __init__(self, mapper: LineMapper) -> None:
        self._mapper = mapper
        self._add = self._add_values if mapper.measures else self._add_keys
        self._reset()

    def _reset(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._values: list[dict[bytes, Any]] = [{} for _ in self._mapper.measures]
        self._counted = 0

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        lines = skipped = malformed = 0
        where: list[tuple[int, str]] = []
        known = len(self._counts)
        for offset, line in lines_of(block):
            lines += 1
            try:
                found = list(self._mapper.map_line(line))
                self._add(found)
            except Malformed as error:
                malformed += 1
                if len(where) < wanted:
                    where.append((offset, str(error)))
                continue
            except (Exception, SystemExit) as error:
                raise LineFailedError(offset, error) from error
            skipped += not found
            self._counted += bool(found)
        self._check_keys(len(self._counts) - known, block)
        return Tally(lines, skipped, malformed, where, len(self._counts))

    def drain(self) -> Drained:
        totals = Totals([self._counts, *self._values], self._mapper.measures)
        drained = Drained(totals, self._counted)
        self._reset()
        return drained

    def _add_keys(self, found: list[bytes]) -> None:
        self._counts.update(found)

    def _add_values(self, found: list[tuple[Any, ...]]) -> None:
        for key, *values in found:
            self._counts[key] += 1
            for held, measure, value in zip(
                self._values, self._mapper.measures, values, strict=True
            ):
                held[key] = measure.merge(held[key], value) if key in held else value

    def _check_keys(self, fresh: int, block: memoryview) -> None:
        """Raise if one of the ``fresh`` last keys is not bytes, and find the line that has it."""
        wrong = [key for key in islice(reversed(self._counts), fresh) if type(key) is not bytes]
        if not wrong:
            return
        problem = TypeError(
            f"the key {wrong[-1]!r} is {type(wrong[-1]).__name__}, and keys are bytes: return "
            "a list of them, such as [line[:3]], and encode text with .encode()"
        )
        for offset, line in lines_of(block):
            if any(type(key) is not bytes for key in self._keys(line)):
                raise LineFailedError(offset, problem)
        raise problem

    def _keys(self, line: bytes) -> Iterator[Any]:
        try:
            found = list(self._mapper.map_line(line))
        except Malformed:
            return
        yield from (each[0] for each in found) if self._mapper.measures else found


def lines_of(block: memoryview) -> Iterator[tuple[int, bytes]]:
    r"""Yield (byte offset, line) for each line of a block, without its ``\n`` or ``\r\n``."""
    offset = 0
    for line in bytes(block)[:-1].split(b"\n"):
        yield offset, line.removesuffix(b"\r")
        offset += len(line) + 1
