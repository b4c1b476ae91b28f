"""The command line: arguments in, exit codes out."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

import mapreduce
from mapreduce import kernel
from mapreduce.cli.coercion import PlainCommand, PlainGroup
from mapreduce.cli.command import RunOptions, make_command
from mapreduce.cli.registry import find_job, list_built_in, list_jobs
from mapreduce.cli.signals import StopRequest
from mapreduce.cli.summary import summary
from mapreduce.engine import Result, find_inputs, run
from mapreduce.errors import MalformedError, MapReduceError, Stopped, UsageError, printable
from mapreduce.formats.stream import Tick
from mapreduce.inputs.names import STDIN as STDOUT
from mapreduce.job import Job
from mapreduce.mapping.task import MAX_KEYS
from mapreduce.outputs.commit import commit
from mapreduce.outputs.manifest import MANIFEST
from mapreduce.outputs.table import Table
from mapreduce.outputs.targets import check_targets
from mapreduce.outputs.writers import table_text


def execute(arguments: Sequence[str], stop: StopRequest, job: str | None = None) -> int:
    """Run a command line and return its exit code; ``job`` makes it the command of that job."""
    name = "mapreduce" if job is None else "processflows"
    try:
        command = get_command(_app(stop)) if job is None else _job_command(job, stop)
        code = command.main(list(arguments), prog_name=name, standalone_mode=False)
        if sys.stdout:  # not closed
            sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            where = printable(str(error.filename)) if error.filename else "standard output"
            _say(f"{name}: error: {where}: {error.strerror}")
        return 1
    except MalformedError as error:
        _say(*(f"malformed: {reject}" for reject in error.rejects), f"{name}: error: {error}")
        return error.exit_code
    except Stopped as error:
        _say(f"{name}: {error}")
        return error.exit_code
    except MapReduceError as error:
        _say(f"{name}: error: {error}")
        return error.exit_code
    except typer.TyperException as error:
        _say(f"{name}: error: {printable(error.format_message())} (try --help)")
        return error.exit_code
    return code if isinstance(code, int) else 0


def _app(stop: StopRequest) -> typer.Typer:
    class JobGroup(PlainGroup):
        """Loads a job only when it is named."""

        def list_commands(self, ctx: Any) -> list[str]:
            return [*super().list_commands(ctx), *(name for name, _summary in list_built_in())]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return super().get_command(ctx, cmd_name) or _job_command(cmd_name, stop)

    app = typer.Typer(
        cls=JobGroup,
        rich_markup_mode=None,
        help="Count anything in line-oriented data, on every core, without losing a line.",
    )
    app.callback()(_root)
    app.command("jobs", cls=PlainCommand)(_jobs)
    return app


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _print_version() if wanted else None,
            is_eager=True,
            help="Show version, Python and kernel.",
        ),
    ] = False,
) -> None:
    """See mapreduce COMMAND --help for the options of a job."""


def _print_version() -> None:
    python = sys.version.split()[0]
    missing = f" ({kernel.MISSING})" if kernel.MISSING else ""
    print(f"mapreduce {mapreduce.__version__}, Python {python}, {kernel.NAME} kernel{missing}")
    raise typer.Exit


def _jobs() -> None:
    """List the jobs that are installed, those of other packages too, one line each."""
    for name, what in list_jobs():
        print(f"{name:<12} {what}")


def _job_command(name: str, stop: StopRequest) -> Any:
    """Return the command of a job, or ``None`` if there is no such job."""
    factory = find_job(name)
    if factory is None:
        return None
    try:
        return make_command(name, factory, partial(_run_job, stop))
    except (NameError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"the job {name!r} cannot be a command: {error}") from error


def _run_job(
    stop: StopRequest, build: Callable[[], Job], inputs: Sequence[str], options: RunOptions
) -> None:
    with stop.raising():  # a list or a lookup may be a pipe that nobody writes to
        job = build()
        output = None if str(options.output) == STDOUT else options.output
        stats = Path(options.stats) if options.stats not in (None, STDOUT) else None
        sources = find_inputs(job, inputs, output, options.rejects, stats)
    _check_outputs(job, [source.path for source in sources], options)
    total = sum(source.size or 0 for source in sources) or None
    terminal = sys.stderr is not None and sys.stderr.isatty()
    shown = terminal if options.progress is None else options.progress
    with _progress(stop, total, shown=shown and not options.quiet) as progress:
        result = run(
            job,
            sources,
            output=output,
            workers=options.workers,
            strict=options.strict,
            max_malformed=options.max_malformed,
            rejects=options.rejects,
            max_line=options.max_line,
            max_keys=options.max_keys or MAX_KEYS,
            excel_safe=options.excel_safe,
            progress=progress,
            start_method=options.start_method,
        )
    if str(options.output) == STDOUT:
        _print_table(result.tables[0], excel_safe=options.excel_safe)
    if not options.quiet:
        _say(*summary(result))
    if options.stats is not None:
        _write_stats(result, options.stats)


def _check_outputs(job: Job, paths: Sequence[str], options: RunOptions) -> None:
    """Raise ``UsageError`` if two outputs are one, or one is an input; ``run`` checks the rest."""
    if str(options.output) == STDOUT:
        if len(job.outputs) > 1:
            raise UsageError(f"this job writes {len(job.outputs)} tables; name a directory with -o")
        if options.stats == STDOUT:
            raise UsageError("the table and the figures cannot both go to standard output")
    if options.stats in (None, STDOUT):
        return
    check_targets([Path(options.stats)], [*paths, *job.side_inputs])
    others = {os.path.realpath(options.output / name) for name in (*job.outputs, MANIFEST)}
    if options.rejects is not None:
        others.add(os.path.realpath(options.rejects))
    if os.path.realpath(options.stats) in others:
        raise UsageError(f"{printable(options.stats)}: is another output, too")


def _print_table(table: Table, *, excel_safe: bool) -> None:
    """Write a table to standard output, bytes that are not UTF-8 as they came."""
    sys.stdout.flush()
    with open(sys.stdout.fileno(), "wb", closefd=False) as file:
        file.writelines(table_text(table, excel_safe=excel_safe))


@contextlib.contextmanager
def _progress(stop: StopRequest, total: int | None, *, shown: bool) -> Iterator[Tick]:
    """Yield the run's progress callback: it looks for signals and moves a bar on stderr."""
    stop.check()
    if not shown:
        yield lambda _size: stop.check()
        return
    from tqdm import tqdm  # noqa: PLC0415 - only where somebody looks

    tqdm.monitor_interval = 0  # no thread: processes are forked
    with tqdm(total=total, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar:

        def progress(size: int) -> None:
            stop.check()
            bar.update(size)

        yield progress


def _write_stats(result: Result, target: str) -> None:
    import json  # noqa: PLC0415 - only needed here, and start-up counts

    text = json.dumps(result.stats.as_dict(), indent=2) + "\n"
    if target == STDOUT:
        sys.stdout.write(text)
    else:
        commit({Path(target): [text.encode()]})


def _say(*lines: str) -> None:
    if sys.stderr:  # print() would use stdout
        print(*lines, sep="\n", file=sys.stderr)
