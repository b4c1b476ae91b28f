"""The result of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mapreduce.outputs.stats import Stats
from mapreduce.outputs.table import Table
from mapreduce.reducing.totals import Totals

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Reject


@dataclass(frozen=True)
class Result:
    """The job's tables, the figures of the run, the totals by key and the first malformed lines.

    ``written`` are the paths of the tables. ``notes`` are sentences for the user.
    """

    tables: Sequence[Table]
    stats: Stats
    totals: Totals = field(repr=False)
    rejects: Sequence[Reject] = ()
    written: Sequence[Path] = ()
    notes: Sequence[str] = ()

    @cached_property
    def counts(self) -> Counter[bytes]:
        """How often each key was counted, computed when it is first asked for."""
        return self.totals.counts
