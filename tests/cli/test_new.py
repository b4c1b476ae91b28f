"""``mapreduce new NAME`` writes a job that runs and a test that passes, and overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from promises import change, promise
from shell import Shell, error_line

from mapreduce.cli.new_job import JOB, TEST

LOG: Final = "alpha GET /\nbeta GET /\nalpha PUT /\n\n"
EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def new(shell: Shell) -> Shell:
    """Return a shell in whose directory a new job was written."""
    done = shell.run("new", "first_words")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "first_words.py: a job; run it: mapreduce run first_words.py INPUTS\n"
        "test_first_words.py: its test; run it: pytest test_first_words.py\n"
    )
    shell.write(app_log=LOG)
    return shell


@pytest.mark.parametrize(
    ("options", "rows"), [([], "alpha,2\nbeta,1\n"), (["-c", "PUT"], "alpha,1\n")]
)
def test_a_new_job_runs_with_its_option(new: Shell, options: list[str], rows: str) -> None:
    done = new.run("run", "first_words.py", "app.log", *options)
    assert (done.returncode, done.stdout) == (0, "")
    assert new.made() == {"outputs/first_words.csv": f"Word,Count\n{rows}"}


def test_the_test_of_a_new_job_passes_and_can_fail(new: Shell) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    for wrong, code in ((False, 0), (True, 1)):
        if wrong:
            job = JOB.replace("NAME", "first_words").replace("[:1]", "[1:2]")
            (new.directory / "first_words.py").write_text(job)
        done = subprocess.run(
            [*command, "test_first_words.py"],
            cwd=new.directory,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # fewer imports
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert f"2 {'failed' if wrong else 'passed'}" in done.stdout


@pytest.mark.parametrize(("name", "text"), [("first_words.py", JOB), ("test_first_words.py", TEST)])
def test_the_example_of_the_docs_is_what_is_written(new: Shell, name: str, text: str) -> None:
    written = (new.directory / name).read_text()
    assert written == text.replace("NAME", "first_words")
    assert written.isascii()
    assert max(map(len, written.splitlines())) <= 100
    assert (EXAMPLES / "first_words.py").read_text() == JOB.replace("NAME", "first_words")


@promise(
    "A new job overwrites nothing",
    broken_by=[
        change("mapreduce.cli.new_job:_write", "'x'", "'w'"),
        change("mapreduce.cli.new_job:write_new_job", "os.path.lexists(path)", "False"),
    ],
)
@pytest.mark.parametrize("taken", ["words.py", "test_words.py"])
@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_a_new_job_overwrites_nothing(shell: Shell, taken: str, kind: str) -> None:
    path = shell.directory / taken
    if kind == "file":
        path.write_text("mine")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    before = sorted(shell.directory.iterdir())
    done = shell.run("new", "words")
    assert (done.returncode, done.stdout) == (2, "")
    assert error_line(done.stderr) == (
        f"{taken}: is there already; choose another name, or remove it"
    )
    assert sorted(shell.directory.iterdir()) == before
    assert kind != "file" or path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("1st", "1st: must be a name in Python"),
        ("two-words", "two-words: must be a name in Python"),
        ("a.b", "a.b: must be a name in Python"),
        ("../up", "../up: must be a name in Python"),
        ("_hidden", "_hidden: must be a name in Python"),
        ("größe", "größe: must be a name in Python"),
        ("class", "class: must be a name in Python"),
        ("", ": must be a name in Python"),
        ("\x1b[31m", r"\x1b[31m: must be a name in Python"),
        ("json", "json: is a name that Python or the job itself needs"),
        ("LineMapper", "LineMapper: is a name that Python or the job itself needs"),
        ("testing", "testing: pytest would take a function of this name for a test"),
    ],
)
def test_a_name_that_cannot_be_that_of_a_job_is_refused(
    shell: Shell, name: str, error: str
) -> None:
    before = shell.contents()
    done = shell.run("new", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert error_line(done.stderr).startswith(error)
    assert shell.contents() == before


def test_a_directory_that_may_not_be_written_is_one_clear_line(unprivileged: Shell) -> None:
    unprivileged.directory.chmod(0o555)
    done = unprivileged.run("new", "words")
    unprivileged.directory.chmod(0o755)
    assert done.returncode == 2
    assert error_line(done.stderr) == "words.py: cannot be written: Permission denied"
