"""The partial result of some splits. Merging all partial results gives the result of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from mapreduce.reducing.totals import Totals

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Reject


NO_KINDS: Final[Mapping[str, int]] = {}


class Partial(NamedTuple):
    """The totals of some splits, the number of their lines by class, and the first malformed lines.

    Always ``lines == counted + skipped + malformed``. ``size`` is the number of bytes read.
    ``notes`` are sentences for the user about the result. ``kinds`` are the numbers of skipped
    lines by their kind, if the mapper tells kinds apart.
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
    kinds: Mapping[str, int] = NO_KINDS


def add_kinds(left: Mapping[str, int], right: Mapping[str, int]) -> Mapping[str, int]:
    """Return the sums of the numbers by kind."""
    if not left or not right:
        return left or right
    return {kind: left.get(kind, 0) + right.get(kind, 0) for kind in left.keys() | right.keys()}
