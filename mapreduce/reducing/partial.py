"""The partial result of some splits. Merging all partial results gives the result of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mapreduce.reducing.totals import Totals

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Reject


class Partial(NamedTuple):
    """The totals of some splits, the number of their lines by class, and the first malformed lines.

    Always ``lines == counted + skipped + malformed``. ``size`` is the number of bytes read.
    ``notes`` are sentences for the user about the result.
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
