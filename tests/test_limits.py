"""A line or a number of keys beyond the limit ends the run with one clear error, and not before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import ReadStdin, WriteLogs, cut_sizes
from hypothesis import example, given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import Result, UsageError, kernel, run
from mapreduce.errors import InputError, LimitError
from mapreduce.jobs.count import count
from mapreduce.jobs.wordcount import wordcount
from mapreduce.kernel.pace import Pace

sizes = st.none() | cut_sizes
lines = st.lists(st.integers(0, 30), min_size=1, max_size=12)


def run_split(inputs: Iterable[Path | str], job: Any, **options: Any) -> Result:
    """Run with processes from the first byte on (if ``workers`` are more than 1)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
        return run(job, inputs, **options)


def text_of(lengths: list[int], end: bytes) -> bytes:
    return b"\n".join(b"x" * length for length in lengths) + end


def first_beyond(lengths: list[int], limit: int) -> int | None:
    """Return where the first line begins that is longer than the limit."""
    starts = [sum(lengths[:number]) + number for number in range(len(lengths))]
    beyond = [s for s, length in zip(starts, lengths, strict=True) if length > limit]
    return beyond[0] if beyond else None


@promise(
    "A line beyond the limit is named by file and byte",
    broken_by=change("mapreduce.formats.text:Text.read", "held > max_line", "False"),
)
@given(lines, st.sampled_from([b"", b"\n"]), st.integers(1, 31), st.tuples(sizes, cut_sizes))
@example([5], b"", 5, (None, 1))
@example([6], b"", 5, (None, 9))
@example([5], b"\n", 5, (None, 1))
def test_a_line_beyond_the_limit_is_named_by_file_and_byte_and_a_shorter_one_is_counted(
    write_logs: WriteLogs, lengths: list[int], end: bytes, limit: int, cuts: tuple[int | None, int]
) -> None:
    (path,) = write_logs(text_of(lengths, end))
    options: dict[str, Any] = {"split_size": cuts[0], "block_size": cuts[1], "max_line": limit}
    where = first_beyond(lengths, limit)
    if where is None:
        run(count("1"), [path], **options)
    else:
        with pytest.raises(InputError) as caught:
            run(count("1"), [path], **options)
        assert f"{path}: byte {where}: a line of more than {limit} bytes" in str(caught.value)


@promise(
    "A line beyond the limit ends the reading of a stream, too",
    broken_by=change(
        "mapreduce.formats.stream:_check_lines", "held + len(line) > max_line", "False"
    ),
)
@given(lines, st.sampled_from([b"", b"\n"]), st.integers(1, 31), sizes)
def test_the_limit_holds_for_a_stream_too(
    write_logs: WriteLogs, lengths: list[int], end: bytes, limit: int, size: int | None
) -> None:
    (path,) = write_logs(text_of(lengths, end))
    where = first_beyond(lengths, limit)
    with path.open() as stdin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        if where is None:
            run(count("1"), ["-"], split_size=size, max_line=limit)
        else:
            with pytest.raises(InputError, match=f"byte {where}: a line of more than {limit} "):
                run(count("1"), ["-"], split_size=size, max_line=limit)


def test_by_default_a_line_may_have_64_mib(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (64 << 20) + b"\n")
    assert run(count("1"), [path]).stats.counted == 1
    path.write_bytes(b"x" * ((64 << 20) + 1) + b"\n")
    with pytest.raises(InputError, match="allow longer lines with max_line="):
        run(count("1"), [path])


KEYS = b"".join(b"key%d x\n" % (n % 100) for n in range(1000))


@promise(
    "More keys than allowed end the run",
    broken_by=change("mapreduce.mapping.task:_map_into", "tally.keys > settings.max_keys", "False"),
)
@pytest.mark.parametrize("job", [count("1"), wordcount()], ids=["fields", "lines"])
@pytest.mark.parametrize("workers", [1, 2])
def test_more_keys_than_allowed_end_the_run_and_as_many_do_not(
    write_logs: WriteLogs, tmp_path: Path, workers: int, job: Any
) -> None:
    keys = 100 if job.mapper == count("1").mapper else 101
    paths = write_logs(KEYS)
    options: dict[str, Any] = {"workers": workers, "split_size": 300, "block_size": 100}
    assert len(run_split(paths, job, max_keys=keys, **options).counts) == keys
    with pytest.raises(LimitError, match=f"more than {keys - 1} distinct keys; count fewer") as e:
        run_split(paths, job, max_keys=keys - 1, output=tmp_path / "out", **options)
    assert e.value.exit_code == 1
    assert not (tmp_path / "out").exists()


@promise(
    "Junk never piles up among the keys",
    broken_by=change(
        "mapreduce.mapping.counting:TableCombiner.map_block",
        "scan.known - len(junk) - len(self._in_table)",
        "scan.known",
    ),
)
def test_malformed_lines_are_no_keys(write_logs: WriteLogs) -> None:
    from mapreduce.jobs.flowlogs.job import FlowLogs

    junk = b"".join(b"2 1 e 1 2 3 port%d 6 1 1 1 1 A OK\n" % n for n in range(100))
    good = b"2 1 e 1 2 3 443 6 1 1 1 1 A OK\n"
    found = run(FlowLogs({}), write_logs(junk + good), max_keys=1)
    assert found.stats.malformed == 100


@promise(
    "Too little memory for the keys is one clear error",
    broken_by=change("mapreduce.mapping.task:_map_block", "MemoryError", "ZeroDivisionError"),
)
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
@pytest.mark.skipif(kernel.NAME == "pure", reason="Python may end anywhere without memory")
def test_a_run_without_memory_for_its_keys_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        for start in range(0, 3_000_000, 10_000):
            file.writelines(b"%030d x\n" % n for n in range(start, start + 10_000))
    script = """
import resource, sys
from mapreduce.__main__ import main
resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
sys.exit(main())
"""
    command = [sys.executable, "-c", script, "count", "-F", "1", str(log)]
    command += ["-o", str(tmp_path / "out")]
    for options, error in [([], "not enough memory for"), (["--max-keys", "9999"], "9,999")]:
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        (line,) = done.stderr.splitlines()
        assert error in line
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["max_line", "max_keys"])
def test_a_limit_of_nothing_is_refused(option: str) -> None:
    limits: dict[str, Any] = {option: 0}
    with pytest.raises(UsageError, match=f"{option}=0: must be a whole number of at least 1"):
        run(count("1"), [os.devnull], **limits)


def test_a_bomb_of_one_line_is_refused_in_bounded_memory(read_stdin: ReadStdin) -> None:
    reading, writing = os.pipe()
    command = ["head", "-c", "300000000", "/dev/zero"]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL) as head:
        os.close(writing)
        read_stdin(reading)
        with pytest.raises(InputError, match="standard input: byte 0: a line of more than 67,"):
            run(count("1"), ["-"])
        head.kill()


def test_a_large_file_without_lines_is_not_read_to_its_end_to_split_it(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"ok\n")
        file.truncate(1 << 40)
    ticks: list[int] = []
    with pytest.raises(InputError, match="byte 3: a line of more than 1,000,000 bytes"):
        run_split([path], count("1"), max_line=1_000_000, workers=2, progress=ticks.append)
    assert len(ticks) > 10
