"""Make the command of a job from the options of its factory and the options of every run.

The annotation of a parameter describes the option, so that a job need not import typer:
``Annotated[Path, "-l", "help text"]``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

import typer
from typer.main import get_command

from mapreduce.cli.coercion import PlainCommand, can_be_typed
from mapreduce.cli.registry import Factory
from mapreduce.job import Job
from mapreduce.options import Name, Option, Options, hints_of, options_of

_INPUTS = Annotated[
    list[str] | None,
    typer.Argument(help="Files, directories, s3://, quoted patterns, @LIST; - is stdin."),
]
_FILES = Annotated[
    list[str] | None, typer.Option("--file", "-f", help="The same as an INPUT; repeatable.")
]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the command shows of a run; a caller of ``run`` has no use for these options."""

    explain: Annotated[
        bool, Option("Print the plan of the run (inputs, splits, workers, and why) and exit.")
    ] = False
    progress: Annotated[
        bool | None, Option("Show a progress bar.", default="if stderr is a terminal")
    ] = None
    quiet: Annotated[bool, Option("Print nothing but errors.", "-q")] = False
    debug: Annotated[bool, Option("Show the traceback of a job's error.")] = False


RunJob: TypeAlias = Callable[[Callable[[], Job], Sequence[str], Options, Shown], None]


def make_command(name: str, factory: Factory, run: RunJob) -> Any:
    """Return a command that calls ``run`` with a function that builds the job, inputs and options.

    Raises ``TypeError`` if the factory has an option that every command has, and whatever typer
    raises for a signature that cannot be a command.
    """
    of_factory = inspect_parameters(factory)
    own = [_own_option(one) for parameter in of_factory for one in _parts(parameter)]
    of_run, of_command = [*_common_options(Options)], [*_common_options(Shown)]
    _refuse_clashes(own, [*of_run, *of_command])

    def command(inputs: list[str] | None, file: list[str] | None, **values: Any) -> None:
        options = Options(**{one.name: values.pop(one.name) for one in of_run})
        shown = Shown(**{one.name: values.pop(one.name) for one in of_command})
        run(
            partial(factory, **_joined(of_factory, values)),
            [*(inputs or []), *(file or [])],
            options,
            shown,
        )

    keyword = inspect.Parameter.KEYWORD_ONLY
    paths = [
        inspect.Parameter("inputs", keyword, default=None, annotation=_INPUTS),
        inspect.Parameter("file", keyword, default=None, annotation=_FILES),
    ]
    parameters = [*paths, *own, *of_run, *of_command]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {}
    command.__doc__ = inspect.getdoc(factory)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=PlainCommand)(command)
    made = get_command(app)
    _refuse_equal_spellings(made, {parameter.name for parameter in own})
    return made


def inspect_parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters of a function as keywords, their annotations evaluated.

    Raises ``TypeError`` for a parameter that cannot be given as a keyword.
    """
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    for parameter in parameters:
        if parameter.kind not in by_name:
            raise TypeError(f"the parameter {parameter.name!r} has no name to be an option by")
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]


def _parts(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Return a parameter for each field if the type is a ``NamedTuple``, else the parameter."""
    kind: Any = parameter.annotation
    if not _has_parts(kind):
        return [parameter]
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            name,
            parameter.kind,
            default=kind._field_defaults.get(name, inspect.Parameter.empty),
            annotation=hints[name],
        )
        for name in kind._fields
    ]


def _joined(parameters: Sequence[inspect.Parameter], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of parameters, from the values of their parts."""
    for parameter in parameters:
        kind = parameter.annotation
        if _has_parts(kind):
            values[parameter.name] = kind(**{name: values.pop(name) for name in kind._fields})
    return values


def _has_parts(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_field_defaults")


def _own_option(parameter: inspect.Parameter) -> inspect.Parameter:
    """Turn ``Annotated[T, "-x", "help"]`` of a job into an option of the command."""
    kind: Any = parameter.annotation
    texts: list[str] = []
    if get_origin(kind) is Annotated:
        kind, *texts = get_args(kind)
    if not can_be_typed(kind):
        raise TypeError(
            f"the parameter {parameter.name!r} has the type {kind!r}, which text cannot be "
            "converted to; use str, int, float, bool or Path"
        )
    flags = [text for text in texts if text.startswith("-")]
    help_text = " ".join(text for text in texts if not text.startswith("-"))
    option = typer.Option(_long(parameter.name), *flags, help=help_text)
    return parameter.replace(annotation=Annotated[kind, option])


def _common_options(kind: type) -> Iterator[inspect.Parameter]:
    """Yield an option of the command for each field of a dataclass of options."""
    hints = hints_of(kind)
    defaults = {field.name: field.default for field in fields(kind)}
    for name, option in options_of(kind):
        if option.on_command_line:
            default = defaults[name] if option.command_default is None else option.command_default
            yield inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=Annotated[_typed(hints[name].__origin__), _common_option(name, option)],
            )


def _common_option(name: str, option: Option) -> Any:
    hint = f" [default: {option.default}]" if option.default and not option.command_default else ""
    return typer.Option(
        _long(name) if name != "progress" else "--progress/--no-progress",
        *filter(None, [option.flag]),
        help=f"{option.help}{hint}",
        envvar=f"MAPREDUCE_{name.upper()}",
        show_envvar=False,
        metavar=option.metavar or None,
    )


def _typed(kind: Any) -> Any:
    """Return the type for the command line: a path or a number of lines stays text."""
    texts = {Name | None: str | None, int | str | None: str | None}
    return texts.get(kind, kind)


def _refuse_clashes(own: Sequence[inspect.Parameter], common: Sequence[inspect.Parameter]) -> None:
    names = [parameter.name for parameter in own]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise TypeError(f"{_long(twice[0])} is an option twice; rename the parameter")
    taken = {"inputs", "file", "help", *(parameter.name for parameter in common)}
    clashes = sorted(taken & {parameter.name for parameter in own})
    if clashes:
        raise TypeError(f"{_long(clashes[0])} is an option of every job; rename the parameter")


def _refuse_equal_spellings(command: Any, own: Collection[str]) -> None:
    """Raise ``TypeError`` for an option of a job that is typed like another, such as ``-o``."""
    taken: dict[str, str] = {}
    for parameter in sorted(command.params, key=lambda one: one.name in own):
        for text in [*parameter.opts, *parameter.secondary_opts]:
            if text in taken:
                whose = "this job" if taken[text] in own else "every job"
                raise TypeError(
                    f"{text} of {parameter.name!r} is an option of {whose}, too; rename it"
                )
            taken[text] = parameter.name


def _long(name: str) -> str:
    """Return a name as an option; ``from_`` is ``--from``, which cannot be a name in Python."""
    return f"--{name.rstrip('_').replace('_', '-')}"
