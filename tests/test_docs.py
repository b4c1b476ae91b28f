"""The documents are true: what they show is run and printed, and they name every option.

A block ``console`` holds commands behind ``$`` and what each prints; ``...`` stands for any text. A
block ``python`` is run, and a block without a language below it is what it prints. With the name of
a file behind ``python``, it is written into that file. Other blocks must be named in ``NOT_RUN``.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from documents import (
    DOCUMENTS,
    EXAMPLES,
    ROOT,
    Block,
    blocks_of,
    options_below,
    shown_files,
    tables,
)
from promises import change_text, promise
from typer.main import get_command

from mapreduce.cli.app import _app, execute
from mapreduce.cli.registry import list_built_in
from mapreduce.cli.signals import StopRequest

NOT_RUN: Final = {
    "python3 -m venv .venv && .venv/bin/pip install --quiet . && ": "installs from the network",
    "python3 -m venv .venv && .venv/bin/pip install --quiet --upg": "CI runs it, word for word",
    ".venv/bin/pip install --upgrade pip && .venv/bin/pip install": "makes 11 GB of data",
    "mapreduce flowlogs s3://my-logs/AWSLogs/ -l lookup.csv --sin": "needs a bucket",
    '[project.entry-points."mapreduce.jobs"]': "is no code: tests/cli/test_registry.py has one",
}
"""The first 60 characters of each block that is not run, and why."""

ALL_RUNS: Final = "Options of every run"
_FIGURES: Final = re.compile(r" in [\d.,]+ s \([\d.,]+ [kMGT]B/s, (\d+ process\w*), \w+ kernel\)")
_TEST_TIME: Final = re.compile(r"(\d (?:passed|failed)) in [\d.]+s")
_PLACE: Final = re.compile(r"^-?> .*\n|, line \d+(?=: BdbQuit)", re.MULTILINE)
"""Where the debugger is: each Python says it in its own way."""
_TYPED: Final = re.compile(r"^\(Pdb\) (.*)\n", re.MULTILINE)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a directory with the samples, where the project's commands are found."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "bin").mkdir()
    for name, what in {"mapreduce": "-m mapreduce", "pytest": "-m pytest", "python": ""}.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {what} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # fewer imports
    return tmp_path


def run_console(block: Block, directory: Path) -> None:
    for command, printed in block.commands:
        typed = "".join(f"{text}\n" for text in _TYPED.findall(printed))
        if command.startswith("mapreduce ") and not typed and not set("|&;<>*") & set(command):
            found = call(shlex.split(command)[1:], directory)
        else:
            found = run_shell(command, typed)
        compare(_TYPED.sub("(Pdb) ", printed), found, f"{block.place}: {command}", directory)


def run_shell(command: str, typed: str) -> str:
    done = subprocess.run(
        ["sh", "-c", command],
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def call(arguments: list[str], directory: Path) -> str:
    """Return what the command prints, which runs in this process, because starts take time."""
    with ExitStack() as opened:
        streams = [opened.enter_context((directory / "printed").open("a", 1)) for _ in range(2)]
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            execute(arguments, StopRequest())
    printed = (directory / "printed").read_text()
    (directory / "printed").unlink()
    return printed


def run_python(block: Block, printed: str, directory: Path) -> None:
    """Run a block, or write it into its file."""
    if block.file:
        (directory / block.file).write_text(block.text)
        return
    with (directory / "printed").open("w") as out, redirect_stdout(out):
        exec(compile(block.text, block.place, "exec"), {"__name__": "__main__"})  # noqa: S102
    compare(printed, (directory / "printed").read_text(), block.place, directory)


def compare(printed: str, found: str, place: str, directory: Path) -> None:
    wanted, got = (
        _PLACE.sub("", _TEST_TIME.sub(r"\1", _FIGURES.sub(r" (\1)", text)))
        for text in (printed, found.replace(str(directory), "/home/you"))
    )
    same = doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS)
    assert same, f"{place}\nshown:\n{wanted}\nprinted:\n{got}"


def is_output(block: Block, before: Block) -> bool:
    """Return whether a block is what the block before it prints."""
    return block.language == "" and before.language == "python" and not before.file


@promise(
    "What the documents show is what the commands print",
    broken_by=change_text("README.md", "200,27,433855", "200,28,433855"),
)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.name))
def test_the_code_of_a_document_prints_what_stands_there(document: Path, directory: Path) -> None:
    nothing = Block(document, 0, "", "", "")
    for block, below in pairwise([*blocks_of(document), nothing]):
        if block.language == "console":
            run_console(block, directory)
        elif block.language == "python":
            run_python(block, below.text if is_output(below, block) else "", directory)


def test_an_example_that_a_document_shows_is_the_file() -> None:
    files = [one for document in DOCUMENTS for one in shown_files(document).items()]
    examples = [(name, text) for name, text in files if (EXAMPLES / name).exists()]
    assert examples
    assert [name for name, text in examples if (EXAMPLES / name).read_text() != text] == []


def blocks_that_are_not_run() -> Iterator[str]:
    for document in DOCUMENTS:
        blocks = [*blocks_of(document)]
        for before, block in pairwise([Block(document, 0, "", "", ""), *blocks]):
            if block.language not in {"console", "python"} and not is_output(block, before):
                yield block.text.partition("\n")[0][:60]


def test_each_block_is_run_or_named_among_those_that_are_not() -> None:
    assert sorted(blocks_that_are_not_run()) == sorted(NOT_RUN)


def test_each_command_of_a_console_stands_behind_its_prompt() -> None:
    blocks = [block for document in DOCUMENTS for block in blocks_of(document)]
    consoles = [block for block in blocks if block.language == "console"]
    assert consoles
    assert [block.place for block in consoles if not block.text.startswith("$ ")] == []


def spellings(command: Any) -> set[str]:
    """Return the options of a command as they are typed."""
    texts = {text for one in command.params for text in (*one.opts, *one.secondary_opts)}
    return {text for text in texts if text.startswith("-")}


def command_of(name: str) -> Any:
    return get_command(_app(StopRequest())).get_command(None, name)  # type: ignore[attr-defined]


def options_of_every_run() -> set[str]:
    return set.intersection(*(spellings(command_of(name)) for name, _ in list_built_in()))


def test_every_command_stands_in_the_documents() -> None:
    shown = {word for cell in tables()["Commands"] for word in re.findall(r"[\w-]+", cell)}
    app = get_command(_app(StopRequest()))
    named = {*app.list_commands(None), *spellings(app)}  # type: ignore[attr-defined]
    assert named - shown == set()


@promise(
    "The documents name every option, and none that does not exist",
    broken_by=change_text("README.md", "| `--stats PATH` |", "| `--statistics PATH` |"),
)
def test_every_option_of_every_run_stands_in_the_documents() -> None:
    assert options_below(ALL_RUNS) == options_of_every_run()


@pytest.mark.parametrize("name", [name for name, _summary in list_built_in()])
def test_every_option_of_a_job_stands_in_the_documents(name: str) -> None:
    own = spellings(command_of(name)) - options_of_every_run()
    assert options_below(f"Options of `{name}`") == own
