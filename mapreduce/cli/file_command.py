"""``mapreduce run JOB_FILE``: the command of a job that stands in a plain file."""

from __future__ import annotations

from functools import partial
from typing import Any

import typer
from typer.main import get_command

from mapreduce.cli.coercion import PlainGroup
from mapreduce.cli.command import make_command
from mapreduce.cli.job_file import find_in_file
from mapreduce.cli.running import line_of, run_job
from mapreduce.cli.signals import StopRequest
from mapreduce.errors import UsageError, printable

HELP = """Run a job that stands in a Python file. Nothing is installed, and only this file is run.

\b
  mapreduce run errors.py app.log              the only function of the file that makes a job
  mapreduce run errors.py:by_host logs/ -j 4   the function by_host
  mapreduce run errors.py --help               the options of the job, and those of every run
  mapreduce run errors.py app.log --inline     one process, where breakpoint() and print work
  mapreduce new errors                         write errors.py and its test to begin with

The parameters of the function are the options of the job. Options stand behind the file. Files
beside the job file are not imported, unless PYTHONPATH names their directory.
"""


def run_command(stop: StopRequest) -> Any:
    """Return the command ``run``, whose own commands are the paths of job files."""

    class FileGroup(PlainGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if not args:
                raise UsageError("name a job file: mapreduce run JOB_FILE[:FUNCTION] INPUTS")
            if args[0].startswith("-") and args[0] not in {"--help", "--"}:
                raise UsageError(
                    f"{printable(args[0])}: options stand behind the job file: "
                    "mapreduce run JOB_FILE INPUTS OPTIONS"
                )
            return super().parse_args(ctx, args)

        def get_command(self, _ctx: Any, cmd_name: str) -> Any:
            return file_command(cmd_name, stop)

    app = typer.Typer(
        cls=FileGroup,
        add_completion=False,
        rich_markup_mode=None,
        help=HELP,
        subcommand_metavar="JOB_FILE[:FUNCTION] [INPUTS]...",
    )
    app.callback()(lambda: None)
    return get_command(app)


def file_command(where: str, stop: StopRequest) -> Any:
    """Return the command of a job in a file. Raises ``UsageError`` if there is none."""
    factory = find_in_file(where)
    try:
        return make_command(where, factory, partial(run_job, stop=stop, name=where))
    except (NameError, RuntimeError, TypeError, ValueError) as error:
        place = f"{printable(where)}{line_of(factory)}"
        raise UsageError(f"{place}: the job cannot be a command: {error}") from error
