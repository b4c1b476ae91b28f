"""Every result is exact and no call hangs, whichever workers or helper processes are killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, cast

import faulty
import pytest
from faulty import Deadly, map_over, processes, wait_until, workers_of
from promises import becomes, change, promise

from mapreduce import run
from mapreduce.backends.pool import ATTEMPTS, Pool
from mapreduce.errors import WorkerLostError
from mapreduce.jobs.flowlogs.job import FlowLogs

pytestmark = [
    pytest.mark.usefixtures("no_child_is_left"),
    pytest.mark.timeout(30),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

DATA = Path(__file__).resolve().parents[2] / "data"
METHODS = multiprocessing.get_all_start_methods()
MEGABYTE = 1 << 20


def meet(pool: Pool, number: int, place: Path) -> set[int]:
    """Bring a pool to its full number of workers; return their process ids."""
    pids = set(map_over(pool, partial(faulty.meet, place, number), range(number)))
    assert len(pids) == number
    return pids


# Workers that are killed


@promise(
    "A busy worker that is killed: its split runs again, the result is exact",
    broken_by=change(
        "mapreduce.backends.pool:Pool._requeue_task_of", "self._waiting.appendleft(task)", "pass"
    ),
)
@pytest.mark.parametrize("how", ["os._exit", "SIGKILL", "SIGTERM"])
def test_the_task_of_a_dead_worker_runs_again(start_method: str, how: str, tmp_path: Path) -> None:
    tasks = [Deadly(tmp_path / f"{value}", value == 3, how, value) for value in range(8)]
    with Pool(2, start_method=start_method) as pool:
        results = list(map_over(pool, faulty.survive, tasks))
    assert sorted(results) == list(range(0, 16, 2))
    assert len((tmp_path / "3").read_text().splitlines()) == 1


def test_a_task_may_cost_one_worker_less_than_the_limit(tmp_path: Path) -> None:
    with Pool(2) as pool:
        task = Deadly(tmp_path / "log", ATTEMPTS - 1, value=21)
        assert list(map_over(pool, faulty.survive, [task])) == [42]


@promise(
    "A range that kills four workers is given up, naming file and bytes",
    broken_by=becomes("mapreduce.backends.pool:ATTEMPTS", "5"),
)
def test_a_task_that_has_killed_four_workers_is_named_and_given_up(
    start_method: str, tmp_path: Path
) -> None:
    tasks = [Deadly(tmp_path / f"{value}", 1000 * (value == 3), value=value) for value in range(8)]
    results: list[int] = []
    with Pool(2, start_method=start_method) as pool:
        with pytest.raises(WorkerLostError, match="the deadly task 3") as caught:
            results.extend(map_over(pool, faulty.survive, tasks))
        assert sorted(map_over(pool, faulty.double, [1, 2])) == [2, 4]
    killed = (tmp_path / "3").read_text().splitlines()
    assert len(killed) == len(set(killed)) == ATTEMPTS == 4
    assert len(str(caught.value).splitlines()) == 1
    assert set(results) <= {0, 2, 4, 8, 10, 12, 14}
    assert len(results) == len(set(results))


def kill_idle(pool: Pool, number: int, place: Path) -> None:
    """Bring a pool to its full number of workers, kill them all, and wait until they are dead."""
    pids = meet(pool, number, place)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: all(p.state in "ZX" for p in processes() if p.pid in pids))


@promise(
    "An idle worker that is killed has no effect",
    broken_by=change("mapreduce.backends.pool:Pool._dispatch", "OSError", "ZeroDivisionError"),
)
def test_an_idle_worker_that_is_killed_has_no_effect(start_method: str, tmp_path: Path) -> None:
    with Pool(3, start_method=start_method) as pool:
        kill_idle(pool, 3, tmp_path / "place")
        results = list(map_over(pool, faulty.double, range(20)))
    assert sorted(results) == list(range(0, 40, 2))


def test_many_idle_workers_that_are_killed_do_not_count_against_a_task(tmp_path: Path) -> None:
    with Pool(2 * ATTEMPTS) as pool:
        kill_idle(pool, 2 * ATTEMPTS, tmp_path / "place")
        assert list(map_over(pool, faulty.double, [21])) == [42]


def test_a_worker_that_died_idle_is_not_one_that_the_next_task_has_killed(tmp_path: Path) -> None:
    with Pool(1) as pool:
        kill_idle(pool, 1, tmp_path / "place")
        task = Deadly(tmp_path / "log", ATTEMPTS - 1, value=21)
        assert list(map_over(pool, faulty.survive, [task])) == [42]


def test_the_end_of_a_pool_does_not_wait_for_killed_idle_workers(
    start_method: str, tmp_path: Path
) -> None:
    with Pool(2, start_method=start_method) as pool:
        kill_idle(pool, 2, tmp_path / "place")


def test_a_worker_killed_while_it_sends_is_replaced(start_method: str) -> None:
    """A result of several megabytes does not fit into a pipe: its sender must wait for a reader."""
    with Pool(2, start_method=start_method) as pool:
        results = map_over(pool, faulty.expand, [0, 8 * MEGABYTE, 9 * MEGABYTE, 10])
        received = [len(next(results))]
        time.sleep(0.1)
        for worker in workers_of(os.getpid()):
            os.kill(worker.pid, signal.SIGKILL)
        received += map(len, results)
    assert sorted(received) == [0, 10, 8 * MEGABYTE, 9 * MEGABYTE]


def test_a_worker_killed_while_it_takes_a_large_task_is_replaced() -> None:
    with Pool(1) as pool:
        (pid,) = map_over(pool, faulty.process_id, [0])
        os.kill(pid, signal.SIGSTOP)  # so that the pipe is full when the worker dies
        killer = subprocess.Popen(["sh", "-c", f"sleep 0.2; kill -9 {pid}"])
        task = bytes(4 * MEGABYTE)
        assert list(map_over(pool, len, [task, task])) == [len(task)] * 2
        assert killer.wait() == 0


@promise(
    "A worker that is killed while it is started is replaced",
    broken_by=change(
        "mapreduce.backends.pool:Pool._start_worker", "suppress(...)", "suppress(ZeroDivisionError)"
    ),
)
@pytest.mark.skipif("forkserver" not in METHODS, reason="no forkserver here")
def test_a_worker_killed_while_it_is_started_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only with the start method forkserver does the parent get a broken pipe."""
    connect = forkserver.connect_to_new_process
    killed: list[int] = []

    def connect_and_kill(fds: Any) -> Any:
        ends = connect(fds)
        if not killed:
            assert wait_until(lambda: workers_of(os.getpid()))
            (worker,) = workers_of(os.getpid())
            os.kill(worker.pid, signal.SIGKILL)
            assert wait_until(lambda: all(p.pid != worker.pid for p in processes()))
            killed.append(worker.pid)
        return ends

    monkeypatch.setattr(forkserver, "connect_to_new_process", connect_and_kill)
    with Pool(1, start_method="forkserver") as pool:
        assert sorted(map_over(pool, faulty.double, range(3))) == [0, 2, 4]
    assert killed


# Soak


def naive_counts(data: bytes) -> Counter[bytes]:
    """Count what the flow-log job counts, as plainly as can be."""
    counts: Counter[bytes] = Counter()
    for line in data.decode().splitlines():
        fields = line.split(" ")
        if fields[13] == "OK":
            counts[" ".join((fields[6], fields[7], fields[13])).encode()] += 1
    return counts


def survive_kills(start_method: str, kills: int, directory: Path) -> dict[str, int]:
    """Count a file again and again until ``kills`` workers were killed; check each result."""
    sample = (DATA / "flowlogs-2000.log").read_bytes()
    path = directory / "flows.log"
    path.write_bytes(sample * 8)
    expected = naive_counts(sample * 8)
    job = FlowLogs({})
    runs = 0

    def count(pool: Pool) -> None:
        result = run(job, [path], backend=pool, split_size=64 << 10)
        assert result.counts == expected
        assert result.stats.lines == 8 * sample.count(b"\n")
        assert result.stats.splits > 20

    with Pool(1, start_method=start_method) as pool:
        count(pool)  # now the helpers of multiprocessing are there, which nobody should kill
    seed = random.randrange(1 << 30)  # noqa: S311
    command = [sys.executable, faulty.__file__, *map(str, (os.getpid(), kills, seed))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe) as killer:
        assert killer.stdin
        assert killer.stdout
        while killer.poll() is None:
            with Pool(3, start_method=start_method) as pool:
                for _ in range(4):
                    with suppress(BrokenPipeError):
                        killer.stdin.write(b".")
                    count(pool)
                    runs += 1
                    time.sleep(random.uniform(0, 0.01))  # noqa: S311 - idle workers are hit, too
        hits: dict[str, int] = json.loads(killer.stdout.read())
    return {**hits, "runs": runs}


@promise(
    "Runs are exact while workers are killed at random (200 of them in the soak)",
    broken_by=change(
        "mapreduce.backends.pool:Pool._requeue_task_of", "self._waiting.appendleft(task)", "pass"
    ),
)
@pytest.mark.parametrize(("method", "kills"), [("fork", 12), ("forkserver", 6), ("spawn", 6)])
def test_every_run_is_exact_while_workers_are_killed(
    method: str, kills: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    if method not in METHODS:
        pytest.skip(f"no {method} here")
    hits = survive_kills(method, kills, tmp_path)
    record_property("kills", hits)
    print(method, hits)
    assert hits["busy"] + hits["idle"] == kills


@pytest.mark.soak
@pytest.mark.timeout(120)
def test_every_run_is_exact_while_200_workers_are_killed(
    start_method: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    hits = survive_kills(start_method, 200, tmp_path)
    record_property("kills", hits)
    print(start_method, hits, f"{time.monotonic() - started:.1f} s")
    assert hits["busy"] >= 20
    assert hits["idle"] >= 20


# A parent that is killed

PARENT = """
import sys, time
from functools import partial
from pathlib import Path
import faulty
from faulty import map_over
from mapreduce.backends.pool import Pool

if __name__ == "__main__":
    with Pool(2, start_method=sys.argv[1]) as pool:
        meet = partial(faulty.meet, Path(sys.argv[2]), 2)
        assert len(set(map_over(pool, meet, range(2)))) == 2
        results = map_over(pool, faulty.sleep, map(float, sys.argv[3:]))
        print(next(results), flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("tasks", [["0"], ["0", "0.2", "0.2"]], ids=["idle", "busy"])
def test_workers_end_when_their_parent_is_killed(
    start_method: str, tasks: list[str], tmp_path: Path
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, script, start_method, tmp_path / "place", *tasks],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as parent:
        assert parent.stdout
        assert parent.stderr
        assert parent.stdout.readline() == b"0.0\n"
        assert len(workers_of(parent.pid)) == 2
        parent.kill()
        parent.wait()
        assert wait_until(partial(nobody_in_session, parent.pid), seconds=5)
        assert parent.stderr.read() == b""


def nobody_in_session(session: int) -> bool:
    return not any(p.session == session and p.kind != "gone" for p in processes())


@promise(
    "The death of a worker is seen though a child of it holds its pipe",
    broken_by=becomes("mapreduce.backends.pool:Pool._dead", "return []"),
)
def test_a_death_is_seen_though_a_child_of_the_worker_holds_its_pipe() -> None:
    started = time.monotonic()
    with Pool(1) as pool, pytest.raises(WorkerLostError):
        list(map_over(pool, faulty.die_behind_a_child, [None]))
    assert time.monotonic() - started < 10, "waited for four children of 3 s, one after the other"


# The helpers of multiprocessing


def pids_of(kind: str) -> list[int]:
    return [p.pid for p in processes() if p.parent == os.getpid() and p.kind == kind]


def kill_helpers(kind: str) -> None:
    for pid in pids_of(kind):
        os.kill(pid, signal.SIGKILL)


@promise(
    "Workers end with the pool although their fork server was killed",
    broken_by=change(
        "mapreduce.backends.process:WorkerProcess.of",
        "start_method == 'forkserver' and ...",
        "False",
    ),
)
def test_workers_outlive_their_fork_server_and_end_with_the_pool() -> None:
    with Pool(2, start_method="forkserver") as pool:
        calls = {pool.submit(faulty.sleep, 0.5) for _ in range(2)}
        workers = {worker.pid for worker in workers_of(os.getpid())}
        assert len(workers) == 2
        kill_helpers("server")
        while calls:
            calls -= set(pool.wait(0.1))
        assert set(map_over(pool, faulty.process_id, range(20))) == workers
        busy = pool.submit(faulty.sleep, 600)
        assert list(pool.wait(0.3)) == []
        assert busy.lost == 0
    assert workers.isdisjoint(p.pid for p in processes() if p.kind != "gone")
    with Pool(1, start_method="forkserver") as pool:
        assert list(map_over(pool, faulty.double, [21])) == [42]


def test_another_fork_server_is_started_for_one_that_was_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that has just been killed still looks alive for a moment."""
    with Pool(2, start_method="forkserver") as pool:
        assert sorted(map_over(pool, faulty.double, range(3))) == [0, 2, 4]
        for worker in workers_of(os.getpid()):
            os.kill(worker.pid, signal.SIGKILL)
        kill_helpers("server")
        server = cast(Any, forkserver)._forkserver
        look, killed = server.ensure_running, time.monotonic()

        def look_late() -> None:
            if time.monotonic() > killed + 0.1:
                look()

        monkeypatch.setattr(server, "ensure_running", look_late)
        assert sorted(map_over(pool, faulty.double, range(6))) == list(range(0, 12, 2))


@promise(
    "Nobody says a word of a killed resource tracker",
    broken_by=change(
        "mapreduce.backends.process:_safe_path_set", "warnings.filterwarnings(...)", "pass"
    ),
)
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_nobody_says_a_word_of_a_killed_resource_tracker(
    method: str, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        kill_helpers("tracker")
        assert wait_until(lambda: not pids_of("tracker"))
        with Pool(2, start_method=method) as pool:
            assert sorted(map_over(pool, faulty.double, range(4))) == [0, 2, 4, 6]
    assert capfd.readouterr().err == ""
    assert [str(warning.message) for warning in recwarn] == []
