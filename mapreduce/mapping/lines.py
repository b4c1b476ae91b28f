"""Count the keys that a function returns for each line.

Such a function makes the simplest job. A line is skipped if the function returns no keys. It is
malformed if the function raises ``Malformed``; the text of the exception is the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
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
        self._reset()

    def _reset(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._values: list[dict[bytes, Any]] = [{} for _ in self._mapper.measures]
        self._counted = 0

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        map_line, found = self._mapper.map_line, list[Any]()
        lines = skipped = malformed = 0
        where: list[tuple[int, str]] = []
        for offset, line in lines_of(block):
            lines += 1
            try:
                keys = list(map_line(line))
            except Malformed as error:
                malformed += 1
                if len(where) < wanted:
                    where.append((offset, str(error)))
                continue
            except (Exception, SystemExit) as error:
                raise LineFailedError(offset, _plainer(error, map_line, line)) from error
            found += keys
            skipped += not keys
        self._counted += lines - skipped - malformed
        self._add(found, block)
        return Tally(lines, skipped, malformed, where, len(self._counts))

    def drain(self) -> Drained:
        totals = Totals([self._counts, *self._values], self._mapper.measures)
        drained = Drained(totals, self._counted)
        self._reset()
        return drained

    def _add(self, found: list[Any], block: memoryview) -> None:
        """Count the keys of a block; if one is wrong, find the line that it is from."""
        known = len(self._counts)
        try:
            if self._mapper.measures:
                self._add_values(found)
            else:
                self._counts.update(found)
        except (TypeError, ValueError):
            self._blame_line(block)
            raise
        fresh = islice(reversed(self._counts), len(self._counts) - known)
        if any(type(key) is not bytes for key in fresh):
            self._blame_line(block)

    def _add_values(self, found: list[tuple[Any, ...]]) -> None:
        measures = self._mapper.measures
        for key, *values in found:
            self._counts[key] += 1
            for held, measure, value in zip(self._values, measures, values, strict=True):
                held[key] = measure.merge(held[key], value) if key in held else value

    def _blame_line(self, block: memoryview) -> None:
        """Raise ``LineFailedError`` for the first line whose keys are not what they must be."""
        for offset, line in lines_of(block):
            with suppress(Malformed):
                for each in self._mapper.map_line(line):
                    if problem := wrong_key(each, len(self._mapper.measures)):
                        raise LineFailedError(offset, TypeError(problem))


def wrong_key(found: object, measures: int) -> str:
    """Return what is wrong with a key that a line function has returned; empty if nothing is."""
    if measures and not (isinstance(found, tuple) and len(found) == 1 + measures):
        return (
            f"with {measures} measure{'s' if measures > 1 else ''} the function returns a list of "
            f"tuples of a key and {measures} more; {found!r:.60} is none"
        )
    key = found[0] if measures and isinstance(found, tuple) else found
    if type(key) is bytes:
        return ""
    if isinstance(key, tuple):
        return f"the key {key!r:.60} is a tuple: only a mapper that has measures takes tuples"
    return (
        f"the key {key!r:.60} is {type(key).__name__}, and keys are bytes: return a list of them, "
        "such as [line[:3]], and encode text with .encode()"
    )


def _plainer(
    error: BaseException, map_line: Callable[[bytes], Iterable[Any]], line: bytes
) -> BaseException:
    """Return an error that says more, if a line function returned what is no list at all."""
    if error.__traceback__ is None or error.__traceback__.tb_next is not None:
        return error  # raised by the function itself
    returned = map_line(line)
    return TypeError(
        f"the function returned {returned!r:.60}, and must return a list of keys; [] skips the line"
    )


def lines_of(block: memoryview) -> Iterator[tuple[int, bytes]]:
    r"""Yield (byte offset, line) for each line of a block, without its ``\n`` or ``\r\n``."""
    offset = 0
    for line in bytes(block)[:-1].split(b"\n"):
        yield offset, line.removesuffix(b"\r")
        offset += len(line) + 1
