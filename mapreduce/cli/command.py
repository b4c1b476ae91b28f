"""A job's command: the options of its factory's signature, and those that every job has.

A parameter of a factory is described by its annotation, without any need to import typer in a job:
``Annotated[Path, "-l", "what it is"]``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

import typer
from typer.main import get_command

from mapreduce.cli.coercion import PlainCommand, can_be_typed
from mapreduce.cli.registry import Factory
from mapreduce.formats.stream import MAX_LINE
from mapreduce.job import Job

_INPUTS = Annotated[
    list[str] | None,
    typer.Argument(help="Files, directories, s3://, quoted patterns, @LIST; - is stdin."),
]
_FILES = Annotated[
    list[str] | None, typer.Option("--file", "-f", help="The same as an INPUT; repeatable.")
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
    max_malformed: Annotated[
        str | None,
        typer.Option(
            "--max-malformed",
            metavar="N|P%",
            help="Fail, and write nothing, if more lines are malformed [default: any number].",
        ),
    ] = None
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects", help="Write all malformed lines here: CSV, or JSON lines if it is .jsonl."
        ),
    ] = None
    max_line: Annotated[
        int, typer.Option("--max-line", min=1, help="Bytes of the longest line that is accepted.")
    ] = MAX_LINE
    max_keys: Annotated[
        int | None,
        typer.Option("--max-keys", min=1, help="Fail at more distinct keys [default: any number]."),
    ] = None
    excel_safe: Annotated[
        bool,
        typer.Option("--excel-safe", help="Put ' before text that a spreadsheet would compute."),
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


RunJob: TypeAlias = Callable[[Callable[[], Job], Sequence[str], RunOptions], None]


def make_command(name: str, factory: Factory, run: RunJob) -> Any:
    """Return the command of a job, which calls ``run`` with what builds the job, inputs, options.

    Raises what a signature that cannot be a command makes typer raise.
    """
    own = [_option(parameter) for parameter in _parameters(factory)]
    common = _parameters(RunOptions)

    def command(inputs: list[str] | None, file: list[str] | None, **values: Any) -> None:
        options = RunOptions(**{option.name: values.pop(option.name) for option in common})
        run(partial(factory, **values), [*(inputs or []), *(file or [])], options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    paths = [
        inspect.Parameter("inputs", keyword, default=None, annotation=_INPUTS),
        inspect.Parameter("file", keyword, default=None, annotation=_FILES),
    ]
    command.__signature__ = inspect.Signature([*paths, *own, *common])  # type: ignore[attr-defined]
    command.__annotations__ = {}
    command.__doc__ = inspect.getdoc(factory)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=PlainCommand)(command)
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
    if not can_be_typed(kind):
        raise TypeError(f"no value of the type of {parameter.name!r}, {kind!r}, can be typed")
    flags = [text for text in texts if text.startswith("-")]
    help_text = " ".join(text for text in texts if not text.startswith("-"))
    long = f"--{parameter.name.replace('_', '-')}"
    option = typer.Option(long, *flags, help=help_text)
    return parameter.replace(annotation=Annotated[kind, option])
