"""Count words: every run of bytes that are not ASCII white space."""

from __future__ import annotations

from dataclasses import dataclass

from mapreduce.kernel import NAME, VARIANTS
from mapreduce.kernel.pace import PYTHON, WORDS, Pace
from mapreduce.mapping.keys import KeyCounter, KeyMap, MapKey, line_of_key
from mapreduce.mapping.lines import lines_of
from mapreduce.mapping.mapper import Drained, KeyFailedError, Mapper, Tally


@dataclass(frozen=True)
class WordMapper(Mapper):
    """Counts the words of each line; a line without a word is skipped.

    ``map_key`` is called once for each distinct word and returns the key to count, or ``SKIPPED``.
    A line with a word is counted even if all its words are skipped.
    """

    map_key: MapKey | None = None
    titles = ("Word",)
    layout = "words between ASCII white space"

    @property
    def pace(self) -> Pace:  # type: ignore[override]
        """How fast the kernel is."""
        return WORDS if NAME in VARIANTS else PYTHON

    def start(self) -> WordCombiner:
        return WordCombiner(self)


class WordCombiner:
    """Counts words in the kernel's table of one worker."""

    def __init__(self, mapper: WordMapper) -> None:
        self._counter = KeyCounter(KeyMap(mapper.map_key) if mapper.map_key else None)

    def map_block(self, block: memoryview, _wanted: int, /) -> Tally:
        try:
            scan = self._counter.words(block)
        except KeyFailedError as error:
            words = ((at, word) for at, line in lines_of(block) for word in line.split())
            raise line_of_key(words, error) from error
        return Tally(scan.lines, scan.empty, 0, (), self._counter.keys)

    def drain(self) -> Drained:
        return self._counter.drain()
