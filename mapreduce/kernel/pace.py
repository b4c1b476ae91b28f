"""How to share out the work of a mapper according to its speed; all sizes are bytes of text.

The figures were measured (benchmarks/NOTES.md).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Pace(NamedTuple):
    """The sizes of input that suit the speed of a mapper.

    From ``parallel_threshold`` on, a second process saves more time than it costs.
    ``largest_split`` is the most that a worker counts as one task. The first ``trial`` bytes are
    counted in the parent, to see whether there are too many distinct keys to send to other
    processes; 0 means no trial.
    """

    parallel_threshold: int
    largest_split: int
    trial: int = 0


PYTHON: Final = Pace(parallel_threshold=32 << 20, largest_split=512 << 20)
"""For a mapper in Python: its largest split takes two seconds."""
NATIVE: Final = Pace(parallel_threshold=512 << 20, largest_split=2 << 30, trial=16 << 20)
"""For the native kernel: its largest split takes half a second."""
WORDS: Final = Pace(parallel_threshold=64 << 20, largest_split=512 << 20)
"""For words in the native kernel: its largest split takes two seconds."""
