"""How fast a mapper counts: this decides how its work is cut. All figures are bytes of input.

They were measured (benchmarks/NOTES.md). A mapper may have a ``pace`` of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pace:
    """How much input makes a second process, a split and a trial worth their cost.

    From ``pays_from`` on, a second process saves more time than it costs. ``largest`` is the size
    of the largest split: a worker reports nothing before it has counted a whole one. ``trial`` is
    how much the parent counts first, to find out whether there are so many distinct keys that
    sending them between processes would cost more than it saves.
    """

    pays_from: int
    largest: int
    trial: int = 0


PYTHON: Final = Pace(pays_from=32 << 20, largest=512 << 20)
"""Python needs about two seconds for a split of the largest size."""
NATIVE: Final = Pace(pays_from=512 << 20, largest=2 << 30, trial=16 << 20)
"""The native kernel needs about half a second for a split of the largest size."""


def pace_of(mapper: object) -> Pace:
    """Return the pace of a mapper, or Python's if the mapper declares none."""
    return getattr(mapper, "pace", PYTHON)
