"""Slow jobs, for tests of progress and signals.

``python -c 'import slow; slow.main()' slow FILE...`` is the command ``mapreduce slow FILE...``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from mapreduce import KeyCount, LineMapper
from mapreduce.kernel.pace import Pace

NAP: Final = 0.01
"""Seconds that a line takes."""


@dataclass(frozen=True)
class Nap:
    """Counts the first byte of each line, slowly.

    A line that begins with ``!`` makes the job fail. A line that begins with ``+`` kills its worker
    the first time; a file in ``graves`` records that.
    """

    graves: Path | None = None

    def __call__(self, line: bytes) -> Sequence[bytes]:
        time.sleep(NAP)
        if line.startswith(b"!"):
            raise ValueError("no such line, please")
        if self.graves and line.startswith(b"+"):
            grave = self.graves / line.decode().strip(".")
            if not grave.exists():
                grave.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return [line[:1]]


class EagerMapper(LineMapper):
    """Makes the engine use several processes for inputs of any size."""

    pace = Pace(1, 512 << 20)


def slow_job(graves: Path | None = None) -> KeyCount:
    return KeyCount(EagerMapper(Nap(graves)), "slow.csv", ("Key", "Count"))


def slow() -> KeyCount:
    """Count the first byte of each line, slowly."""
    return slow_job()


def main() -> None:
    """Run the command ``mapreduce`` with the additional job ``slow``."""
    module = ModuleType("mapreduce.jobs.slow")
    module.slow = slow  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    from mapreduce.__main__ import mapreduce

    mapreduce()
