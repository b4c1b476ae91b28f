"""What a job is: a mapper for the workers, and ``finish`` for the parent.

A job is a pure value. Its ``mapper`` is small, frozen, hashable and picklable, because it travels
with every task; what only ``finish`` needs (a lookup table of any size) never leaves the parent.
The mapper's live state, a combiner, stays in its worker from split to split, so that a key is
judged once per worker and not once per split.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

from mapreduce.outputs.table import Table
from mapreduce.reducing.counts import Counts, ranked


class Verdict(enum.Enum):
    """Why a line is not counted although nothing is wrong with it."""

    SKIPPED = "skipped"


SKIPPED: Final = Verdict.SKIPPED

Judgement: TypeAlias = str | Verdict | None
"""``None``: counted. ``SKIPPED``: carries no data by its own format. A text: malformed, and why."""


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
    """The counts, how many lines they count, and how many were skipped that no tally told of."""

    counts: Counts
    counted: int
    skipped: int = 0


class Combiner(Protocol):
    """A mapper at work: it counts block after block into a table of its own."""

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        r"""Count one block of whole lines, each ended by ``\n``; locate ``wanted`` malformed."""

    def drain(self) -> Drained:
        """Return what has been counted since the last drain."""


class Mapper(Protocol):
    """The worker's half of a job as a frozen, hashable, picklable value."""

    def start(self) -> Combiner:
        """Return fresh state, once per worker."""


class Job(Protocol):
    """Anything that can be counted.

    ``finish`` is given a Counter. A job whose ``takes_packed`` is true is given the counts as they
    come, packed or a Counter: for ``ranked``, with millions of keys ten times faster, and for
    ``columns``, the sums of its mapper's weights. A job
    that has ``mapper_for(name, first_line)``, which gives a Mapper, decides in the parent what an
    input looks like: by its first line, without its end, or ``split.FIRST`` bytes of it. A job that
    has a ``selector`` (``inputs.names.Selector``) chooses among the files that were named or found.
    """

    @property
    def mapper(self) -> Mapper:
        """The half that runs in the workers."""

    @property
    def outputs(self) -> Sequence[str]:
        """The file names of the tables that ``finish`` will make."""

    @property
    def side_inputs(self) -> Sequence[Path]:
        """Files that the job itself was built from; no output may overwrite them."""

    def finish(self, counts: Counter[bytes], /) -> Sequence[Table]:
        """Turn the merged counts into tables; runs once, in the parent."""


@dataclass(frozen=True)
class KeyCount:
    """The plainest job: one table of keys and counts, the most frequent first."""

    mapper: Mapper
    output: str
    header: tuple[str, ...]
    side_inputs: Sequence[Path] = ()

    @property
    def outputs(self) -> Sequence[str]:
        return (self.output,)

    def finish(self, counts: Counter[bytes], /) -> Sequence[Table]:
        rows = ranked(counts)
        return [Table(self.output, self.header, rows, note=f"{len(rows):,} keys")]
