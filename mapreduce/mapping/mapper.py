"""What a mapper is: the half of a job that runs in the workers.

A mapper is a small, frozen, hashable value that can be pickled, because it travels with every task.
Its live state, a combiner, stays in a worker from split to split for as long as the run lasts, so
that a worker judges each key once and not once for each split.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

from mapreduce.errors import UsageError
from mapreduce.kernel.pace import PYTHON, Pace
from mapreduce.reducing.measures import Measure
from mapreduce.reducing.totals import Totals


class Verdict(enum.Enum):
    """Why a line is not counted although nothing is wrong with it."""

    SKIPPED = "skipped"


SKIPPED: Final = Verdict.SKIPPED

Judgement: TypeAlias = str | Verdict | None
"""``None``: counted. ``SKIPPED``: carries no data by its own format. A text: malformed, and why."""


class LineFailedError(Exception):
    """A job's own code raised ``cause`` at the line that begins at an offset of the block."""

    def __init__(self, offset: int, cause: BaseException) -> None:
        super().__init__(offset, cause)
        self.offset, self.cause = offset, cause


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the lines of one block, and where the first malformed ones lie.

    ``malformed_at`` holds (byte offset in the block, reason) in order. ``keys`` is how many
    distinct keys the combiner holds by now.
    """

    lines: int
    skipped: int
    malformed: int
    malformed_at: Sequence[tuple[int, str]] = ()
    keys: int = 0


class Drained(NamedTuple):
    """The totals, how many lines they count, how many more lines were skipped than the tallies say.

    ``notes`` are sentences that a reader of the result should know.
    """

    totals: Totals
    counted: int
    skipped: int = 0
    notes: frozenset[str] = frozenset()


class Combiner(Protocol):
    """A mapper at work: it counts block after block into a table of its own."""

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        r"""Count one block of whole lines, each ended by ``\n``.

        Locate the first ``wanted`` malformed lines.
        """

    def drain(self) -> Drained:
        """Return what has been counted since the last drain."""


class Mapper:
    """Subclass this for a mapper of your own; give it ``start`` and what differs from the defaults.

    ``measures`` are kept by key besides the count. ``key_columns`` is the number of columns that
    ``key_separator`` cuts a key into. ``pace`` tells the planner how fast the mapper counts, and
    ``layout`` tells a reader of the plan how lines are read.
    """

    measures: tuple[Measure, ...] = ()
    key_columns: int = 1
    key_separator: bytes | None = None
    pace: Pace = PYTHON
    layout: str = ""

    def start(self) -> Combiner:
        """Return fresh state. A worker calls this once in a run."""
        raise NotImplementedError(f"{type(self).__name__} needs a method start")

    def for_columns(self, _names: Sequence[str], /) -> tuple[tuple[str, ...], Mapper]:
        """Return the columns that are needed of a table with these, and a mapper of their lines.

        Raises ``UsageError`` if the mapper counts lines of text and not columns.
        """
        raise UsageError("this job counts lines of text, and not the columns of a table")
