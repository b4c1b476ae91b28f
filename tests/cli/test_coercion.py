"""Values are made of what was typed as typer makes them, without typer's slow way to do it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from promises import change, promise
from typer.core import TyperCommand
from typer.main import get_command

from mapreduce.cli.coercion import PlainCommand
from mapreduce.cli.command import make_command
from mapreduce.jobs.flowlogs.job import flowlogs

ROOT = Path(__file__).parents[2]


class Color(Enum):
    RED = "red"


def takes_all(  # noqa: PLR0917
    texts: Annotated[list[str] | None, typer.Argument()] = None,
    text: Annotated[str, typer.Option()] = "as it is",
    number: Annotated[int, typer.Option(min=1, max=9, envvar="NUMBER_OF_A_TEST")] = 5,
    path: Annotated[Path | None, typer.Option()] = None,
    paths: Annotated[list[Path] | None, typer.Option()] = None,
    numbers: Annotated[list[int], typer.Option()] = [7],  # noqa: B006 - typer does not change it
    way: Annotated[Literal["fork", "spawn"] | None, typer.Option()] = None,
    strict: Annotated[bool, typer.Option("--strict", envvar="STRICTNESS_OF_A_TEST")] = False,
    shown: Annotated[bool | None, typer.Option("--shown/--no-shown")] = None,
    share: Annotated[float, typer.Option()] = 0.5,
    color: Annotated[Color, typer.Option()] = Color.RED,
) -> dict[str, Any]:
    return locals()


def values(cls: type[TyperCommand], arguments: Sequence[str]) -> dict[str, Any] | str:
    """Return what the function gets from a command line, or how it was refused."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(cls=cls)(takes_all)
    try:
        given: dict[str, Any] = get_command(app).main(list(arguments), standalone_mode=False)
    except typer.TyperException as error:
        return f"refused in {len(error.format_message().splitlines())} line, {error.exit_code}"
    return given


COMMAND_LINES = [
    "",
    "a b -- -c",
    "--text x --text= --number 9 --path a/b --strict",
    "--number +3 --no-shown",
    "--number=-3",
    "--number 10",
    "--number 0",
    "--number x",
    "--number 1.5",
    "--numbers 1 --numbers -2",
    "--numbers 1 --numbers b",
    "--paths a --paths b/c",
    "--way spawn --shown",
    "--way SPAWN",
    "--way threads",
    "--share 0.25",
    "--share much",
    "--color red",
    "--color blue",
    "--nope",
    "--text",
]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_the_values_are_those_of_typer(line: str) -> None:
    assert values(PlainCommand, line.split()) == values(TyperCommand, line.split())


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("NUMBER_OF_A_TEST", "4"),
        ("NUMBER_OF_A_TEST", "four"),
        ("NUMBER_OF_A_TEST", ""),
        ("STRICTNESS_OF_A_TEST", "1"),
        ("STRICTNESS_OF_A_TEST", "No"),
        ("STRICTNESS_OF_A_TEST", "off"),
        ("STRICTNESS_OF_A_TEST", "perhaps"),
    ],
)
def test_variables_of_the_environment_are_read_as_by_typer(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    assert values(PlainCommand, []) == values(TyperCommand, [])


@promise(
    "A number with an underscore or in another script is refused",
    broken_by=change(
        "mapreduce.cli.coercion:_to_int", "not WHOLE_NUMBER.fullmatch(str(value))", "False"
    ),
)
@pytest.mark.parametrize(
    "line", ["--number=4_4", "--number=\u0664", "--number= 4", f"--number={'9' * 5000}", "--path="]
)
def test_what_typer_would_guess_is_refused(line: str) -> None:
    assert values(PlainCommand, [line]) == "refused in 1 line, 2"


def test_no_option_of_a_command_is_left_to_pydantic() -> None:
    command = make_command("flowlogs", flowlogs, lambda _build, _inputs, _options, _shown: None)
    with command.make_context("flowlogs", []) as context:
        parameters = command.get_params(context)
    assert [each.name for each in parameters if "process_value" not in vars(each)] == []
    assert "help" in [each.name for each in parameters]


@pytest.mark.parametrize(
    "arguments",
    [
        ["flowlogs", "data/flowlogs-2000.log", "--lookup", "data/lookup.csv", "-j", "1"],
        ["count", "data/flowlogs-2000.log", "-F", "7", "--no-progress"],
        ["jobs"],
        ["--version"],
        ["count", "--help"],
        ["count", "-j", "none"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_no_command_imports_pydantic(arguments: list[str], tmp_path: Path) -> None:
    inputs = [str(ROOT / each) if each.startswith("data/") else each for each in arguments]
    script = (
        "import sys, mapreduce.__main__ as command; code = command.main(); "
        "sys.exit(f'{code} {[name for name in sys.modules if name.startswith(\"pydantic\")]}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *inputs],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == f"{2 if 'none' in arguments else 0} []"
