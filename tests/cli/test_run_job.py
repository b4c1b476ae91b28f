"""``mapreduce run JOB_FILE``: a plain file is a job, and nothing else of its directory is run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from promises import becomes, change, promise
from shell import Shell, error_line

from mapreduce.kernel.pace import PYTHON

JOB: Final = '''
"""Letters of words."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from mapreduce import KeyCount, LineMapper, Measure


class Longest(Measure):
    """The longest text."""

    name = "Longest"

    def merge(self, one: int, other: int) -> int:
        return max(one, other)


class OddError(Exception):
    """Has a module of its own, which no reader wants to see."""


def check(word: bytes) -> bytes:
    if word == b"odd":
        raise OddError("this is odd")
    if word == b"notjson":
        import json

        json.loads("{")
    return word


def keys(at_least: int, line: bytes) -> list[tuple[bytes, int]]:
    if line.startswith(b"#"):
        return []
    return [(check(word), len(line)) for word in line.split() if len(word) >= at_least]


def words(at_least: Annotated[int, "-n", "Letters that a word must have."] = 1) -> KeyCount:
    """Count long words.

    More than one line is said here.
    """
    mapper = LineMapper(partial(keys, at_least), measures=(Longest(),))
    return KeyCount(mapper, output="words.csv", header=("Word", "Count", "Longest"))
'''
ODD: Final = 1 + JOB[: JOB.index("raise OddError")].count("\n")
NOT_JSON: Final = 1 + JOB[: JOB.index("json.loads(")].count("\n")
RESULT: Final = "Word,Count,Longest\nto,2,8\nbe,1,8\nnot,1,6\nor,1,8\n"
CHANGES_ITSELF: Final = """

def changing() -> KeyCount:
    with open(__file__, "a") as file:
        file.write("# changed")
    return words()
"""
METHODS: Final = ["fork", "forkserver", "spawn"]


@pytest.fixture
def jobs(shell: Shell) -> Shell:
    """Return a shell with a job in a directory of its own."""
    (shell.directory / "jobs").mkdir()
    (shell.directory / "jobs" / "words.py").write_text(JOB)
    return shell


def write_large(shell: Shell, last: str = "") -> int:
    """Write a file that is worth a pool, but quickly counted; return the bytes before ``last``."""
    text = "to be or\nnot to\n" + f"#{'-' * 998}\n" * (PYTHON.parallel_threshold // 1000 + 1)
    (shell.directory / "large.txt").write_text(text + last)
    return len(text)


@pytest.mark.parametrize("where", ["jobs/words.py", "jobs/words.py:words"])
def test_a_plain_file_is_a_job(jobs: Shell, where: str) -> None:
    done = jobs.run("run", where, "text.txt")
    assert (done.returncode, done.stdout) == (0, "")
    assert jobs.made() == {"outputs/words.csv": RESULT}
    assert [path.name for path in (jobs.directory / "jobs").iterdir()] == ["words.py"]


def test_the_parameters_of_its_function_are_options(jobs: Shell) -> None:
    jobs.run("run", "jobs/words.py", "-n", "3", "text.txt", "-o", "out")
    assert jobs.made() == {"out/words.csv": "Word,Count,Longest\nnot,1,6\n"}
    refused = jobs.run("run", "jobs/words.py", "-n", "many", "text.txt")
    assert refused.returncode == 2
    assert "'--at-least' / '-n': 'many' is not a whole number" in error_line(refused.stderr)


@promise(
    "Workers find the functions and classes of a job file under every start method",
    broken_by=change("mapreduce.job_files", "sys.meta_path.append(_Finder())", "pass"),
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["words.py", "w.ö@1 %41:x.txt"], ids=["plain", "odd"])
def test_workers_find_the_code_of_a_job_file(jobs: Shell, method: str, name: str) -> None:
    write_large(jobs)
    (jobs.directory / "jobs" / "words.py").rename(jobs.directory / name)
    done = jobs.run("run", name, "large.txt", "-j", "2", "--start-method", method)
    assert done.returncode == 0
    assert "2 processes" in done.stderr
    assert jobs.made() == {"outputs/words.csv": RESULT}


@promise(
    "A run never mixes two versions of a job file",
    broken_by=change(
        "mapreduce.job_files:_Loader.get_data", "_module_name(...) != self._name", "False"
    ),
)
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_job_file_that_changes_ends_the_run(jobs: Shell, method: str) -> None:
    write_large(jobs)
    file = jobs.directory / "jobs" / "words.py"
    file.write_text(JOB + CHANGES_ITSELF)
    done = jobs.run(
        "run", "jobs/words.py:changing", "large.txt", "-j", "2", "--start-method", method
    )
    assert done.returncode == 2
    assert (
        error_line(done.stderr) == f"{file}: the job has changed since the run began; run it again"
    )
    assert jobs.made() == {}


@promise(
    "An error in a job file names the input's byte and the line of that file",
    broken_by=becomes("mapreduce.errors:_job_line", "return frames[-1] if frames else None"),
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize(
    ("last", "line", "reason"),
    [
        ("odd", ODD, "OddError: this is odd"),
        ("notjson", NOT_JSON, "JSONDecodeError: Expecting property name"),
    ],
    ids=["own", "library"],
)
def test_an_error_names_the_line_of_the_job_and_the_byte_of_the_input(
    jobs: Shell, *, method: str, size: str, last: str, line: int, reason: str
) -> None:
    before = write_large(jobs, last)
    if size == "small":
        (jobs.directory / "large.txt").write_text(f"a\n{last}\n")
        before = 2
    arguments = ["run", "jobs/words.py", "large.txt", "-j", "2", "--start-method", method]
    done = jobs.run(*arguments)
    assert done.returncode == 1
    place = (
        f"large.txt: byte {before}: the job failed in {jobs.directory}/jobs/words.py, line {line}"
    )
    assert error_line(done.stderr).startswith(f"{place}: {reason}")
    assert done.stderr.endswith(" (--debug shows the traceback)\n")
    assert jobs.made() == {}


def test_debug_shows_the_traceback(jobs: Shell) -> None:
    jobs.write(odd_txt="a\nodd\n", bad_py="import json\n\njson.loads('{')\n")
    for arguments, frame in [
        (["jobs/words.py", "odd.txt"], f'/jobs/words.py", line {ODD}, in check'),
        (["bad.py", "odd.txt"], '/bad.py", line 3, in <module>'),
    ]:
        done = jobs.run_with_traceback("run", *arguments, "--debug")
        assert done.stderr.startswith("Traceback (most recent call last):\n")
        assert f"{jobs.directory}{frame}\n" in done.stderr
        assert "mapreduce.job_files" not in done.stderr
        assert "importlib" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith("mapreduce: error: ")


# --- what cannot be run: one line, exit 2

ONE: Final = "from mapreduce import KeyCount, LineMapper\n\n\ndef job{} -> KeyCount:\n    {}\n"
ANNOTATED: Final = "from typing import Annotated as A\n"


@pytest.mark.parametrize(
    ("source", "where", "error"),
    [
        (None, "job.py", "job.py: No such file or directory"),
        (None, "job.py:job", "job.py: No such file or directory"),
        ("x = (", "job.py", "job.py, line 1: SyntaxError: '(' was never closed"),
        ("\n1 / 0", "job.py", "job.py, line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit()", "job.py", "job.py, line 2: SystemExit"),
        ("x = '\0'", "job.py", "job.py: "),
        (
            "# \x1b[31m\nraise ValueError('\x1b[31m')",
            "job.py",
            r"job.py, line 2: ValueError: \x1b[31m",
        ),
        ("import nothing_there", "job.py", "line 1: ModuleNotFoundError: No module named"),
        ("import text", "job.py", "set PYTHONPATH="),
        ("x = 1", "job.py", "job.py: no function is annotated to return a Job, as in def job()"),
        ("x = 1", "job.py:x", "job.py: is no function: x"),
        (ONE.format("()", "..."), "job.py:jab", "job.py: there is no function jab; it has job"),
        (ONE.format("()", "..."), "job.py", "job.py, line 4: the function returns None, and must"),
        (
            ONE.format("(a: bytes)", "..."),
            "job.py",
            "job.py, line 4: the job cannot be a command: ",
        ),
        (ONE.format("(*a: str)", "..."), "job.py", "the parameter 'a' has no name to be an option"),
        (
            ONE.format("(output: str)", "..."),
            "job.py",
            "--output is an option of every job; rename",
        ),
        (ONE.format("(help: str)", "..."), "job.py", "--help is an option of every job; rename"),
        (
            ONE.format("(no_progress: bool)", "..."),
            "job.py",
            "--no-progress of 'no_progress' is an",
        ),
        (
            ANNOTATED + ONE.format("(a: A[int, '-o'])", "..."),
            "job.py",
            "line 5: the job cannot be a command: -o of 'a' is an option of every job, too; rename",
        ),
        (
            ANNOTATED + ONE.format("(a: A[int, '-x'], b: A[int, '-x'])", "..."),
            "job.py",
            "-x of 'b' is an option of this job, too; rename it",
        ),
        (
            "from mapreduce import TableView\n" + ONE.format("(v: TableView, top: int)", "..."),
            "job.py",
            "--top is an option twice; rename the parameter",
        ),
    ],
    ids=lambda value: value[:20] if value else "missing",
)
def test_a_job_that_cannot_be_run_is_one_clear_line(
    shell: Shell, source: str | None, where: str, error: str
) -> None:
    shell.write(text_py="raise SystemExit('imported')")
    if source is not None:
        shell.write(job_py=source)
    done = shell.run("run", where, "text.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert error in error_line(done.stderr)
    assert shell.made() == {}


def test_a_function_that_fails_is_told_with_its_line(shell: Shell) -> None:
    shell.write(job_py=ONE.format("()", "raise KeyError('x')"))
    done = shell.run("run", "job.py", "text.txt")
    assert done.returncode == 1
    assert f"the job failed in {shell.directory}/job.py, line 5: KeyError: 'x'" in done.stderr


def test_one_of_several_functions_must_be_named(jobs: Shell) -> None:
    more = "\n\ndef other(n: int = 2) -> KeyCount:\n    return words(n)\n"
    more += "\n\ndef _hidden() -> KeyCount: ...\n\n\nimported = words\n"
    jobs.write(two_py=JOB + more)
    done = jobs.run("run", "two.py", "text.txt")
    assert done.returncode == 2
    assert error_line(done.stderr) == (
        "two.py: several functions make a job; name one: two.py:words, two.py:other"
    )
    assert jobs.run("run", "two.py:other", "text.txt", "--n", "3").returncode == 0


def test_a_function_without_annotation_is_found_by_the_name_of_its_file(jobs: Shell) -> None:
    jobs.write(short_py=JOB.replace("-> KeyCount", "").replace("def words", "def short"))
    assert jobs.run("run", "short.py", "text.txt").returncode == 0
    assert jobs.made() == {"outputs/words.csv": RESULT}


# --- only what was named is run


@promise(
    "No other file of a job file's directory is imported",
    broken_by=change(
        "mapreduce.job_files:load_source",
        "_sources[name] = source",
        "sys.path.insert(0, os.path.dirname(path)); _sources[name] = source",
    ),
)
@pytest.mark.parametrize("method", METHODS)
def test_no_other_file_of_the_directory_is_imported(jobs: Shell, method: str) -> None:
    write_large(jobs)
    for name in ("socket", "typing", "json", "isal", "obstore", "pickle", "tqdm"):
        jobs.write(**{f"jobs/{name}_py": "import os\nos._exit(77)\n"})
    arguments = ["large.txt", "-j", "2", "--start-method", method, "--progress"]
    done = jobs.run("run", "jobs/words.py", *arguments)
    assert done.returncode == 0
    assert "2 processes" in done.stderr
    inside = Shell(jobs.directory / "jobs")
    done = inside.run("run", "words.py", "../large.txt", "-j", "2", "--start-method", method)
    assert done.returncode == 0


def test_a_neighbour_is_imported_if_pythonpath_names_its_directory(
    jobs: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_large(jobs)
    jobs.write(**{"jobs/near_py": "LEAST = 3\n"})
    jobs.write(
        far_py=JOB.replace("] = 1)", "] = near.LEAST)").replace(
            "class L", "import near\n\n\nclass L"
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(jobs.directory / "jobs"), prepend=os.pathsep)
    done = jobs.run("run", "far.py:words", "large.txt", "-j", "2", "--start-method", "spawn")
    assert done.returncode == 0
    assert jobs.made() == {"outputs/words.csv": "Word,Count,Longest\nnot,1,6\n"}


# --- help


def test_the_help_of_a_job_file_shows_its_docstring_and_options(jobs: Shell) -> None:
    done = jobs.run("run", "jobs/words.py", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    unwrapped = " ".join(done.stdout.split())
    for text in (
        "Usage: mapreduce run jobs/words.py [OPTIONS]",
        "Count long words.",
        "More than one line is said here.",
        "-n, --at-least",
        "Letters that a word must have.",
        "--inline",
    ):
        assert text in unwrapped


def test_the_help_of_run_explains_its_forms_without_running_a_file(jobs: Shell) -> None:
    for arguments in (["run", "--help"], ["--help"]):
        done = jobs.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Run a job that stands in a Python file." in done.stdout
    assert "mapreduce run errors.py:by_host logs/ -j 4" in jobs.run("run", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["run"], "name a job file: mapreduce run JOB_FILE[:FUNCTION] INPUTS"),
        (["run", "-j", "2", "jobs/words.py"], "-j: options stand behind the job file: "),
        (["run", "jobs/words.py"], "no input: name one or more files"),
        (["run", "jobs"], "jobs: Is a directory"),
        (["jobs/words.py", "text.txt"], "a job file is run by: mapreduce run jobs/words.py"),
        (
            ["wordcuont", "text.txt"],
            "there is no command or job 'wordcuont'; did you mean 'wordcount'?",
        ),
        (["jbos"], "there is no command or job 'jbos'; did you mean 'jobs'?"),
        (["rn", "text.txt"], "did you mean 'run'?"),
        (["xyzzy"], "there is no command or job 'xyzzy' (mapreduce jobs lists the jobs)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_that_is_mistyped_is_told_what_was_meant(
    jobs: Shell, arguments: list[str], error: str
) -> None:
    done = jobs.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert error in error_line(done.stderr)


def test_a_pipe_is_no_job_file(jobs: Shell) -> None:
    os.mkfifo(jobs.directory / "pipe")
    done = jobs.run("run", "pipe", "text.txt")
    assert done.returncode == 2
    assert error_line(done.stderr) == "pipe: is a pipe, and workers must read the job, too"


def test_the_example_of_the_docs_is_run_as_it_is(shell: Shell) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "errors_by_host.py"
    shell.write(app_log="web1 1 ERROR disk full\nweb2 2 fine\n")
    assert shell.run("run", str(example), "app.log").returncode == 0
    assert shell.made() == {"outputs/errors.csv": "Host,Errors,Longest\nweb1,1,22\n"}
