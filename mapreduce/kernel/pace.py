"""How fast a mapper counts, as far as it matters for handing out its work; all in bytes of input.

The figures are measured ones (benchmarks/NOTES.md). A mapper may have a ``pace`` of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pace:
    """``pays_from``: from where on a second process saves more than it costs.

    ``largest``: the largest split, what a worker does before it is heard of again. ``trial``: what
    is counted in the parent first, to see whether there are too many keys to send them around.
    """

    pays_from: int
    largest: int
    trial: int = 0


PYTHON: Final = Pace(pays_from=32 << 20, largest=512 << 20)
"""Two seconds of work in a split of the largest."""
NATIVE: Final = Pace(pays_from=512 << 20, largest=2 << 30, trial=16 << 20)
"""Half a second of work in a split of the largest."""


def pace_of(mapper: object) -> Pace:
    """Return the pace of a mapper; that of one which says nothing is Python's."""
    return getattr(mapper, "pace", PYTHON)
