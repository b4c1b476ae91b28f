"""A run with any backend and any splits gives the oracle's answer, or an error and no output."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    ReadStdin,
    WriteLogs,
    cut_sizes,
    flow_logs,
    record,
)
from engine_runs import (
    FLOWS,
    LOG,
    MARK,
    Run,
    StopError,
    check,
    check_run,
    divide,
    line_job,
    listing,
    open_stock_pool,
    run_split,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from promises import becomes, change, promise

from mapreduce import FieldMapper, KeyCount, run
from mapreduce.backends.cpus import usable_cpus
from mapreduce.errors import (
    NothingCountedError,
    TaskError,
)
from mapreduce.jobs.wordcount import wordcount
from mapreduce.mapping.mapper import Judgement

# --- the answer


@promise(
    "Any bytes, in any splits and blocks, give the oracle's answer",
    broken_by=becomes("mapreduce.formats.format:with_final_newline", "return memoryview(data)"),
)
@given(st.lists(flow_logs, min_size=1, max_size=3), st.none() | cut_sizes, cut_sizes)
@example([record(b"0" * 5000 + b"53", b"0" * 5000 + b"17")], None, 99)  # too long for int()
def test_any_bytes_in_any_splits_and_blocks_give_the_oracle_s_answer(
    write_logs: WriteLogs, contents: list[bytes], size: int | None, block_size: int
) -> None:
    paths = write_logs(*contents)
    options: dict[str, Any] = {"workers": 1, "split_size": size, "block_size": block_size}
    check_run(contents, lambda: run(FLOWS, paths, **options))


@settings(max_examples=20)
@given(st.lists(flow_logs, min_size=1, max_size=3), st.integers(20, 2000), st.integers(1, 4))
def test_any_number_of_workers_gives_the_oracle_s_answer(
    write_logs: WriteLogs, contents: list[bytes], size: int, workers: int
) -> None:
    paths = write_logs(*contents)
    check_run(contents, lambda: run_split(paths, workers=workers, split_size=size))


@settings(max_examples=20)
@given(st.lists(flow_logs, min_size=1, max_size=3), st.integers(20, 2000))
def test_a_pool_of_the_standard_library_gives_the_oracle_s_answer(
    write_logs: WriteLogs, contents: list[bytes], size: int
) -> None:
    paths = write_logs(*contents)
    with open_stock_pool() as pool:
        check_run(contents, lambda: run(FLOWS, paths, backend=pool, split_size=size))


@promise(
    "The same bytes are written by any number of processes, for any split size",
    broken_by=becomes("mapreduce.jobs.flowlogs.tables:_ordered", "return list(rows)"),
)
@pytest.mark.parametrize("size", [1, 100, 1000, None])
def test_any_number_of_processes_and_any_split_size_write_the_same_bytes(
    write_logs: WriteLogs, tmp_path: Path, run_by: Run, size: int | None
) -> None:
    contents = [LOG, b"", record() + b"\r\nbad"]
    paths = write_logs(*contents)
    run(FLOWS, paths, output=tmp_path / "expected", workers=1)
    result = run_by(paths, output=tmp_path / "found", split_size=size)
    check(result, contents)
    assert listing(tmp_path / "found") == listing(tmp_path / "expected")
    assert result.written == [tmp_path / "found" / name for name in FLOWS.outputs]
    assert type(result.counts) is Counter


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_every_start_method_gives_the_same_answer(write_logs: WriteLogs, method: str) -> None:
    paths = write_logs(LOG, LOG[:500])
    result = run_split(paths, workers=2, split_size=700, start_method=method)
    check(result, [LOG, LOG[:500]])
    assert result.stats.workers == 2


def who(_line: bytes) -> list[bytes]:
    """Say which process this is, and whether it was forked."""
    return [b"forked" if MARK else b"not forked", b"%d" % os.getpid()]


@promise(
    "fork, forkserver and spawn are used as asked for, and give the same answer",
    broken_by=change("mapreduce.engine:backend_of", "plan.start_method", "None"),
)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_start_as_it_was_asked_for(
    write_logs: WriteLogs, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "MARK", ["here"])
    found = run_split(write_logs(b"line\n"), line_job(who), workers=2, start_method=method)
    assert (found.counts[b"forked"], found.counts[b"not forked"]) == (
        (1, 0) if method == "fork" else (0, 1)
    )


def test_no_process_is_forked_while_another_thread_runs(
    write_logs: WriteLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "MARK", ["here"])
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        found = run_split(write_logs(b"line\n"), line_job(who), workers=2)
    finally:
        ended.set()
        thread.join()
    assert found.counts[b"forked"] == 0


def test_a_small_input_is_counted_in_this_process(write_logs: WriteLogs) -> None:
    found = run(line_job(who), write_logs(b"line\n"), workers=8)
    assert found.counts[b"%d" % os.getpid()] == found.stats.workers == 1


def test_a_large_input_is_counted_in_other_processes(write_logs: WriteLogs) -> None:
    found = run_split(write_logs(b"line\n" * 9), line_job(who), workers=2, split_size=5)
    assert b"%d" % os.getpid() not in found.counts
    assert (found.stats.workers, found.stats.splits) == (2, 9)


def test_by_default_there_are_as_many_workers_as_usable_cpus(
    write_logs: WriteLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 5}, raising=False)
    assert run_split(write_logs(b"line\n"), wordcount()).stats.workers == usable_cpus() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cpus() == os.cpu_count()


# --- the inputs


def test_empty_files_hold_no_lines(write_logs: WriteLogs, tmp_path: Path, run_by: Run) -> None:
    result = run_by(write_logs(b"", b""), output=tmp_path)
    check(result, [b"", b""])
    assert listing(tmp_path) == {
        "tag2count.csv": b"Tag,Count\nUntagged,0\n",
        "portprotocolcount.csv": b"Port,Protocol,Count\n",
    }


def test_a_file_that_is_named_twice_is_counted_once(write_logs: WriteLogs, run_by: Run) -> None:
    paths = write_logs(LOG)
    check(run_by(paths * 2, split_size=300), [LOG])


@pytest.mark.parametrize("size", [1, 64, None])
def test_the_first_ten_rejects_come_in_the_order_of_the_inputs(
    write_logs: WriteLogs, run_by: Run, size: int | None
) -> None:
    paths = write_logs(b"4\n3", record() + b"\n6\n5\n", b"9\n8\n7\n" * 9)
    rejects = run_by(paths[::-1], split_size=size).rejects
    assert [reject.excerpt for reject in rejects] == [*b"4 3 6 5 9 8 7 9 8 7".split()]
    assert [reject.path for reject in rejects[::3]] == [
        str(paths[number]) for number in (0, 1, 2, 2)
    ]


@pytest.mark.parametrize("size", [500, None])
def test_a_fifo_is_read_as_a_stream(
    write_logs: WriteLogs, tmp_path: Path, run_by: Run, size: int | None
) -> None:
    large = LOG * 30  # more than a pipe holds
    paths, fifo = write_logs(large, LOG), tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", 'cat "$0" >"$1"', paths[0], fifo]):
        result = run_by([fifo, paths[1]], split_size=size)
    check(result, [large, LOG])


def test_standard_input_is_one_of_the_inputs(
    write_logs: WriteLogs, read_stdin: ReadStdin, run_by: Run
) -> None:
    paths = write_logs(LOG[:300], LOG)
    read_stdin(paths[1])
    check(run_by([paths[0], "-"], split_size=200), [LOG, LOG[:300]])


@pytest.mark.skipif(sys.platform != "linux", reason="has /proc")
def test_a_file_without_a_size_is_read_to_its_end(run_by: Run) -> None:
    path = Path("/proc/filesystems")
    words = path.read_bytes().split()
    assert path.stat().st_size == 0
    assert run_by([path], wordcount()).counts == Counter(words)
    assert words


# --- progress


def test_progress_adds_up_to_the_bytes_of_the_inputs(
    write_logs: WriteLogs, read_stdin: ReadStdin, run_by: Run
) -> None:
    paths, ticks = write_logs(LOG, b"", record(), LOG), list[int]()
    read_stdin(paths[3])
    run_by([*paths[:3], "-"], split_size=300, block_size=100, progress=ticks.append)
    assert sum(ticks) == 2 * len(LOG) + len(record())
    assert min(ticks) >= 0


def stopping_at(call: int) -> Callable[[int], None]:
    """Return a progress callback whose ``call``-th call raises ``StopError``."""
    calls = count(1)

    def progress(_size: int) -> None:
        if next(calls) == call:
            raise StopError

    return progress


@pytest.mark.parametrize("workers", [1, 2])
def test_whenever_progress_raises_the_run_ends_and_nothing_is_written(
    write_logs: WriteLogs, tmp_path: Path, workers: int
) -> None:
    """The last call comes when all is ready to be renamed."""
    paths, output = write_logs(LOG), tmp_path / "tables"
    others = set(multiprocessing.active_children())
    options: dict[str, Any] = {"output": output, "workers": workers, "split_size": 2000}
    for call in range(1, 200):
        try:
            run_split(paths, progress=stopping_at(call), **options)
        except StopError:
            assert listing(output) == {}
            assert set(multiprocessing.active_children()) == others
        else:
            break
    assert call > 3
    assert set(listing(output)) == set(FLOWS.outputs)


def test_progress_that_raises_while_a_stream_is_read_ends_the_run(
    write_logs: WriteLogs, read_stdin: ReadStdin, old_output: Path, run_by: Run
) -> None:
    read_stdin(*write_logs(LOG))
    with pytest.raises(StopError):
        run_by(["-"], output=old_output, progress=stopping_at(1))


# --- what stays


def test_a_pool_that_was_given_stays_open(write_logs: WriteLogs) -> None:
    paths = write_logs(LOG)
    with open_stock_pool() as pool:
        check(run(FLOWS, paths, backend=pool, split_size=500), [LOG])
        with pytest.raises(TaskError):
            run(line_job(divide), paths, backend=pool, split_size=500)
        check(run(FLOWS, paths, backend=pool, split_size=500), [LOG])


def test_a_run_leaves_nothing_known_behind(write_logs: WriteLogs) -> None:
    seen: Counter[bytes] = Counter()

    def note(key: bytes) -> Judgement:
        seen[key] += 1
        return None

    job = KeyCount(FieldMapper(b" ", (1,), None, note), "keys.csv", ("Key", "Count"))
    paths = write_logs(b"a\na\n")
    for _ in range(2):
        assert run(job, paths, split_size=2).counts == {b"a": 2}
    assert seen == {b"a": 2}


def test_the_time_of_a_run_is_the_sum_of_its_phases(write_logs: WriteLogs, run_by: Run) -> None:
    seconds = dict(run_by(write_logs(LOG), split_size=500).stats.seconds)
    assert set(seconds) == {"plan", "map", "reduce", "finish", "write", "total"}
    assert seconds.pop("total") == pytest.approx(sum(seconds.values()), abs=1e-5)
    assert min(seconds.values()) >= 0


# --- a run that counts nothing


HEADER = b" ".join(
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    b"end action log-status".split()
)
QUIET = record(b"-", b"-", b"NODATA")


@pytest.mark.parametrize(
    ("lines", "fails"),
    [
        ([b"junk"], True),
        ([HEADER, b"junk"], True),
        ([HEADER, b"junk", b"junk", b""], True),
        ([QUIET, QUIET, b"junk"], False),
        ([record(), *[b"junk"] * 99], False),
        ([QUIET], False),
        ([b""], False),
        ([], False),
    ],
)
def test_a_run_that_counts_nothing_for_malformed_lines_fails_and_a_quiet_log_does_not(
    write_logs: WriteLogs, tmp_path: Path, lines: list[bytes], fails: bool
) -> None:
    paths = write_logs(b"".join(line + b"\n" for line in lines))
    if not fails:
        run(FLOWS, paths, output=tmp_path / "out")
        assert (tmp_path / "out" / "tag2count.csv").exists()
        return
    with pytest.raises(NothingCountedError, match=r"and nothing was written.*log.format") as e:
        run(FLOWS, paths, output=tmp_path / "out")
    assert e.value.exit_code == 1
    assert not (tmp_path / "out").exists()
