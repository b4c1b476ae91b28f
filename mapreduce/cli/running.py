"""The action of a job's command: build the job, run it, and show the result."""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from mapreduce.backends.backend import Backend
from mapreduce.backends.this_process import Call, ThisProcess
from mapreduce.cli.command import Shown
from mapreduce.cli.progress import progress_bar, size_of_all
from mapreduce.cli.signals import StopRequest
from mapreduce.cli.summary import summary
from mapreduce.counted import print_result
from mapreduce.engine import check_job, count_and_write, explain_with, find_inputs
from mapreduce.errors import MapReduceError, Stopped, TaskError, UsageError
from mapreduce.job import Job
from mapreduce.options import Options


def run_job(
    build: Callable[[], Job],
    inputs: Sequence[str],
    options: Options,
    shown: Shown,
    *,
    stop: StopRequest,
    name: str,
) -> None:
    """Run a job with the options of its command. Raises what ``run`` raises."""
    try:
        with stop.raising():  # a list or a lookup may be a pipe that nobody writes to
            job = build_job(name, build)
            sources = find_inputs(job, inputs, options)
        if shown.explain:
            print(*explain_with(job, sources, options), sep="\n")
            return
        wants_bar = _wants_bar(shown) and not options.inline
        with progress_bar(stop, size_of_all(sources), shown=wants_bar) as progress:
            options_here = replace(options, progress=progress)
            result = count_and_write(job, sources, options_here, here=_backend(stop, options))
    except TaskError as error:
        if shown.debug:
            say(error.trace)
        raise
    except KeyboardInterrupt as error:
        stop.check()
        raise Stopped(signal.SIGINT, signal.SIGINT.name) from error
    print_result(result, options)
    if not shown.quiet:
        say(*summary(result))


def build_job(name: str, build: Callable[[], Job]) -> Job:
    """Build the job; raise ``TaskError`` for an exception of its factory.

    Raises ``UsageError`` if the factory returns anything but a complete job.
    """
    try:
        job: object = build()
    except MapReduceError:
        raise
    except (Exception, SystemExit) as error:
        raise TaskError.of(f"the job {name}", error) from error
    if not isinstance(job, Job):
        raise UsageError(
            f"the job {name}{line_of(build)}: the function returns {job!r:.60}, and must return a "
            "Job, such as KeyCount(...)"
        )
    check_job(job)
    return job


class InterruptibleProcess(ThisProcess):
    """Runs calls in this process; Ctrl-C interrupts the job's code wherever it is."""

    def __init__(self, stop: StopRequest) -> None:
        super().__init__()
        self._stop = stop

    def wait(self, seconds: float, /) -> list[Call]:
        """Run the first call of the queue. Raises ``KeyboardInterrupt`` when a signal arrives."""
        with self._stop.interrupting():
            return super().wait(seconds)


def _backend(stop: StopRequest, options: Options) -> Callable[[], Backend]:
    """Return what makes the backend that counts in this process."""
    return partial(InterruptibleProcess, stop) if options.inline else ThisProcess


def line_of(factory: Callable[..., object]) -> str:
    """Return ``, line N`` if it is known in which line of its file a factory begins."""
    function = factory.func if isinstance(factory, partial) else factory
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f", line {code.co_firstlineno}" if code else ""


def _wants_bar(shown: Shown) -> bool:
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return not shown.quiet and (terminal if shown.progress is None else shown.progress)


def say(*lines: str) -> None:
    """Print lines on stderr, if it is open."""
    if sys.stderr:  # print(file=None) would print on stdout
        print(*lines, sep="\n", file=sys.stderr)
