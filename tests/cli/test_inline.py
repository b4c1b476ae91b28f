"""``--inline``: one process and no bar, so that print and breakpoint() work in a job's code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from faulty import Process, wait_until
from promises import change, promise
from screen import terminal
from shell import MODULE, Shell

from mapreduce import KeyCount, LineMapper, UsageError, run
from mapreduce.kernel.pace import PYTHON

JOB: Final = """
import os

from mapreduce import KeyCount, LineMapper


def keys(line: bytes) -> list[bytes]:
    if line == b"who":
        print("counted by", os.getpid(), os.getppid())
    if line == b"stop":
        breakpoint()
    if line == b"endless":
        print("endless", flush=True)
        while True:
            pass
    return [] if line.startswith(b"#") else [line]


def job() -> KeyCount:
    return KeyCount(LineMapper(keys), output="lines.csv", header=("Line", "Count"))
"""
LARGE: Final = f"#{'-' * 998}\n" * (PYTHON.parallel_threshold // 1000 + 1)


@pytest.fixture
def job(shell: Shell) -> Shell:
    """Return a shell with a job that prints, stops in the debugger or never ends."""
    shell.write(job_py=JOB, who_txt="who\n", stop_txt="a\nstop\nb\n", endless_txt="a\nendless\n")
    return shell


def command(job: Shell, *arguments: str) -> list[str]:
    return [sys.executable, *MODULE, "run", str(job.directory / "job.py"), *arguments, "--inline"]


@promise(
    "An inline run counts in one process, however large the input",
    broken_by=change(
        "mapreduce.splits.plan:make_plan",
        "small or options.inline",
        "small",
    ),
)
@pytest.mark.parametrize("options", [[], ["-j", "2"], ["--start-method", "spawn"]])
def test_an_inline_run_counts_in_one_process(job: Shell, options: list[str]) -> None:
    job.write(large_txt=LARGE + "who\n")
    arguments = ["run", "job.py", "large.txt", "--inline", *options, "--stats", "stats.json"]
    with subprocess.Popen(
        [sys.executable, *MODULE, *arguments],
        cwd=job.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        out, err = process.communicate()
    assert process.returncode == 0
    assert out == f"counted by {process.pid} {os.getpid()}\n"
    assert "1 process" in err
    assert json.loads(job.contents()["stats.json"])["workers"] == 1


def test_any_job_may_be_inline(job: Shell) -> None:
    done = job.run("flowlogs", "flows.log", "-l", "lookup.csv", "--inline")
    assert done.returncode == 0
    done = job.run("wordcount", "-", "--inline", "-o", "-", input="a b a\n")
    assert (done.returncode, done.stdout) == (0, "Word,Count\na,2\nb,1\n")


def test_the_plan_says_that_a_run_is_inline(job: Shell) -> None:
    job.write(large_txt=LARGE)
    for name in ("who.txt", "large.txt"):
        done = job.run("run", "job.py", name, "--inline", "--explain", "-j", "2")
        assert done.returncode == 0
        assert (
            "workers: 1 (this process): the run is inline, so that print and breakpoint() work"
            in done.stdout
        )


@promise(
    "No progress bar disturbs an inline run",
    broken_by=change(
        "mapreduce.cli.running:run_job",
        "_wants_bar(shown) and not options.inline",
        "_wants_bar(shown)",
    ),
)
def test_no_bar_disturbs_an_inline_run(job: Shell) -> None:
    with terminal(command(job, "who.txt", "--progress"), cwd=job.directory) as screen:
        code, lines = screen.finish()
    assert code == 0
    assert lines[0].startswith("counted by ")
    assert "1 lines in" in lines[1]
    assert b"%|" not in screen.seen


def test_the_debugger_reads_the_terminal(job: Shell) -> None:
    with terminal(command(job, "stop.txt"), cwd=job.directory) as screen:
        screen.read_until(rb"\(Pdb\) ")
        screen.type(b"p line\n")
        screen.read_until(rb"b'stop'")
        screen.type(b"c\n")
        code, _lines = screen.finish()
    assert code == 0
    assert job.made() == {"outputs/lines.csv": "Line,Count\na,1\nb,1\nstop,1\n"}


# --- signals


@promise(
    "Ctrl-C at the prompt of a debugger leaves the prompt usable",
    broken_by=change("mapreduce.cli.running:_backend", "options.inline", "False"),
)
@pytest.mark.timeout(20)
def test_ctrl_c_at_the_prompt_is_the_debuggers(job: Shell) -> None:
    with terminal(command(job, "stop.txt"), cwd=job.directory) as screen:
        screen.read_until(rb"\(Pdb\) ")
        screen.type(b"\x03")
        screen.type(
            b"\n"
        )  # readline may not wait yet, and then it heeds a signal only after a line
        screen.read_until(rb"KeyboardInterrupt")
        screen.type(b"c\n")
        code, _lines = screen.finish()
    assert code == 0
    assert job.made() == {"outputs/lines.csv": "Line,Count\na,1\nb,1\nstop,1\n"}


def test_to_quit_the_debugger_ends_the_run_and_nothing_is_written(job: Shell) -> None:
    with terminal(command(job, "stop.txt"), cwd=job.directory, columns=300) as screen:
        screen.read_until(rb"\(Pdb\) ")
        screen.type(b"q\n")
        code, lines = screen.finish()
    assert code == 1
    assert "stop.txt: byte 2: the job failed in" in lines[-1]
    assert "BdbQuit" in lines[-1]
    assert job.made() == {}


@promise(
    "A signal ends an inline run whose job never ends",
    broken_by=change(
        "mapreduce.cli.signals:StopRequest._receive", "raise KeyboardInterrupt", "pass"
    ),
)
@pytest.mark.timeout(20)
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_an_inline_run_whose_job_never_ends(
    job: Shell, signum: signal.Signals
) -> None:
    arguments = command(job, "endless.txt", "--rejects", "outputs/rejects.csv")
    with subprocess.Popen(
        arguments, cwd=job.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"endless\n"
            process.send_signal(signum)
            _out, err = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 128 + signum
    assert err == f"mapreduce: stopped by {signum.name}; nothing was written\n".encode()
    assert job.made() == {}


def test_a_signal_ends_an_inline_run_that_waits_for_standard_input(job: Shell) -> None:
    with subprocess.Popen(
        command(job, "-"), cwd=job.directory, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert wait_until(lambda: Process(process.pid, "", 0, 0).catches(signal.SIGTERM))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert process.stderr
        assert process.stderr.read() == b"mapreduce: stopped by SIGINT; nothing was written\n"


# --- from Python


def test_inline_is_a_keyword_of_run_and_takes_what_cannot_be_sent(tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text(LARGE + "a\n")
    here = set[int]()

    def keys(line: bytes) -> list[bytes]:
        here.add(os.getpid())
        return [line[:1]]

    job = KeyCount(LineMapper(keys), output="x.csv", header=("Key", "Count"))
    result = run(job, tmp_path / "large.txt", inline=True, workers=2)
    assert here == {os.getpid()}
    assert (result.stats.workers, result.notes) == (1, [])


def test_a_backend_cannot_be_inline(tmp_path: Path) -> None:
    from mapreduce.backends.this_process import ThisProcess

    job = KeyCount(LineMapper(bytes.split), output="x.csv", header=("Key", "Count"))
    with pytest.raises(UsageError, match="inline=True counts in this process: leave out the back"):
        run(job, tmp_path, inline=True, backend=ThisProcess())
