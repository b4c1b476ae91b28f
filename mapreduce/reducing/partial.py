"""The partial result that travels from a mapper to the reducers and, merged, becomes the whole."""

from __future__ import annotations

from dataclasses import dataclass

from mapreduce.outputs.rejects import Reject
from mapreduce.reducing.totals import Totals


@dataclass(frozen=True, slots=True)
class Partial:
    """The totals of some splits, what became of their lines, and the first malformed of them.

    Conservation: ``lines == counted + skipped + malformed``. ``notes`` are sentences that a reader
    of the result should know.
    """

    totals: Totals
    splits: int = 0
    size: int = 0
    lines: int = 0
    counted: int = 0
    skipped: int = 0
    malformed: int = 0
    rejects: tuple[Reject, ...] = ()
    notes: frozenset[str] = frozenset()
