"""The figures of a run, for the summary on the screen and for the JSON of ``--stats``."""

from __future__ import annotations

import time
from typing import NamedTuple


class Stats(NamedTuple):
    """The figures of one run; the field names are the keys of ``--stats`` and are stable.

    ``bytes`` and ``lines`` are those of the inputs. ``workers`` is the number of processes that
    counted; 1 means the parent alone. ``seconds`` has ``total`` and the phases ``plan``, ``map``
    (including merges that overlap it), ``reduce``, ``finish`` and ``write``. ``skipped_kinds`` has
    the skipped lines by kind, as far as the job tells kinds apart. ``mb_per_s`` is 10^6 bytes of
    input per second of the total.

    A file of figures is written together with the tables: there, ``write`` and ``total`` end when
    the tables are written but not yet renamed.
    """

    inputs: int
    bytes: int
    lines: int
    counted: int
    skipped: int
    malformed: int
    distinct_keys: int
    workers: int
    splits: int
    kernel: str
    seconds: dict[str, float]
    skipped_kinds: dict[str, int]

    @property
    def mb_per_s(self) -> float:
        return round(self.bytes / 1e6 / max(self.seconds["total"], 1e-6), 3)

    def as_dict(self) -> dict[str, object]:
        """Return all figures, ready for JSON."""
        return {**self._asdict(), "mb_per_s": self.mb_per_s}


def figures_text(stats: Stats) -> bytes:
    """Return all figures as JSON."""
    import json  # noqa: PLC0415 - only needed here, and start-up counts

    return json.dumps(stats.as_dict(), indent=2).encode() + b"\n"


class Clock:
    """Measures the phases of one run, in seconds."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps = dict.fromkeys(("plan", "map", "reduce", "finish", "write"), 0.0)

    def lap(self, phase: str) -> None:
        """Add the time since the last lap to a phase."""
        now = time.perf_counter()
        self._laps[phase] = self._laps.get(phase, 0.0) + now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Return the phases so far and their total, rounded to microseconds."""
        laps = {**self._laps, "total": self._last - self._start}
        return {phase: round(seconds, 6) for phase, seconds in laps.items()}
