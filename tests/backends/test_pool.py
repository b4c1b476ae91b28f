"""Every task gives its result once, whatever happens to the workers, and no call ever hangs."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import faulty
import pytest
from faulty import Deadly, map_over, processes, wait_until, workers_of

from mapreduce import run
from mapreduce.backends.pool import ATTEMPTS, Pool
from mapreduce.errors import InputError, TaskError, WorkerLostError
from mapreduce.jobs.flowlogs.job import FlowLogs

pytestmark = [
    pytest.mark.timeout(30),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

DATA = Path(__file__).resolve().parents[2] / "data"
METHODS = multiprocessing.get_all_start_methods()
MEGABYTE = 1 << 20


@pytest.fixture(params=METHODS)
def start_method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    """Fail any test after which a worker is alive or a zombie."""
    before = set(processes())
    yield
    zombies = [p for p in processes() if p.parent == os.getpid() and p.state == "Z"]
    workers, children = workers_of(os.getpid()), multiprocessing.active_children()
    for child in children:  # so that the next test does not fail as well
        child.kill()
        child.join()
    assert set(zombies) <= before
    assert workers == []
    assert children == []


def meet(pool: Pool, number: int, place: Path) -> set[int]:
    """Bring a pool to its full number of workers; return their process ids."""
    pids = set(map_over(pool, partial(faulty.meet, place, number), range(number)))
    assert len(pids) == number
    return pids


# The interface


def test_every_task_gives_its_result_once(start_method: str) -> None:
    with Pool(2, start_method=start_method) as pool:
        results = list(map_over(pool, faulty.double, range(100)))
    assert sorted(results) == [faulty.double(number) for number in range(100)]


def test_a_pool_serves_many_calls_with_the_same_workers(start_method: str, tmp_path: Path) -> None:
    with Pool(2, start_method=start_method) as pool:
        calls = [meet(pool, 2, tmp_path / f"call-{number}") for number in range(3)]
    assert calls[0] == calls[1] == calls[2]
    assert os.getpid() not in calls[0]


def test_no_tasks_start_no_process() -> None:
    with Pool(2) as pool:
        assert list(map_over(pool, faulty.double, [])) == []
        assert multiprocessing.active_children() == []


def test_workers_are_started_only_as_tasks_come(start_method: str) -> None:
    with Pool(4, start_method=start_method) as pool:
        assert sorted(map_over(pool, faulty.double, [1, 2])) == [2, 4]
        assert 1 <= len(multiprocessing.active_children()) <= 2


def test_a_task_is_taken_only_when_a_worker_is_free(start_method: str) -> None:
    taken, received = 0, 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(30):
            taken += 1
            assert taken - received <= 2
            yield number

    with Pool(2, start_method=start_method) as pool:
        results = map_over(pool, faulty.double, tasks())
        assert taken == 0
        for _ in results:
            assert taken - received <= 2
            received += 1
    assert (taken, received) == (30, 30)


def test_tasks_may_be_made_from_results() -> None:
    """The tree of merges works so."""
    results: list[int] = [1]

    def tasks() -> Iterator[int]:
        while len(results) < 6:
            yield results[-1]

    with Pool(1) as pool:
        for result in map_over(pool, faulty.double, tasks()):
            results.append(result)  # noqa: PERF402 - the tasks look at it
    assert results == [1, 2, 4, 8, 16, 32]


def test_an_error_of_the_tasks_iterator_ends_the_call_and_not_the_pool() -> None:
    def tasks() -> Iterator[int]:
        yield 1
        raise InputError("the input was truncated")

    with Pool(2) as pool:
        with pytest.raises(InputError, match="the input was truncated"):
            list(map_over(pool, faulty.double, tasks()))
        assert sorted(map_over(pool, faulty.double, [3, 4])) == [6, 8]


def test_large_tasks_and_results_do_not_deadlock(start_method: str) -> None:
    tasks = [bytes([number]) * (4 * MEGABYTE) + b"end" for number in range(6)]
    with Pool(2, start_method=start_method) as pool:
        results = sorted(map_over(pool, faulty.reverse, tasks))
    assert results == sorted(task[::-1] for task in tasks)


def test_leaving_the_context_leaves_no_process(start_method: str) -> None:
    with Pool(2, start_method=start_method) as pool:
        assert len(list(map_over(pool, faulty.double, range(4)))) == 4
        busy = map_over(pool, faulty.sleep, [0, 600])
        assert next(busy) == 0
        workers = {worker.pid for worker in workers_of(os.getpid())}
        assert len(workers) == 2
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert multiprocessing.active_children() == []
    assert workers.isdisjoint(process.pid for process in processes())


def test_an_exception_in_the_context_leaves_no_process() -> None:
    with suppress(ZeroDivisionError), Pool(2) as pool:
        for _ in map_over(pool, faulty.sleep, [0, 600]):
            raise ZeroDivisionError
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("number", [0, -1])
def test_a_pool_without_processes_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="at least one process"):
        Pool(number)


def test_an_unknown_start_method_is_refused() -> None:
    with pytest.raises(ValueError, match="teleport"):
        Pool(1, start_method="teleport")


def test_nothing_is_forked_beside_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise AssertionError("forked while another thread was running")

    monkeypatch.setattr(os, "fork", refuse)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with Pool(1) as pool:
            assert list(map_over(pool, faulty.double, [21])) == [42]
    finally:
        done.set()
        thread.join()


# Tasks that raise


def assert_clear(error: TaskError, summary: str, function: str) -> None:
    """Check that one line says what happened, and that the worker's traceback is with it."""
    assert summary in str(error)
    assert "\n" not in str(error)
    trace = error.trace.splitlines()
    assert trace[0].startswith("Traceback")
    assert any("faulty.py" in line and f"in {function}" in line for line in trace)


@pytest.mark.parametrize(
    ("function", "summary"),
    [
        (faulty.fail, "ValueError: broken"),
        (faulty.fail_with_note, "ValueError: broken"),
        (faulty.leave, "SystemExit: broken"),
        (faulty.interrupt, "KeyboardInterrupt: broken"),
        (faulty.fail_unpicklable, "UnpicklableError: broken"),
        (faulty.fail_unloadable, "UnloadableError: broken and more"),
        (faulty.fail_own_unpicklable, "OwnUnpicklableError: broken"),
        (faulty.fail_own_unloadable, "OwnUnloadableError: broken and more"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_a_task_raises_is_a_task_error_with_its_traceback(
    function: Callable[[str], object], summary: str
) -> None:
    with Pool(2) as pool:
        with pytest.raises(TaskError) as caught:
            list(map_over(pool, function, ["broken"]))
        assert_clear(caught.value, summary, function.__name__)
        assert list(map_over(pool, faulty.double, [1])) == [2]


@pytest.mark.parametrize("function", [faulty.fail, faulty.leave, faulty.interrupt])
def test_a_task_that_raises_is_the_same_error_under_every_start_method(
    start_method: str, function: Callable[[str], object]
) -> None:
    with Pool(2, start_method=start_method) as pool:
        with pytest.raises(TaskError, match="broken") as caught:
            list(map_over(pool, function, ["broken"] * 3))
        assert_clear(caught.value, "broken", function.__name__)


def test_an_error_of_the_package_comes_through_as_itself(start_method: str) -> None:
    with Pool(2, start_method=start_method) as pool:
        with pytest.raises(InputError) as caught:
            list(map_over(pool, faulty.fail_as_input, ["a.log: was truncated"]))
        assert str(caught.value) == "a.log: was truncated"
        assert type(caught.value) is InputError


@pytest.mark.parametrize(
    "function",
    [faulty.unpicklable_result, faulty.unloadable_result, faulty.result_like_a_closed_pipe],
)
def test_a_result_that_cannot_travel_is_a_task_error(function: Callable[[str], object]) -> None:
    with Pool(2) as pool:
        with pytest.raises(TaskError, match=r"pickle|Error: broken"):
            list(map_over(pool, function, ["broken"]))
        assert list(map_over(pool, faulty.double, [1])) == [2]


def test_a_task_that_cannot_be_pickled_is_an_error_in_the_parent(start_method: str) -> None:
    with Pool(2, start_method=start_method) as pool:
        with pytest.raises(TypeError, match="cannot be pickled"):
            list(map_over(pool, faulty.process_id, [1, faulty.Unpicklable(), 2]))
        assert sorted(map_over(pool, faulty.double, [1, 2, 3])) == [2, 4, 6]


def test_a_task_that_cannot_be_unpickled_is_a_task_error(start_method: str) -> None:
    with Pool(2, start_method=start_method) as pool:
        with pytest.raises(TaskError, match="TypeError: broken"):
            list(map_over(pool, faulty.process_id, [faulty.Unloadable("broken")]))
        assert list(map_over(pool, faulty.double, [1])) == [2]


# Workers that are killed


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
    assert {0, 2, 4} <= set(results) <= {0, 2, 4, 8, 10, 12, 14}
    assert len(results) == len(set(results))


def kill_idle(pool: Pool, number: int, place: Path) -> None:
    """Bring a pool to its full number of workers, kill them all, and wait until they are dead."""
    pids = meet(pool, number, place)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: all(p.state in "ZX" for p in processes() if p.pid in pids))


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
    """A result of several megabytes does not fit into a pipe: its sender waits to be read from."""
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


@pytest.mark.skipif("forkserver" not in METHODS, reason="no forkserver here")
def test_a_worker_killed_while_it_is_started_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the start methods only the forkserver tells the parent so by a broken pipe."""
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


# Signals and the workers


def test_sigint_does_not_end_a_worker(start_method: str, tmp_path: Path) -> None:
    tasks = [Deadly(tmp_path / f"{value}", 1, "SIGINT", value) for value in range(4)]
    with Pool(1, start_method=start_method) as pool:
        results = list(map_over(pool, faulty.survive, tasks))
    assert sorted(results) == [0, 2, 4, 6]
    assert len({(tmp_path / f"{value}").read_text() for value in range(4)}) == 1


def test_no_signal_is_blocked_for_long(start_method: str) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Pool(2, start_method=start_method) as pool:
        assert list(map_over(pool, faulty.blocked_signals, range(2))) == [set(), set()]
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_worker_never_runs_its_parents_handler(start_method: str, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: (tmp_path / "handled").touch())
    try:
        with Pool(2, start_method=start_method) as pool:
            task = Deadly(tmp_path / "log", 1, "SIGTERM", 21)
            assert list(map_over(pool, faulty.survive, [task])) == [42]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not (tmp_path / "handled").exists()


# Calls that are left early


def test_an_abandoned_call_gives_nothing_to_the_next(start_method: str) -> None:
    with Pool(2, start_method=start_method) as pool:
        for result in map_over(pool, faulty.double, range(10)):
            assert result in range(0, 20, 2)
            break
        gc.collect()
        assert sorted(map_over(pool, faulty.double, [100, 101])) == [200, 202]


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


@pytest.mark.parametrize(("method", "kills"), [("fork", 30), ("forkserver", 10), ("spawn", 10)])
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


def test_a_death_is_seen_though_a_child_of_the_worker_holds_its_pipe() -> None:
    started = time.monotonic()
    with Pool(1) as pool, pytest.raises(WorkerLostError):
        list(map_over(pool, faulty.die_behind_a_child, [None]))
    assert time.monotonic() - started < 10, "waited for four children of 3 s, one after the other"
