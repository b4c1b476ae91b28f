"""Say what a mapper is: the half of a job that runs in the workers.

A mapper is a small, frozen, hashable value that can be pickled, because it is sent with every task.
Its state, a combiner, stays in a worker from split to split until the run ends. So a worker judges
each key once, and not once for each split.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

from mapreduce.errors import UsageError
from mapreduce.kernel.pace import PYTHON, Pace
from mapreduce.reducing.measures import Measure
from mapreduce.reducing.partial import NO_KINDS
from mapreduce.reducing.totals import Totals


class Verdict(enum.Enum):
    """Why a line is not counted although nothing is wrong with it."""

    SKIPPED = "skipped"


SKIPPED: Final = Verdict.SKIPPED

Judgement: TypeAlias = str | Verdict | None
"""``None``: the line is counted. ``SKIPPED``: it holds no data. A text: why it is malformed."""


class KeyFailedError(Exception):
    """The function of the job raised ``cause`` for a raw key, or returned what is no key."""

    def __init__(self, key: bytes, cause: BaseException) -> None:
        super().__init__(key, cause)
        self.key, self.cause = key, cause


class LineFailedError(Exception):
    """The job's own code raised ``cause`` for the line at byte ``offset`` of the block."""

    def __init__(self, offset: int, cause: BaseException) -> None:
        super().__init__(offset, cause)
        self.offset, self.cause = offset, cause


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of lines of one block by class, and where the first malformed ones are.

    ``malformed_at`` holds (byte offset in the block, reason) in order. ``keys`` is the number of
    distinct keys that the combiner now holds.
    """

    lines: int
    skipped: int
    malformed: int
    malformed_at: Sequence[tuple[int, str]] = ()
    keys: int = 0


class Drained(NamedTuple):
    """What a combiner has counted since its last drain.

    ``counted`` is the number of lines in ``totals``. ``skipped`` is the number of skipped lines
    that no tally has reported. ``notes`` are sentences for the user about the result.
    ``kinds`` are the numbers of skipped lines by their kind, reported by tallies or not; lines of
    no particular kind are left out.
    """

    totals: Totals
    counted: int
    skipped: int = 0
    notes: frozenset[str] = frozenset()
    kinds: Mapping[str, int] = NO_KINDS


class Combiner(Protocol):
    """The state of a mapper in one worker: it counts block after block."""

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        r"""Count one block of whole lines, each with ``\n`` at its end.

        Locate the first ``wanted`` malformed lines.
        """

    def drain(self) -> Drained:
        """Return what has been counted since the last drain."""


class Mapper:
    """Subclass this to write a mapper; define ``start`` and whatever differs from the defaults.

    ``measures`` are kept for each key in addition to the count. ``key_separator`` cuts a key into
    ``key_columns`` columns. ``pace`` tells the planner how fast the mapper counts. ``layout`` is
    shown by ``--explain`` and says how lines are read. ``titles`` name the columns of the key, if
    the mapper knows them. ``column_separator`` stands between the columns of a table that is no
    text. With ``skips_first_line``, the first line of each input is a header and is skipped. With
    ``record_delimiter``, which separates fields, a field in quotes may hold line ends: an input is
    read as a whole (see ``formats.records``).
    """

    measures: tuple[Measure, ...] = ()
    key_columns: int = 1
    key_separator: bytes | None = None
    column_separator: bytes | None = None
    pace: Pace = PYTHON
    layout: str = ""
    titles: tuple[str, ...] = ()
    skips_first_line: bool = False
    record_delimiter: bytes | None = None

    def start(self) -> Combiner:
        """Return a new combiner. A worker calls this once in a run."""
        raise NotImplementedError(f"{type(self).__name__} needs a method start")

    def for_first_line(self, _line: bytes, /) -> Mapper:
        """Return the mapper for an input of text with this first line, without its line end.

        Raises ``UsageError`` if the mapper needs another first line.
        """
        return self

    def for_columns(self, _names: Sequence[str], /) -> tuple[tuple[str, ...], Mapper]:
        """Choose columns of a table that has columns ``_names``; return them and their mapper.

        Raises ``UsageError`` if the mapper counts lines of text and not columns.
        """
        raise UsageError(
            "this job counts lines of text, not columns of a table; write the table as text first"
        )
