"""The bar moves, is right about rate and end, and leaves the terminal as if it had not been."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from promises import change, promise
from screen import Screen, Terminal, terminal

from mapreduce import run
from mapreduce.cli.bar import Bar
from mapreduce.cli.progress import size_of_all
from mapreduce.inputs.sources import find_sources
from mapreduce.jobs.count import count

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses terminals as Linux has them")

LINE: Final = b"a" * (64 << 10) + b"\n"
"""Four of them are a block, which takes 0.04 seconds."""
LINES: Final = 66
"""So many are more than what is batched with others, so each file is a task of its own."""
BAR: Final = rb"B/s\]"
TESTS: Final = Path(__file__).parents[1]


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    """Two files, one for each worker."""
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(LINE * LINES)
    return ["a.log", "b.log"]


@contextmanager
def slow(
    directory: Path, *arguments: str, columns: int = 80, variables: Any = (), **streams: Any
) -> Iterator[Terminal]:
    """Run ``mapreduce slow``, which takes a hundredth of a second for a line, in a terminal."""
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, **dict(variables)}
    command = [sys.executable, "-c", "import slow; slow.main()", "slow", *arguments]
    with terminal(command, columns, cwd=directory, env=environment, **streams) as shown:
        yield shown


def is_summary(lines: list[str], number: int) -> bool:
    return len(lines) == 2 and lines[0].startswith(f"{number} lines in ") and "B/s]" not in lines[0]


@pytest.mark.parametrize(("workers", "columns"), [("1", 80), ("2", 30)])
def test_a_bar_goes_to_its_end_and_is_gone(
    logs: list[str], tmp_path: Path, workers: str, columns: int
) -> None:
    with slow(tmp_path, *logs, "-j", workers, columns=columns) as shown:
        code, lines = shown.finish()
    assert code == 0
    assert is_summary(lines, 2 * LINES)
    parts = [int(part) for part in re.findall(rb"\r *(\d+)%", shown.seen)]
    assert len(set(parts)) > 2
    assert parts == sorted(parts)
    assert parts[-1] == 100


@promise(
    "Ctrl-C leaves one line and no bar",
    broken_by=change("mapreduce.cli.bar:Bar.status_printer", "len(text)", "0"),
)
@pytest.mark.parametrize(("workers", "columns"), [("1", 80), ("2", 30)])
def test_ctrl_c_leaves_one_line(
    logs: list[str], tmp_path: Path, workers: str, columns: int
) -> None:
    with slow(tmp_path, *logs, "-j", workers, columns=columns) as shown:
        shown.read_until(rb"[1-9]\d%")
        shown.type(b"\x03")
        code, lines = shown.finish()
    assert b"^C" in shown.seen
    assert (code, lines) == (130, ["mapreduce: stopped by SIGINT; nothing was written"])


def test_sigterm_leaves_one_line(logs: list[str], tmp_path: Path) -> None:
    with slow(tmp_path, *logs, "-j", "2") as shown:
        shown.read_until(BAR)
        shown.process.send_signal(signal.SIGTERM)
        code, lines = shown.finish()
    assert (code, lines) == (143, ["mapreduce: stopped by SIGTERM; nothing was written"])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_of_the_job_leaves_one_line(logs: list[str], tmp_path: Path, workers: str) -> None:
    with (tmp_path / "b.log").open("ab") as file:
        file.write(b"!\n")
    with slow(tmp_path, *logs, "-j", workers) as shown:
        code, lines = shown.finish()
    assert re.search(BAR, shown.seen)
    assert code == 1
    assert len(lines) == 1
    assert re.match(r"mapreduce: error: b\.log: byte \d+: .*no such line, please", lines[0])


@pytest.mark.parametrize("option", ["--output", "--stats"])
def test_the_bar_is_gone_before_anything_is_printed(
    logs: list[str], tmp_path: Path, option: str
) -> None:
    with slow(tmp_path, "a.log", option, "-") as shown:
        code, lines = shown.finish()
    assert re.search(BAR, shown.seen)
    assert code == 0
    assert is_summary(lines[-2:], LINES)
    if option == "--output":
        assert lines[:-2] == ["Key,Count", f"a,{LINES}"]
    else:
        assert json.loads("".join(lines[:-2]))["counted"] == LINES


def test_the_bar_of_a_stream_has_no_end(logs: list[str], tmp_path: Path) -> None:
    with slow(tmp_path, "a.log", "-", "-j", "1", stdin=subprocess.PIPE) as shown:
        assert shown.process.stdin
        shown.process.stdin.write(LINE * 20)
        shown.process.stdin.close()
        code, lines = shown.finish()
    assert re.search(BAR, shown.seen)
    assert b"%" not in shown.seen
    assert code == 0
    assert is_summary(lines, LINES + 20)


def test_no_setting_of_tqdm_stops_a_run(logs: list[str], tmp_path: Path) -> None:
    settings = {
        "TQDM_NCOLS": "abc",
        "TQDM_ASCII": "x",
        "TQDM_MININTERVAL": "often",
        "TQDM_UNIT": "",
    }
    with slow(tmp_path, "a.log", variables=settings) as shown:
        code, lines = shown.finish()
    assert re.search(BAR, shown.seen)
    assert code == 0
    assert is_summary(lines, LINES)


def test_the_total_is_what_will_be_counted(tmp_path: Path, read_stdin: Any) -> None:
    """It is unknown if there is a stream; a mark at the beginning of a file is no line."""
    (tmp_path / "a").write_bytes(b"some lines\n")
    (tmp_path / "b").write_bytes(b"\xef\xbb\xbfmore lines\n")
    ticks: list[int] = []
    sources = find_sources([tmp_path / "a", tmp_path / "b"])
    run(count("1"), sources, progress=ticks.append)
    assert size_of_all(sources) == sum(ticks) == 22
    read_stdin(tmp_path / "a")
    assert size_of_all(find_sources([tmp_path / "b", "-"])) is None


SHOWN: Final = re.compile(r"\r +(\d+)%[^\r]*\| [\d.]+M/100M \[00:0(\d)<00:(\d\d), ([\d.]+)MB/s\]")


def test_rate_and_remaining_time_are_right_although_bytes_come_in_jumps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twenty looks a second, four reports a second of 2.5 MB: 10 MB/s, and ten seconds in all."""
    now, file = 1000.0, io.StringIO()
    monkeypatch.setattr("tqdm.std.time", lambda: now)
    monkeypatch.setattr(sys, "stderr", file)
    with Bar(100_000_000) as bar:
        for tick in range(1, 200):
            now = 1000 + tick / 20
            bar.advance(2_500_000 if tick % 5 == 0 else 0)
    shown = [tuple(map(float, found)) for found in SHOWN.findall(file.getvalue())]
    assert len(shown) > 60
    for part, seconds, left, rate in shown:
        if seconds >= 2:
            assert 8 < rate < 11
            assert abs(100 - part - 10 * left) <= 20


def test_the_last_bytes_are_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr("tqdm.std.time", lambda: 1000.0)
    monkeypatch.setattr(sys, "stderr", file)
    with Bar(100) as bar:
        bar.advance(99)
        bar.advance(1)
    assert "100%" in file.getvalue()


# The screen itself


def test_a_full_line_wraps_only_when_more_text_comes() -> None:
    screen = Screen(4)
    screen.feed(b"abcd\r")
    assert screen.lines() == ["abcd"]
    screen.feed(b"ABCDE\r\nx\r\n")
    assert screen.lines() == ["ABCDE", "x"]
