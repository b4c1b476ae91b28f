"""What the engine relies on in every backend. To test your own, add it to ``BACKENDS``."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import faulty
import pytest
from executor_backend import ExecutorBackend
from faulty import map_over
from promises import becomes, change, promise

from mapreduce import Backend, Reject, UsageError, run
from mapreduce.backends.backend import Reporting, adapt_backend, progress_of
from mapreduce.backends.pool import Pool
from mapreduce.backends.this_process import ThisProcess
from mapreduce.errors import InputError, LimitError, WorkerLostError
from mapreduce.jobs.count import count

FORK = "fork" if sys.platform == "linux" else None


@contextmanager
def standard_pool() -> Iterator[Backend]:
    with multiprocessing.get_context(FORK).Pool(2) as pool:
        yield adapt_backend(pool)
        pool.close()  # not terminate, which may hang on what a killed worker held
        pool.join()


@contextmanager
def thread_pool() -> Iterator[Backend]:
    with ThreadPool(2) as pool:
        yield adapt_backend(pool)
        pool.close()
        pool.join()


@contextmanager
def process_executor() -> Iterator[Backend]:
    with ProcessPoolExecutor(2, multiprocessing.get_context(FORK)) as executor:
        yield ExecutorBackend(executor, 2)


@contextmanager
def thread_executor() -> Iterator[Backend]:
    with ThreadPoolExecutor(2) as executor:
        yield ExecutorBackend(executor, 2)


@contextmanager
def this_process() -> Iterator[Backend]:
    yield ThisProcess()


BACKENDS: dict[str, Callable[[], Any]] = {
    "this process": this_process,
    "pool": partial(Pool, 2),
    "standard pool": standard_pool,
    "standard pool of threads": thread_pool,
    "executor of processes": process_executor,
    "executor of threads": thread_executor,
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with BACKENDS[request.param]() as backend:
        yield backend
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in others:
        thread.join()  # no later test may fork beside one


def await_all(backend: Backend, handles: set[Any]) -> None:
    """Wait until exactly these calls have finished."""
    left = set(handles)
    while left:
        for handle in backend.wait(0.1):
            left.remove(handle)


def test_it_is_a_backend_and_says_what_it_can(backend: Backend) -> None:
    assert isinstance(backend, Backend)
    assert adapt_backend(backend) is backend
    assert 1 <= backend.workers <= backend.capacity
    assert backend.sees_local_files


def test_every_call_gives_its_result_once(backend: Backend) -> None:
    results = list(map_over(backend, faulty.double, range(100)))
    assert sorted(results) == [2 * number for number in range(100)]


def test_wait_returns_at_once_if_nothing_is_unfinished(backend: Backend) -> None:
    started = time.monotonic()
    assert list(backend.wait(60)) == []
    await_all(backend, {backend.submit(faulty.double, 1)})
    assert list(backend.wait(60)) == []
    assert time.monotonic() - started < 30


def test_wait_does_not_wait_for_a_long_call(backend: Backend, tmp_path: Path) -> None:
    if isinstance(backend, ThisProcess):
        pytest.skip("its calls run in the thread that waits")
    handle = backend.submit(faulty.wait_for, tmp_path / "end")
    assert list(backend.wait(0.05)) == []
    (tmp_path / "end").touch()
    await_all(backend, {handle})


def test_calls_that_are_submitted_later_run_while_earlier_ones_do(
    backend: Backend, tmp_path: Path
) -> None:
    if backend.workers == 1:
        pytest.skip("it runs one call at a time")
    slow = backend.submit(faulty.wait_for, tmp_path / "end")
    quick = backend.submit(faulty.double, 2)
    finished: list[Any] = []
    while not finished:
        finished += backend.wait(0.1)
    assert finished == [quick]
    (tmp_path / "end").touch()
    await_all(backend, {slow})


def test_falsy_arguments_and_results_are_like_others(backend: Backend) -> None:
    values: list[object] = [0, None, "", (), False, 1]
    results = list(map_over(backend, faulty.same, values))
    assert Counter(map(repr, results)) == Counter(map(repr, values))
    nothing = backend.submit(faulty.same, None)
    await_all(backend, {nothing})
    pair = backend.submit(faulty.pair, nothing, 0)
    await_all(backend, {pair})
    assert backend.fetch(pair) == (None, 0)


def test_a_handle_among_the_arguments_stands_for_its_result(backend: Backend) -> None:
    ten, six = backend.submit(faulty.double, 5), backend.submit(faulty.double, 3)
    await_all(backend, {ten, six})
    pairs = [
        backend.submit(faulty.pair, ten, six),
        backend.submit(faulty.pair, "left", ten),
        backend.submit(faulty.pair, six, "right"),
        backend.submit(faulty.pair, ten, ten),
    ]
    await_all(backend, set(pairs))
    found = [backend.fetch(pair) for pair in pairs]
    assert found == [(10, 6), ("left", 10), (6, "right"), (10, 10)]


def test_results_of_results_form_a_tree(backend: Backend) -> None:
    level = [backend.submit(faulty.same, (number,)) for number in range(4)]
    while len(level) > 1:
        await_all(backend, set(level))
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [backend.submit(faulty.add, left, right) for left, right in pairs]
    await_all(backend, set(level))
    assert backend.fetch(level[0]) == (0, 1, 2, 3)


def test_large_arguments_and_results_arrive(backend: Backend) -> None:
    data = [bytes([number]) * (2 << 20) + b"end" for number in range(4)]
    handles = [backend.submit(faulty.reverse, item) for item in data]
    await_all(backend, set(handles))
    again = [backend.submit(faulty.add, one, two) for one, two in pairwise(handles)]
    await_all(backend, set(again))
    for number, handle in enumerate(again):
        assert backend.fetch(handle) == data[number][::-1] + data[number + 1][::-1]


def test_an_error_of_the_package_is_raised_by_wait_as_itself(backend: Backend) -> None:
    with pytest.raises(InputError, match=r"^a\.log: was truncated$"):
        list(map_over(backend, faulty.fail_as_input, ["a.log: was truncated"]))
    assert sorted(map_over(backend, faulty.double, [1, 2])) == [2, 4]


def test_another_error_of_a_call_says_what_was_raised(backend: Backend) -> None:
    with pytest.raises(Exception, match="broken"):
        list(map_over(backend, faulty.fail, ["broken"] * 3))
    assert sorted(map_over(backend, faulty.double, [1, 2])) == [2, 4]


def test_a_result_that_cannot_travel_is_an_error(backend: Backend) -> None:
    if list(map_over(backend, faulty.process_id, [None])) == [os.getpid()]:
        pytest.skip("its results do not travel")
    with pytest.raises(Exception, match="cannot be pickled"):
        list(map_over(backend, faulty.unpicklable_result, ["x"]))
    assert sorted(map_over(backend, faulty.double, [1, 2])) == [2, 4]


@promise(
    "What was cancelled is never returned",
    broken_by=becomes("mapreduce.backends.pool:Pool.cancel", "pass"),
)
def test_what_was_cancelled_is_never_returned(backend: Backend, tmp_path: Path) -> None:
    old = {backend.submit(faulty.wait_for, tmp_path / "end") for _ in range(backend.capacity)}
    backend.cancel()
    new = {backend.submit(faulty.double, number) for number in range(backend.capacity)}
    (tmp_path / "end").touch()
    await_all(backend, new)
    time.sleep(0.05)
    assert list(backend.wait(0)) == []
    assert old.isdisjoint(new)


def test_a_run_that_was_left_early_gives_nothing_to_the_next(backend: Backend) -> None:
    for result in map_over(backend, faulty.double, range(50)):
        assert result in range(0, 100, 2)
        break
    assert sorted(map_over(backend, faulty.double, [100, 101])) == [200, 202]


@pytest.fixture
def frequent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a backend that is started from now on be told of progress every few milliseconds."""
    monkeypatch.setattr("mapreduce.backends.report.PERIOD", 0.02)


@pytest.mark.usefixtures("frequent_reports")  # before the backend starts its workers
def test_a_call_that_reports_is_seen_to_come_further(backend: Backend) -> None:
    """A backend that does not know the progress of a call returns 0."""
    progress = progress_of(backend)
    for numbers in [(30, 20), (0, 10)]:  # what the second two report begins with nothing
        calls = {backend.submit(faulty.report_slowly, number): number for number in numbers}
        seen: dict[Any, list[int]] = {handle: [] for handle in calls}
        left = set(calls)
        while left:
            left -= set(backend.wait(0.005))
            for handle in left:
                seen[handle].append(progress(handle))
        for handle, number in calls.items():
            assert seen[handle] == sorted(seen[handle])
            assert set(seen[handle]) <= set(range(number + 1))
            if isinstance(backend, Reporting) and number:
                assert len(set(seen[handle])) > 2


# Whole runs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"key-%d x\n" % (number % 50) for number in range(2000)))
    return path


@promise(
    "A run gives the same on every backend",
    broken_by=becomes("mapreduce.backends.this_process:_value", "return argument"),
)
@pytest.mark.parametrize("split_size", [100, 5000, None])
def test_a_run_gives_the_same_on_every_backend(
    backend: Backend, log: Path, split_size: int | None
) -> None:
    result = run(count("1"), [log], backend=backend, split_size=split_size)
    assert result.counts == {b"key-%d" % number: 40 for number in range(50)}
    assert result.stats.workers == backend.workers


def test_malformed_lines_are_the_same_on_every_backend(
    backend: Backend, log: Path, tmp_path: Path
) -> None:
    (tmp_path / "good").write_bytes(b"a b c\n")

    def rejects(**options: Any) -> list[Reject]:
        found = run(count("3"), [log, tmp_path / "good"], split_size=500, **options)
        return list(found.rejects)

    assert rejects(backend=backend) == rejects(workers=1) != []


def test_progress_is_the_size_of_what_was_counted(backend: Backend, log: Path) -> None:
    ticks: list[int] = []
    run(count("1"), [log], backend=backend, split_size=500, progress=ticks.append)
    assert sum(ticks) == log.stat().st_size


@promise(
    "What a worker knows of keys is gone with the run",
    broken_by=[
        change("mapreduce.mapping.task:map_splits", "(settings.run, mapper)", "('', mapper)"),
        change("mapreduce.mapping.task:_take_combiner", "(run, mapper)", "('', mapper)"),
        becomes("mapreduce.mapping.task:_forget_other_runs", "pass"),
        becomes("mapreduce.mapping.task:forget_combiners", "pass"),
    ],
)
def test_what_a_worker_knows_of_keys_is_gone_with_the_run(backend: Backend, tmp_path: Path) -> None:
    """If combiners were kept, the third run would fail because of the keys of the others."""
    for number in range(4):
        path = tmp_path / f"{number}.log"
        path.write_bytes(b"".join(b"%d-%d x\n" % (number, n % 10) for n in range(60)))
        result = run(count("1"), [path], backend=backend, split_size=50, max_keys=25)
        assert len(result.counts) == 10
    path.write_bytes(b"".join(b"%d x\n" % n for n in range(60)))
    with pytest.raises(LimitError):
        run(count("1"), [path], backend=backend, split_size=50, max_keys=25)


# What is no backend


class FarAway(ThisProcess):
    sees_local_files = False


@promise(
    "Files are refused that the workers of a backend cannot open",
    broken_by=becomes("mapreduce.splits.plan:_check_local_files", "pass"),
)
def test_local_files_are_refused_if_the_workers_cannot_open_them(log: Path) -> None:
    with pytest.raises(UsageError, match="do not see the files of this machine"):
        run(count("1"), [log], backend=FarAway())


@pytest.mark.parametrize("given", [3, "pool", object(), Pool])
def test_what_is_no_backend_is_refused(given: Any, log: Path) -> None:
    with pytest.raises(UsageError, match=r"backend=.*: must be a multiprocessing\.Pool, or"):
        run(count("1"), [log], backend=given)


@pytest.mark.parametrize("option", [{"workers": 2}, {"start_method": "fork"}])
def test_a_backend_has_its_own_workers(option: dict[str, Any], log: Path) -> None:
    with pytest.raises(UsageError, match="a backend has its own workers"):
        run(count("1"), [log], backend=ThisProcess(), **option)


def test_a_killed_worker_of_a_standard_pool_ends_the_run() -> None:
    """The pool itself would wait for the task of a killed worker for ever."""
    with multiprocessing.get_context(FORK).Pool(2) as pool:
        with pytest.raises(WorkerLostError, match="has died"):
            list(map_over(adapt_backend(pool), faulty.die, [None]))
        pool.terminate()
        pool.join()
