"""The plan decides how work is cut and which processes count, and it explains why."""

from __future__ import annotations

import inspect
import multiprocessing
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from promises import becomes, change, promise

from mapreduce import Job, KeyCount, LineMapper, Result, UsageError, run
from mapreduce.engine import explain_with
from mapreduce.jobs.count import count
from mapreduce.jobs.wordcount import wordcount
from mapreduce.kernel.pace import Pace
from mapreduce.options import Options, options_of


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_bytes(b"a b\n" * 1000)
    return path


@pytest.fixture
def _parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a pace at which a second process saves time for any input."""
    monkeypatch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))


def told(job: Any, path: Path, **options: Any) -> str:
    return "\n".join(explain_with(job, path, Options(**options)))


@pytest.mark.usefixtures("_parallel")
def test_a_plan_says_what_is_read_by_how_many_and_why(log: Path) -> None:
    text = told(count("1"), log, workers=3, split_size=1500)
    assert "inputs: 1 with 4,000 bytes" in text
    assert f"{log}: this machine, text, 4,000 bytes, fields 1 between b' '" in text
    assert "splits: 3 of 1,000 to 1,500 bytes, in 3 tasks" in text
    assert "workers: 3 (" in text
    assert "the input is large enough" in text
    assert "kernel: " in text


def test_a_small_input_says_that_one_process_counts_it(log: Path) -> None:
    assert "workers: 1 (this process): the input is small" in told(count("1"), log, workers=3)


@promise(
    "A plan is printed, and nothing is counted",
    broken_by=change("mapreduce.cli.running:run_job", "shown.explain", "False"),
)
def test_the_plan_of_a_command_is_printed_and_nothing_is_counted(log: Path) -> None:
    command = [sys.executable, "-m", "mapreduce", "wordcount", str(log), "--explain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=log.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("inputs: 1 with 4,000 bytes\n")
    assert [path.name for path in log.parent.iterdir()] == [log.name]


def lambda_job() -> KeyCount:
    return KeyCount(LineMapper(lambda line: line.split()), "keys.csv", ("Key", "Count"))


@promise(
    "What cannot be sent to other processes counts in one, and the run says why",
    broken_by=becomes("mapreduce.backends.sending:why_not_sendable", "return None"),
)
@pytest.mark.usefixtures("_parallel")
def test_a_lambda_counts_in_one_process_however_large_the_input_is(log: Path) -> None:
    found = run(lambda_job(), log, workers=2)
    assert (found.stats.workers, found.counts) == (1, {b"a": 1000, b"b": 1000})
    (note,) = found.notes
    assert note.startswith("counted in one process: the job cannot be sent to other processes")
    assert note.endswith("define its functions at the top level of a module that can be imported")


def test_a_lambda_in_a_small_run_needs_no_note(log: Path) -> None:
    assert run(lambda_job(), log, workers=2).notes == []


NOTEBOOK = """
import sys, threading
del sys.modules["__main__"].__file__
from mapreduce import KeyCount, LineMapper, run
import mapreduce.splits.plan as plan
from mapreduce.kernel.pace import Pace
plan.pace_of = lambda _mapper: Pace(1, 512 << 20)

def words(line):
    return line.split()

threading.Thread(target=threading.Event().wait, daemon=True).start()  # as a notebook's kernel has
found = run(KeyCount(LineMapper(words), "keys.csv", ("Key", "Count")), sys.argv[1], workers=2)
print(found.stats.workers, found.counts[b"a"], found.notes)
"""


@promise(
    "A function of a notebook counts in one process",
    broken_by=change("mapreduce.backends.sending:why_not_sendable", "b'__main__' in data", "False"),
)
def test_a_function_of_a_notebook_counts_in_one_process(log: Path, tmp_path: Path) -> None:
    script = tmp_path / "notebook.py"
    script.write_text(NOTEBOOK)
    command = [sys.executable, str(script), str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 1000 ['counted in one process: other processes cannot import")


def run_in_daemon(path: str) -> tuple[int, int]:
    from mapreduce.splits import plan

    plan.pace_of = lambda mapper: Pace(1, 512 << 20)
    found: Result = run(wordcount(), path, workers=2)
    return found.stats.workers, found.stats.lines


def test_a_daemon_which_may_have_no_children_counts_by_itself(log: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(run_in_daemon, (str(log),)) == (1, 1000)


def broken(line: bytes) -> Iterable[bytes]:
    return [line[:1].decode()] if line == b"a b" else [b"x"]  # type: ignore[list-item]


@promise(
    "A key that is no bytes is told with its line and what to do",
    broken_by=becomes("mapreduce.mapping.lines:LineCombiner._blame_line", "pass"),
)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("_parallel")
def test_a_key_that_is_no_bytes_is_told_with_its_line_and_what_to_do(
    tmp_path: Path, workers: int
) -> None:
    from mapreduce.errors import TaskError

    path = tmp_path / "log"
    path.write_bytes(b"first\na b\nlast\n")
    job = KeyCount(LineMapper(broken), "keys.csv", ("Key", "Count"))
    with pytest.raises(TaskError) as caught:
        run(job, path, workers=workers, split_size=100)
    message = str(caught.value)
    assert message.startswith(f"{path}: byte 6: the job failed in {__file__}, line ")
    assert ": the key 'a' is str" in message
    assert "encode text with .encode()" in message
    assert "\n" not in message


@promise(
    "An option is named as the caller knows it",
    broken_by=becomes("mapreduce.errors:MapReduceError.for_command_line", "return str(self)"),
)
def test_an_option_that_cannot_be_is_named_as_the_caller_knows_it(log: Path) -> None:
    with pytest.raises(UsageError, match=r"^workers=0: must be a whole number of at least 1$") as e:
        run(wordcount(), log, workers=0)
    assert e.value.for_command_line().startswith("--workers 0: must be")


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (wordcount, "must be a Job, not <function wordcount"),
        (KeyCount, "; call it, and give what it returns"),
        ("a.log", "must be a Job, not 'a.log'"),
    ],
)
def test_what_is_no_job_is_told_so(log: Path, job: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(job, log)
    assert message in str(caught.value)
    assert "\0" not in repr(caught.value)


def test_a_job_without_its_parts_is_told_what_is_missing(log: Path) -> None:
    class Half(Job):
        outputs = ("x.csv",)

    class Bare(Half):
        mapper: Any = broken

    with pytest.raises(UsageError, match="the job Half has no mapper"):
        run(Half(), log)
    with pytest.raises(UsageError, match="make a LineMapper of it"):
        run(Bare(), log)


def test_a_keyword_that_is_no_option_is_told_with_the_nearest_one(log: Path) -> None:
    with pytest.raises(TypeError, match=r"run\(\) got an unexpected .* did you mean 'workers'\?"):
        run(wordcount(), log, worker=2)  # type: ignore[call-arg]


def test_the_help_of_run_describes_every_option_in_a_readable_signature() -> None:
    signature = str(inspect.signature(run))
    assert signature.startswith("(job, inputs, /, *, output=None, workers=None")
    assert [
        name for name, _ in options_of(Options) if f"``{name}``: " not in str(run.__doc__)
    ] == []
