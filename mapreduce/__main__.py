"""The commands ``mapreduce`` and ``processflows``; the same as ``python -m mapreduce``.

Signals are taken over before anything slow is imported, so that there is no moment in which one
leaves a traceback or half a result.
"""

from __future__ import annotations

import sys

from mapreduce.signals import StopRequest


def main(command: str | None = None) -> int:
    """Run the command line and return its exit code; ``command`` names the job beforehand."""
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
