"""The Pool: calls, exceptions and signals work, and no process is left behind."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import faulty
import pytest
from faulty import Deadly, map_over, processes, workers_of
from promises import change, promise

from mapreduce.backends.pool import Pool
from mapreduce.backends.process import start_worker
from mapreduce.errors import InputError, TaskError, WorkerLostError
from mapreduce.kernel.pace import Pace

pytestmark = [
    pytest.mark.usefixtures("no_child_is_left"),
    pytest.mark.timeout(30),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

DATA = Path(__file__).resolve().parents[2] / "data"
METHODS = multiprocessing.get_all_start_methods()
MEGABYTE = 1 << 20


# The interface


def test_every_task_gives_its_result_once(start_method: str) -> None:
    with Pool(2, start_method=start_method) as pool:
        results = list(map_over(pool, faulty.double, range(100)))
    assert sorted(results) == [faulty.double(number) for number in range(100)]


def test_a_pool_serves_many_calls_with_the_same_workers(start_method: str, tmp_path: Path) -> None:
    with Pool(2, start_method=start_method) as pool:
        places = [partial(faulty.meet, tmp_path / f"call-{call}", 2) for call in range(3)]
        calls = [set(map_over(pool, place, range(2))) for place in places]
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
    """The tree of merges, too, makes tasks from earlier results."""
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


@promise(
    "Nothing is forked beside another thread",
    broken_by=change(
        "mapreduce.backends.process:context_of", "threading.active_count() == 1", "True"
    ),
)
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


@promise(
    "A mapper that exits or raises anything is one error with its traceback",
    broken_by=change("mapreduce.backends.worker:_answer", "BaseException", "Exception"),
)
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


@promise(
    "A result that cannot travel is an error, no hang",
    broken_by=change(
        "mapreduce.backends.worker:result_of", "(Exception, SystemExit)", "ZeroDivisionError"
    ),
)
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


def test_calls_that_were_cancelled_before_a_worker_had_them_never_run(tmp_path: Path) -> None:
    with Pool(1) as pool:
        pool.submit(faulty.sleep, 600)
        for number in range(3):
            pool.submit(faulty.touch, tmp_path / f"{number}")
        pool.cancel()
        assert list(map_over(pool, faulty.double, [1, 2])) == [2, 4]
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pool_starts_no_process() -> None:
    with Pool(1) as pool:
        pass
    with pytest.raises(ValueError, match="the pool is closed"):
        pool.submit(faulty.double, 1)


# Machines that have less than is asked for


@promise(
    "A run goes on with as many processes as the system allows",
    broken_by=change("mapreduce.backends.pool:Pool._start_worker", "not self._workers", "True"),
)
def test_a_pool_goes_on_with_the_processes_that_it_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This imitates ``ulimit -u``, which does not apply to root."""
    started: list[object] = []

    def start_two(*arguments: Any) -> Any:
        if len(started) == 2:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(arguments)
        return start_worker(*arguments)

    monkeypatch.setattr("mapreduce.backends.pool.start_worker", start_two)
    with Pool(4) as pool:
        assert sorted(map_over(pool, faulty.double, range(20))) == list(range(0, 40, 2))
    assert len(started) == 2


def test_no_process_at_all_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start_none(*_arguments: Any) -> Any:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("mapreduce.backends.pool.start_worker", start_none)
    with Pool(4) as pool, pytest.raises(WorkerLostError, match=r"no process can .*-j 1"):
        pool.submit(faulty.double, 1)


@promise(
    "A long TMPDIR is no obstacle to a fork server",
    broken_by=change("mapreduce.backends.process:context_of", "len(...) > LONGEST_TMPDIR", "False"),
)
def test_a_directory_too_long_for_a_socket_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork server's socket lies in TMPDIR, and its path has at most 107 bytes."""
    directory = tmp_path / ("x" * 100)
    directory.mkdir()
    script = (
        "import faulty\n"
        "from mapreduce.backends.pool import Pool\n"
        "if __name__ == '__main__':\n"
        "    with Pool(2, start_method='forkserver') as pool:\n"
        "        print(*faulty.map_over(pool, faulty.double, [21]))\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


def test_more_descriptors_than_select_can_hold_are_no_obstacle(start_method: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1300 if hard == resource.RLIM_INFINITY else min(1300, hard)
    if wanted < 1300:
        pytest.skip("so many descriptors are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Pool(2, start_method=start_method) as pool:
            results = sorted(map_over(pool, faulty.reverse, [bytes(1 << 20)] * 4))
        assert results == [bytes(1 << 20)] * 4
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_that_may_not_have_children_counts_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of a Pool of the standard library, or of Celery, is daemonic."""
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\na\n" * 100)
    monkeypatch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
    assert faulty.count_lines(log) == (2, {b"a": 200, b"b": 100})
    receiver, sender = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=faulty.send_result, args=(sender, faulty.count_lines, log), daemon=True
    )
    process.start()
    sender.close()
    assert receiver.recv() == (1, {b"a": 200, b"b": 100})
    process.join()
    process.close()
