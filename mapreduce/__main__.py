"""The commands ``mapreduce`` and ``processflows``; the same as ``python -m mapreduce``.

Signals are taken over before anything slow is imported, so that there is no moment in which one
leaves a traceback or half a result.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

from mapreduce.signals import StopRequest

GC_THRESHOLD: Final = 200_000
"""New containers between two looks for garbage in cycles. Counting makes millions that are in none:
at the default of 700 a run over 12 MB takes 7 % longer, one over 1 GB 4 % (benchmarks/NOTES.md)."""


def main(command: str | None = None) -> int:
    """Run the command line and return its exit code; ``command`` names the job beforehand."""
    gc.set_threshold(GC_THRESHOLD)
    stop = StopRequest()
    stop.take_over()
    from mapreduce.cli import execute  # noqa: PLC0415 - after the signals

    try:
        return execute(sys.argv[1:], stop, command)
    finally:
        stop.let_go()


def processflows() -> int:
    """``processflows`` is ``mapreduce flowlogs``."""
    return main("flowlogs")


if __name__ == "__main__":
    sys.exit(main())
