"""Lift a function from one line to its keys into a mapper of blocks.

The simplest job is such a function. A line without keys carries no data and is skipped; a line for
which the function raises ``Malformed`` is malformed, and the exception's text is the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mapreduce.job import Drained, Tally
from mapreduce.mapping.fields import lines_of


class Malformed(ValueError):  # noqa: N818 - the field's term for such a line
    """Raised by a job's line function to refuse the line."""


@dataclass(frozen=True)
class LineMapper:
    r"""Counts the keys that ``map_line`` returns for each line (without ``\n`` or ``\r\n``)."""

    map_line: Callable[[bytes], Iterable[bytes]]

    def start(self) -> LineCombiner:
        return LineCombiner(self.map_line)


class LineCombiner:
    """The live Counter of one worker."""

    def __init__(self, map_line: Callable[[bytes], Iterable[bytes]]) -> None:
        self._map_line = map_line
        self._counts: Counter[bytes] = Counter()
        self._counted = 0

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        lines = skipped = malformed = 0
        where: list[tuple[int, str]] = []
        for offset, line in lines_of(block):
            lines += 1
            try:
                keys = list(self._map_line(line))
            except Malformed as error:
                malformed += 1
                if len(where) < wanted:
                    where.append((offset, str(error)))
                continue
            skipped += not keys
            self._counted += bool(keys)
            self._counts.update(keys)
        return Tally(lines, skipped, malformed, where, len(self._counts))

    def drain(self) -> Drained:
        drained = Drained(self._counts, self._counted)
        self._counts, self._counted = Counter(), 0
        return drained
