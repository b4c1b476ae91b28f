"""What the command of a job does: build the job, run it, and show what has come of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mapreduce.cli.command import Shown
from mapreduce.cli.progress import progress_bar, size_of_all
from mapreduce.cli.signals import StopRequest
from mapreduce.cli.summary import summary
from mapreduce.engine import explain_with, find_inputs, run_with
from mapreduce.errors import MapReduceError, TaskError, UsageError, printable
from mapreduce.inputs.sources import Source, Sources
from mapreduce.job import Job
from mapreduce.options import Options
from mapreduce.outputs.commit import commit
from mapreduce.outputs.manifest import MANIFEST
from mapreduce.outputs.targets import check_targets
from mapreduce.result import Result

STDOUT: Final = "-"


def run_job(
    build: Callable[[], Job],
    inputs: Sequence[str],
    options: Options,
    shown: Shown,
    *,
    stop: StopRequest,
    name: str,
) -> None:
    """Run a job as its command says. Raises what ``run`` raises."""
    try:
        with stop.raising():  # a list or a lookup may be a pipe that nobody writes to
            job = build_job(name, build)
            sources = _find_inputs(job, inputs, options, shown)
        _check_figures(job, sources, options, shown)
        if shown.explain:
            print(*explain_with(job, sources, options), sep="\n")
            return
        with progress_bar(stop, size_of_all(sources), shown=_wants_bar(shown)) as progress:
            result = run_with(job, sources, replace(options, progress=progress))
    except TaskError as error:
        if shown.debug:
            say(error.trace)
        raise
    if not shown.quiet:
        say(*summary(result))
    if shown.stats is not None:
        _write_stats(result, shown.stats)


def _find_inputs(job: Job, inputs: Sequence[str], options: Options, shown: Shown) -> Sources:
    output = None if options.output in {None, STDOUT} else Path(options.output)
    rejects = None if options.rejects is None else Path(options.rejects)
    stats = None if shown.stats in {None, STDOUT} else Path(shown.stats)
    return find_inputs(job, inputs, output, rejects, stats)


def build_job(name: str, build: Callable[[], Job]) -> Job:
    """Return the job; blame what its factory raises on the factory."""
    try:
        return build()
    except MapReduceError:
        raise
    except (Exception, SystemExit) as error:
        raise TaskError.of(f"the job {name}", error) from error


def _wants_bar(shown: Shown) -> bool:
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return not shown.quiet and (terminal if shown.progress is None else shown.progress)


def _check_figures(job: Job, sources: Sequence[Source], options: Options, shown: Shown) -> None:
    """Raise ``UsageError`` if the figures would go where something else goes."""
    if shown.stats is None:
        return
    if shown.stats == STDOUT:
        if options.output == STDOUT:
            raise UsageError("the table and the figures cannot both go to standard output")
        return
    check_targets([Path(shown.stats)], [*(source.path for source in sources), *job.side_inputs])
    directory = Path(options.output or ".")
    others = [directory / name for name in (*job.outputs, MANIFEST)]
    others += [] if options.rejects is None else [Path(options.rejects)]
    if os.path.realpath(shown.stats) in map(os.path.realpath, others):
        raise UsageError(f"{printable(shown.stats)}: is also another output; choose another")


def _write_stats(result: Result, target: str) -> None:
    import json  # noqa: PLC0415 - only needed here, and start-up counts

    text = json.dumps(result.stats.as_dict(), indent=2) + "\n"
    if target == STDOUT:
        sys.stdout.write(text)
    else:
        commit({Path(target): [text.encode()]})


def say(*lines: str) -> None:
    """Print lines on stderr, if it is open."""
    if sys.stderr:  # print() would use stdout
        print(*lines, sep="\n", file=sys.stderr)
