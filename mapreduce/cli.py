"""The command line: arguments in, exit codes out.

A job's command is made from the signature of its factory, followed by the options that every job
has. A parameter is described by its annotation, without any need to import typer in a job:
``Annotated[Path, "-l", "what it is"]``.
"""

from __future__ import annotations

import contextlib
import errno
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperGroup
from typer.main import get_command

import mapreduce
from mapreduce import kernel
from mapreduce.engine import Result, run
from mapreduce.errors import MalformedError, MapReduceError, Stopped, UsageError
from mapreduce.inputs import STDIN as STDOUT
from mapreduce.inputs import find_sources, printable
from mapreduce.job import Job
from mapreduce.output import check_targets, write_files
from mapreduce.registry import Factory, find_job, list_jobs
from mapreduce.signals import StopRequest
from mapreduce.split import Tick
from mapreduce.table import Table, table_text

_INPUTS = Annotated[
    list[Path] | None, typer.Argument(help="Files to count, or - for standard input.")
]
_FILES = Annotated[
    list[Path] | None, typer.Option("--file", "-f", help="The same as an INPUT; repeatable.")
]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What every job's command has besides its own options."""

    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory of the tables, or - for stdout.")
    ] = Path("outputs")
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-j", min=1, help="Processes [default: the usable CPUs]."),
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail, and write nothing, if any line is malformed.")
    ] = False
    stats: Annotated[
        str | None,
        typer.Option("--stats", help="Write figures as JSON to this file, - for stdout."),
    ] = None
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", help="[default: if stderr is a terminal]"),
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False
    start_method: Annotated[
        Literal["fork", "forkserver", "spawn"] | None,
        typer.Option("--start-method", help="How processes start [default: what suits best]."),
    ] = None


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
            _say(f"{name}: error: standard output: {error.strerror}")
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or Python's own flush fails
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
    class JobGroup(TyperGroup):
        """Loads a job only when it is named."""

        def list_commands(self, ctx: Any) -> list[str]:
            return [
                *super().list_commands(ctx),
                *(name for name, _job in list_jobs() if _is_usable(name, stop)),
            ]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return super().get_command(ctx, cmd_name) or _job_command(cmd_name, stop)

    app = typer.Typer(cls=JobGroup, rich_markup_mode=None, help=mapreduce.__doc__.splitlines()[0])
    app.callback()(_root)
    app.command("jobs")(_jobs)
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
    print(f"mapreduce {mapreduce.__version__}, Python {python}, {kernel.NAME} kernel")
    raise typer.Exit


def _jobs() -> None:
    """List the jobs that are installed, one line each."""
    for name, job in list_jobs():
        if isinstance(job, UsageError):
            _say(f"mapreduce: warning: {job}")
        else:
            print(f"{name:<12} {_summary(job)}")


def _summary(factory: Factory) -> str:
    return (inspect.getdoc(factory) or "").partition("\n")[0]


def _job_command(name: str, stop: StopRequest) -> Any:
    """Return the command of a job, or ``None`` if there is no such job."""
    factory = find_job(name)
    if factory is None:
        return None
    try:
        return _make_command(name, factory, stop)
    except (NameError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"the job {name!r} cannot be a command: {error}") from error


def _is_usable(name: str, stop: StopRequest) -> bool:
    try:
        return _job_command(name, stop) is not None
    except UsageError:
        return False


def _make_command(name: str, factory: Factory, stop: StopRequest) -> Any:
    own = [_option(parameter) for parameter in _parameters(factory)]
    common = _parameters(RunOptions)

    def command(inputs: list[Path] | None, file: list[Path] | None, **values: Any) -> None:
        options = RunOptions(**{option.name: values.pop(option.name) for option in common})
        _run_job(partial(factory, **values), [*(inputs or []), *(file or [])], options, stop)

    keyword = inspect.Parameter.KEYWORD_ONLY
    paths = [
        inspect.Parameter("inputs", keyword, default=None, annotation=_INPUTS),
        inspect.Parameter("file", keyword, default=None, annotation=_FILES),
    ]
    command.__signature__ = inspect.Signature([*paths, *own, *common])  # type: ignore[attr-defined]
    command.__annotations__ = {}
    command.__doc__ = inspect.getdoc(factory)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(command)
    return get_command(app)


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    signature = inspect.signature(function, eval_str=True)
    return [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
    ]


def _option(parameter: inspect.Parameter) -> inspect.Parameter:
    """Turn ``Annotated[T, "-x", "help"]`` into an option, however the job wrote it."""
    kind: Any = parameter.annotation
    texts: list[str] = []
    if get_origin(kind) is Annotated:
        kind, *texts = get_args(kind)
    flags = [text for text in texts if text.startswith("-")]
    help_text = " ".join(text for text in texts if not text.startswith("-"))
    long = f"--{parameter.name.replace('_', '-')}"
    option = typer.Option(long, *flags, help=help_text)
    return parameter.replace(annotation=Annotated[kind, option])


def _run_job(
    build: Callable[[], Job], inputs: Sequence[Path], options: RunOptions, stop: StopRequest
) -> None:
    paths = [str(path) for path in inputs]
    sources = find_sources(paths)
    with stop.raising():  # a lookup may be a pipe that nobody writes to
        job = build()
    _check_outputs(job, paths, options)
    total = sum(source.size or 0 for source in sources) or None
    terminal = sys.stderr is not None and sys.stderr.isatty()
    shown = terminal if options.progress is None else options.progress
    with _progress(stop, total, shown=shown and not options.quiet) as progress:
        result = run(
            job,
            paths,
            output=None if str(options.output) == STDOUT else options.output,
            workers=options.workers,
            strict=options.strict,
            progress=progress,
            start_method=options.start_method,
        )
    if str(options.output) == STDOUT:
        _print_table(result.tables[0])
    if not options.quiet:
        _say(*_report(result))
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
    tables = {os.path.realpath(options.output / table) for table in job.outputs}
    if os.path.realpath(options.stats) in tables:
        raise UsageError(f"{printable(options.stats)}: is one of the tables")


def _print_table(table: Table) -> None:
    """Write a table to standard output, bytes that are not UTF-8 as they came."""
    sys.stdout.flush()
    with open(sys.stdout.fileno(), "wb", closefd=False) as file:
        file.writelines(table_text(table))


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


def _report(result: Result) -> Iterator[str]:
    stats = result.stats
    for reject in result.rejects:
        yield f"malformed: {reject}"
    if stats.malformed > len(result.rejects):
        yield f"malformed: ... and {stats.malformed - len(result.rejects):,} more lines"
    missing = "" if kernel.BUILT else ", the native one is not built"
    workers = "1 process" if stats.workers == 1 else f"{stats.workers} processes"
    yield (
        f"{stats.lines:,} lines in {stats.seconds['total']:.2f} s "
        f"({stats.mb_per_s:,.0f} MB/s, {workers}, {stats.kernel} kernel{missing}): "
        f"{stats.counted:,} counted, {stats.skipped:,} skipped, {stats.malformed:,} malformed"
    )
    paths = [printable(str(path)) for path in result.written] or ["standard output"]
    for path, table in zip(paths, result.tables, strict=True):
        yield f"{path}: {table.note}"


def _write_stats(result: Result, target: str) -> None:
    import json  # noqa: PLC0415 - only needed here, and start-up counts

    text = json.dumps(result.stats.as_dict(), indent=2) + "\n"
    if target == STDOUT:
        sys.stdout.write(text)
    else:
        write_files({Path(target): [text.encode()]}, check=lambda: None)


def _say(*lines: str) -> None:
    if sys.stderr:  # print() would use stdout
        print(*lines, sep="\n", file=sys.stderr)
