"""The commands ``mapreduce`` and ``processflows``; the same as ``python -m mapreduce``.

Nothing is imported from the current directory: a ``socket.py`` beside the user's logs must not run.
Signals are taken over before anything slow is imported. Until then a Ctrl-C raises
``KeyboardInterrupt``, and any other signal ends a process that has not done anything yet.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing would be imported from the current directory
if TYPE_CHECKING:
    from typing import Final, NoReturn

GC_THRESHOLD: Final = 200_000
"""New containers between two runs of the cyclic garbage collector. Counting makes millions of them,
none in a cycle. With the default of 700, a run over 12 MB takes 7 % longer and a run over 1 GB 4 %
(benchmarks/NOTES.md)."""


def main(command: str | None = None) -> int:
    """Run the command line and return its exit code; with ``command``, that of one job."""
    gc.set_threshold(GC_THRESHOLD)
    from mapreduce.cli.signals import StopRequest  # noqa: PLC0415 - import as little as possible here

    stop = StopRequest()
    stop.take_over()
    from mapreduce.cli.app import execute  # noqa: PLC0415

    try:
        return execute(sys.argv[1:], stop, command)
    finally:
        stop.let_go()


def mapreduce() -> NoReturn:
    """``mapreduce JOB ...``."""
    _run("mapreduce", None)


def processflows() -> NoReturn:
    """``processflows ...`` is ``mapreduce flowlogs ...``."""
    _run("processflows", "flowlogs")


def _run(name: str, command: str | None) -> NoReturn:
    try:
        _leave(main(command))
    except KeyboardInterrupt:  # before the signals were taken over
        if sys.stderr:
            sys.stderr.write(f"{name}: stopped by SIGINT; nothing was written\n")
        os._exit(130)


def _leave(code: int) -> NoReturn:
    """Exit without freeing all objects one by one, which takes 8 % of a run over 12 MB."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:  # not closed
                stream.flush()
        except OSError:  # full or closed: the error has been reported before
            continue
    if "multiprocessing.util" in sys.modules:
        finalize = sys.modules["multiprocessing.util"]._run_finalizers  # noqa: SLF001
        finalize()  # removes the directory of the fork server's socket
    os._exit(code)


def _leave_current_directory() -> None:
    """Remove the current directory, which ``python -m`` puts first, from ``sys.path``.

    If it holds this package (a checkout that is not installed), move it to the end instead.
    """
    if sys.flags.safe_path or os.path.realpath(sys.path[0]) != os.path.realpath(os.curdir):
        return
    first = sys.path.pop(0)
    if os.path.realpath(__file__).startswith(os.path.realpath(first) + os.sep):
        sys.path.append(first)


if __name__ == "__main__":
    _leave_current_directory()
    mapreduce()
