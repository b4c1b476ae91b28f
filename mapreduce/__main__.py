"""The commands ``mapreduce`` and ``processflows``; the same as ``python -m mapreduce``.

Signals are taken over before anything slow is imported, so that there is no moment in which one
leaves a traceback or half a result.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import Final, NoReturn

from mapreduce.cli.signals import StopRequest

GC_THRESHOLD: Final = 200_000
"""New containers between two looks for garbage in cycles. Counting makes millions that are in none:
at the default of 700 a run over 12 MB takes 7 % longer, one over 1 GB 4 % (benchmarks/NOTES.md)."""


def main(command: str | None = None) -> int:
    """Run the command line and return its exit code; ``command`` names the job beforehand."""
    gc.set_threshold(GC_THRESHOLD)
    stop = StopRequest()
    stop.take_over()
    from mapreduce.cli.app import execute  # noqa: PLC0415 - after the signals

    try:
        return execute(sys.argv[1:], stop, command)
    finally:
        stop.let_go()


def mapreduce() -> NoReturn:
    """``mapreduce JOB ...``."""
    _leave(main())


def processflows() -> NoReturn:
    """``processflows ...`` is ``mapreduce flowlogs ...``."""
    _leave(main("flowlogs"))


def _leave(code: int) -> NoReturn:
    """End at once: to free all objects one by one takes 8 % of a run over 12 MB, for nothing."""
    for stream in (sys.stdout, sys.stderr):
        if stream:  # not closed
            with suppress(OSError):  # a full or a closed one has been told of before
                stream.flush()
    os._exit(code)


if __name__ == "__main__":
    mapreduce()
