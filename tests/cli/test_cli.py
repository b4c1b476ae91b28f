"""The command through its front door: exit codes, one clear line for an error, who prints what."""

from __future__ import annotations

import os
import platform
import pty
import re
import subprocess
import sys
import termios
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from promises import becomes, change, promise
from shell import (
    BAR,
    FLOWS,
    HEADER,
    JUNK,
    MODULE,
    PHASES,
    PROCESSFLOWS,
    RECORD,
    STATS_KEYS,
    TABLES,
    Shell,
    error_line,
    read_stats,
)

import mapreduce
from mapreduce import kernel
from mapreduce.kernel.pace import PYTHON

# --- success


@pytest.mark.parametrize(
    "program", [(*MODULE, "flowlogs"), PROCESSFLOWS], ids=["mapreduce", "processflows"]
)
def test_flow_logs_are_tagged_into_outputs_by_default(shell: Shell, program: Sequence[str]) -> None:
    done = shell.run("-f", "flows.log", "-l", "lookup.csv", program=program)
    assert (done.returncode, done.stdout) == (0, "")
    assert shell.made() == TABLES


def test_the_summary_says_on_stderr_what_was_found_and_written(shell: Shell) -> None:
    done = shell.run("flowlogs", "flows.log", "--lookup", "lookup.csv", "--output", "out")
    assert (done.returncode, done.stdout) == (0, "")
    summary, tags, pairs = done.stderr.splitlines()
    assert re.fullmatch(
        rf"6 lines in \d+\.\d\d s \([\d,]+ MB/s, 1 process, {kernel.NAME} kernel\): "
        r"4 counted, 2 skipped \(1 NODATA\), 0 malformed",
        summary,
    )
    assert tags == "out/tag2count.csv: 1 tags, 1 records untagged: 9/udp 1"
    assert pairs == "out/portprotocolcount.csv: 2 port/protocol pairs"


def test_words_of_a_text_are_counted(shell: Shell) -> None:
    assert shell.run("wordcount", "text.txt").returncode == 0
    assert shell.made() == {"outputs/wordcount.csv": "Word,Count\nto,2\nbe,1\nnot,1\nor,1\n"}


def test_inputs_may_be_named_with_and_without_an_option(shell: Shell) -> None:
    shell.write(a_txt="a\n", b_txt="b\n", c_txt="c")
    done = shell.run(
        *("wordcount", "a.txt", "-f", "b.txt", "text.txt", "--file", "c.txt", "--stats", "-"),
        *("-o", "out"),
    )
    stats = read_stats(done.stdout)
    assert (stats["inputs"], stats["bytes"], stats["lines"]) == (4, 21, 5)
    assert shell.made()["out/wordcount.csv"].startswith("Word,Count\nto,2\na,1\nb,1\nbe,1\nc,1\n")


def test_a_large_input_is_counted_by_several_processes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pure kernel takes 32 MiB for large, the native ones 512."""
    monkeypatch.setenv("MAPREDUCE_KERNEL", "pure")
    times = PYTHON.parallel_threshold // len(FLOWS) + 1
    shell.write(large_log=FLOWS * times)
    done = shell.run(
        *("flowlogs", "large.log", "-l", "lookup.csv", "-j", "2", "--stats", "-", "-o", "out")
    )
    stats = read_stats(done.stdout)
    assert (stats["workers"], stats["counted"], stats["skipped"]) == (2, 4 * times, 2 * times)
    assert stats["splits"] > 1
    assert "2 processes" in done.stderr
    assert shell.made()["out/tag2count.csv"] == f"Tag,Count\nweb,{3 * times}\nUntagged,{times}\n"


def test_on_conflict_reaches_the_job(shell: Shell) -> None:
    shell.write(two_csv=f"{HEADER}443,tcp,a\n443,tcp,b\n")
    for choice, tag in [("first", "a"), ("last", "b")]:
        shell.run("flowlogs", "flows.log", "-l", "two.csv", "--on-conflict", choice)
        assert shell.made()["outputs/tag2count.csv"] == f"Tag,Count\n{tag},3\nUntagged,1\n"


# --- standard input and pipes


def test_standard_input_is_read_from_a_pipe(shell: Shell) -> None:
    done = shell.run("flowlogs", "-", "-l", "lookup.csv", input=FLOWS)
    assert (done.returncode, shell.made()) == (0, TABLES)


@promise(
    "A redirected file is read from where it stands",
    broken_by=becomes("mapreduce.formats.stream:position_of", "return 0"),
)
@pytest.mark.parametrize("offset", [0, len(RECORD.format(443, 6))])
def test_a_redirected_file_is_read_from_where_it_stands(shell: Shell, offset: int) -> None:
    shell.write(bad_log=RECORD.format(443, 6) * 2 + "junk\n")
    with (shell.directory / "bad.log").open("rb", buffering=0) as file:
        file.seek(offset)
        done = shell.run(
            *("flowlogs", "-", "-l", "lookup.csv", "-o", "out", "--stats", "out.json"), stdin=file
        )
    stats = read_stats(shell.made()["out.json"])
    lines = 2 - (offset > 0)
    assert (stats["counted"], stats["bytes"]) == (lines, lines * len(RECORD.format(443, 6)) + 5)
    assert f"malformed: standard input: byte {2 * len(RECORD.format(443, 6))}: 1 " in done.stderr


def test_a_named_pipe_is_read_to_its_end(shell: Shell) -> None:
    fifo = shell.directory / "pipe"
    os.mkfifo(fifo)
    with subprocess.Popen([sys.executable, "-c", f"open({str(fifo)!r}, 'w').write('a b\\na')"]):
        done = shell.run("wordcount", "pipe", "-o", "out")
    assert done.returncode == 0
    assert shell.made() == {"out/wordcount.csv": "Word,Count\na,2\nb,1\n"}


@pytest.mark.parametrize(
    "arguments",
    [["jobs"], ["--help"], ["--version"], ["wordcount", "text.txt", "--stats", "-"]],
    ids=lambda arguments: arguments[0],
)
def test_a_broken_pipe_ends_quietly(shell: Shell, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:  # noqa: PTH123 - a descriptor
        done = shell.run(*arguments, stdout=stdout)
    assert done.returncode in (0, 1)
    assert "rror" not in done.stderr
    assert "Exception ignored" not in done.stderr


@promise(
    "A full standard output is one clear error",
    broken_by=change("mapreduce.cli.app:execute", "error.errno != errno.EPIPE", "False"),
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize(
    "arguments",
    [["jobs"], ["--help"], ["--version"], ["wordcount", "text.txt", "-q", "--stats", "-"]],
    ids=lambda arguments: arguments[0],
)
def test_a_full_standard_output_is_one_clear_error(shell: Shell, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as stdout:
        done = shell.run(*arguments, stdout=stdout)
    assert done.returncode == 1
    assert "No space left on device" in error_line(done.stderr)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_that_is_not_needed_is_not_missed(
    shell: Shell, closed: str
) -> None:
    script = f'exec "$0" "$@" {closed}'
    command = ["sh", "-c", script, sys.executable, *MODULE, "wordcount", "text.txt", "-o", "out"]
    done = subprocess.run(command, cwd=shell.directory, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (0, "")
    assert list(shell.made()) == ["out/wordcount.csv"]


# --- figures


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FLOWS, {"lines": 6, "counted": 4, "skipped": 2, "malformed": 0, "distinct_keys": 2}),
        (f"{FLOWS}junk", {"lines": 7, "counted": 4, "skipped": 2, "malformed": 1}),
        ("", {"lines": 0, "counted": 0, "skipped": 0, "malformed": 0, "distinct_keys": 0}),
    ],
    ids=["clean", "malformed", "empty"],
)
def test_stats_have_the_documented_keys_and_conserve(
    shell: Shell, text: str, expected: dict[str, int]
) -> None:
    shell.write(flows_log=text)
    arguments = ["flowlogs", "flows.log", "-l", "lookup.csv", "-j", "1", "--stats"]
    printed = read_stats(shell.run(*arguments, "-").stdout)
    done = shell.run(*arguments, "out.json")
    stats = read_stats(shell.made()["out.json"])
    assert (done.returncode, done.stdout) == (0, "")
    assert {key: stats[key] for key in expected} == expected
    assert (stats["inputs"], stats["workers"], stats["kernel"]) == (1, 1, kernel.NAME)
    assert stats["bytes"] == len(text)
    timed = {"seconds", "mb_per_s"}
    assert all(printed[key] == stats[key] for key in STATS_KEYS if key not in timed)
    seconds = stats["seconds"]
    assert sum(seconds[phase] for phase in PHASES - {"total"}) == pytest.approx(
        seconds["total"], abs=1e-4
    )
    assert stats["mb_per_s"] == pytest.approx(stats["bytes"] / 1e6 / seconds["total"], abs=1e-3)


@pytest.mark.parametrize("target", ["out/stats.json", "outer/made/for/them.json"])
def test_stats_may_stand_beside_the_tables_or_in_a_directory_made_for_them(
    shell: Shell, target: str
) -> None:
    done = shell.run("wordcount", "text.txt", "-o", "out", "--stats", target)
    assert done.returncode == 0
    assert set(shell.made()) == {"out/wordcount.csv", target}


# --- who sees what


def test_quiet_prints_nothing_but_errors(shell: Shell) -> None:
    shell.write(bad_log=f"{FLOWS}{JUNK}")
    done = shell.run("flowlogs", "bad.log", "-l", "lookup.csv", "-q", "--progress")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert shell.made() == TABLES
    assert error_line(shell.run("flowlogs", "no.log", "-l", "lookup.csv", "-q").stderr)


@pytest.mark.parametrize(
    ("options", "bar"), [([], False), (["--progress"], True), (["--no-progress"], False)]
)
def test_a_bar_is_shown_without_a_terminal_only_if_asked_for(
    shell: Shell, options: list[str], bar: bool
) -> None:
    done = shell.run("wordcount", "text.txt", *options)
    assert (BAR in done.stderr) is bar
    assert done.stdout == ""
    assert "2 lines in" in done.stderr.splitlines()[-2]


@pytest.mark.parametrize(
    ("options", "bar"), [([], True), (["--no-progress"], False), (["--quiet"], False)]
)
def test_a_bar_is_shown_on_a_terminal_unless_unwanted(
    shell: Shell, options: list[str], bar: bool
) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    done = shell.run("wordcount", "text.txt", *options, stderr=theirs)
    os.close(theirs)
    seen = b""
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor
        try:
            while data := terminal.read(4096):
                seen += data
        except OSError:  # how Linux says that the other side is closed
            pass
    assert (done.returncode, done.stdout) == (0, "")
    assert (BAR.encode() in seen) is bar


def test_malformed_lines_are_shown_with_file_offset_and_reason_but_no_more_than_ten(
    shell: Shell,
) -> None:
    bad = RECORD.format(65536, 6) + RECORD.format(443, "tcp") + "junk\n" * 10
    shell.write(bad_log=FLOWS + bad)
    done = shell.run("flowlogs", "bad.log", "-l", "lookup.csv")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    places = [line.removeprefix("malformed: bad.log: byte ") for line in lines[:3]]
    second = len(FLOWS) + len(RECORD.format(65536, 6))
    third = second + len(RECORD.format(443, "tcp"))
    assert places[0].startswith(f"{len(FLOWS)}: dstport '65536' is not 0 to 65535 (")
    assert places[1].startswith(f"{second}: protocol 'tcp' is not 0 to 255 (")
    reason = "1 fields where 14 are expected: junk (and 7 more like this)"
    assert places[2] == f"{third}: {reason}"
    assert lines[3] == "malformed: ... and 2 more lines"
    assert "4 counted, 2 skipped (1 NODATA), 12 malformed" in lines[4]
    assert shell.made() == TABLES


@promise(
    "Control characters of a log never reach the terminal",
    broken_by=change("mapreduce.errors:printable", "c.isprintable()", "True"),
)
def test_control_characters_are_never_printed(shell: Shell) -> None:
    name, directory = "bad\x1b[31m\n\x9b.log", "out\x1b[31m\n\u2028"
    junk = JUNK.encode()
    (shell.directory / name).write_bytes(junk + b"\xff\xfe\x80\n" + FLOWS.encode() + junk[:-1])
    done = shell.run("flowlogs", name, "-l", "lookup.csv", "-o", directory)
    assert done.returncode == 0
    lines = done.stderr.split("\n")
    assert len(lines) == 2 + 3 + 1  # reasons, summary, and after the last newline nothing
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ["wordcount", "no\x1b[31m\n.txt"],
        ["flowlogs", "flows.log", "-l", "no\x1b[31m\n.csv"],
        ["no\x1b[31m\n"],
        ["wordcount", "text.txt", "--no\x1b[31m\n"],
        ["wordcount", "text.txt", "-j", "\x1b[31m\n"],
        ["wordcount", "text.txt", "-o", "text.txt/\x1b[31m\n"],
        ["wordcount", "\udcff\udcfe.txt"],
    ],
)
def test_control_characters_in_arguments_are_never_printed(
    shell: Shell, arguments: list[str]
) -> None:
    done = shell.run(*arguments)
    assert done.returncode == 2
    assert error_line(done.stderr)


# --- what the program says of itself


def test_version_names_python_and_the_kernel(shell: Shell) -> None:
    done = shell.run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    python, version = platform.python_version(), mapreduce.__version__
    assert done.stdout == f"mapreduce {version}, Python {python}, {kernel.NAME} kernel\n"


def test_jobs_are_listed_one_a_line(shell: Shell) -> None:
    done = shell.run("jobs")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {line.split(maxsplit=1)[0] for line in lines} >= {"flowlogs", "wordcount"}
    assert all(re.fullmatch(r"[a-z0-9_-]+ +[A-Z].*\.", line) for line in lines)


COMMON = ["-f", "--file", "-o", "--output", "-j", "--workers", "--strict", "--stats", "-q"]
COMMON += ["--quiet", "--progress", "--no-progress", "--start-method", "INPUT"]
HINTS = [
    "[default: outputs]",
    "the number of usable CPUs",
    "if stderr is a terminal",
    "the best for this platform",
]


@pytest.mark.parametrize(
    ("command", "program", "texts"),
    [
        ([], MODULE, ["--version", "flowlogs", "wordcount", "jobs"]),
        (["flowlogs"], MODULE, ["-l", "--lookup", "--on-conflict", "error|first|last", *COMMON]),
        (["wordcount"], MODULE, COMMON),
        ([], PROCESSFLOWS, ["Usage: processflows", "--lookup", "--on-conflict", *COMMON]),
        (["flowlogs"], MODULE, HINTS),
    ],
    ids=["mapreduce", "flowlogs", "wordcount", "processflows", "defaults"],
)
def test_help_shows_every_command_option_and_default(
    shell: Shell, command: list[str], program: Sequence[str], texts: list[str]
) -> None:
    done = shell.run(*command, "--help", program=program)
    assert (done.returncode, done.stderr) == (0, "")
    unwrapped = " ".join(done.stdout.split())
    assert [text for text in texts if text not in unwrapped] == []


def test_both_commands_are_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {
        "mapreduce": "mapreduce.__main__:mapreduce",
        "processflows": "mapreduce.__main__:processflows",
    }
