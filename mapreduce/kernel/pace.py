"""How fast a mapper counts, as far as it matters for handing out its work; all in bytes of text.

The figures are measured (benchmarks/NOTES.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pace:
    """From ``parallel_threshold`` on, a second process saves more than it costs.

    ``largest_split`` is the most that a worker counts before the parent hears from it again. A
    ``trial`` is counted in the parent first: are the keys too many to be sent around?
    """

    parallel_threshold: int
    largest_split: int
    trial: int = 0


PYTHON: Final = Pace(parallel_threshold=32 << 20, largest_split=512 << 20)
"""The largest split takes two seconds."""
NATIVE: Final = Pace(parallel_threshold=512 << 20, largest_split=2 << 30, trial=16 << 20)
"""The largest split takes half a second."""
