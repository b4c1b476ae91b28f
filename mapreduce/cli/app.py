"""The command line: arguments in, exit codes out."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

import mapreduce
from mapreduce import kernel
from mapreduce.cli.coercion import PlainCommand, PlainGroup
from mapreduce.cli.command import make_command
from mapreduce.cli.registry import find_job, list_built_in, list_jobs
from mapreduce.cli.running import run_job, say
from mapreduce.cli.signals import StopRequest
from mapreduce.cli.summary import malformed_lines
from mapreduce.errors import (
    MalformedError,
    MapReduceError,
    NothingCountedError,
    Stopped,
    TaskError,
    UsageError,
    printable,
)


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
            say(f"{name}: error: {where}: {error.strerror}")
        return 1
    except MapReduceError as error:
        say(*_told(name, error, arguments))
        return error.exit_code
    except typer.TyperException as error:
        say(f"{name}: error: {printable(error.format_message())} (try --help)")
        return error.exit_code
    return code if isinstance(code, int) else 0


def _told(name: str, error: MapReduceError, arguments: Sequence[str]) -> Iterator[str]:
    """Yield the lines that report an error."""
    if isinstance(error, MalformedError | NothingCountedError):
        yield from malformed_lines(error.rejects, error.malformed)
    kind = "" if isinstance(error, Stopped) else "error: "
    trace, debug = getattr(error, "__notes__", ()), "--debug" in arguments
    if debug and not isinstance(error, TaskError):  # then the run has shown it
        yield from trace
    hint = " (--debug shows the traceback)" if trace and not debug else ""
    yield f"{name}: {kind}{error.for_command_line()}{hint}"


def _app(stop: StopRequest) -> typer.Typer:
    class JobGroup(PlainGroup):
        """Loads a job only when it is named."""

        def list_commands(self, ctx: Any) -> list[str]:
            return [
                "run",
                *super().list_commands(ctx),
                *(name for name, _summary in list_built_in()),
            ]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name == "run":
                from mapreduce.cli.file_command import run_command  # noqa: PLC0415 - start-up counts

                return run_command(stop)
            found = super().get_command(ctx, cmd_name) or _job_command(cmd_name, stop)
            if found is None:
                known = [*super().list_commands(ctx), "run", *(name for name, _ in list_jobs())]
                raise UsageError(_no_such_command(cmd_name, known))
            return found

    app = typer.Typer(
        cls=JobGroup,
        rich_markup_mode=None,
        help="Count anything in line-oriented data, on every core, without losing a line.",
    )
    app.callback()(_root)
    app.command("new", cls=PlainCommand)(_new)
    app.command("jobs", cls=PlainCommand)(_jobs)
    return app


def _no_such_command(name: str, known: Sequence[str]) -> str:
    """Say what may have been meant by the name of a command that does not exist."""
    if Path(name).is_file():
        return f"a job file is run by: mapreduce run {printable(name)}"
    import difflib  # noqa: PLC0415 - start-up counts

    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else " (mapreduce jobs lists the jobs)"
    return f"there is no command or job {name!r}{hint}"


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


def _new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the job's function.")],
) -> None:
    """Write a job of your own to begin with, NAME.py, and its test into the current directory."""
    from mapreduce.cli.new_job import write_new_job  # noqa: PLC0415 - only this command needs it

    print(*write_new_job(name), sep="\n")


def _jobs() -> None:
    """List the installed jobs, including those of other packages."""
    for name, what in list_jobs():
        print(f"{name:<12} {what}")


def _job_command(name: str, stop: StopRequest) -> Any:
    """Return the command of a job, or ``None`` if there is no such job."""
    factory = find_job(name)
    if factory is None:
        return None
    try:
        return make_command(name, factory, partial(run_job, stop=stop, name=name))
    except (NameError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"the job {name!r} cannot be a command: {error}") from error
