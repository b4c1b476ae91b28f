"""A Pool of mapper processes that no killed worker can hang.

::

    tasks ──▶ waiting ──▶ pipe ──▶ worker: function(task) ──▶ pipe ──▶ results
                 ▲                            │
                 └───────── again ◀── killed ─┘        four times killed ──▶ WorkerLostError

``multiprocessing.Pool`` loses the task of a killed worker and waits for it for ever (CPython
gh-66587), and its ``terminate`` can hang on a killed idle one (gh-73945), because its workers share
a pipe. Here each worker has a pipe of its own and holds one task at a time, so the parent always
knows what a dead one held. An end of file on its pipe is the one sign of a death, busy or idle.

The interface is that of the standard library's Pool as far as the engine needs it. The parent is
one thread; no lock is held by anyone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from mapreduce.backends.worker import SIGNALS, work
from mapreduce.errors import TaskError, WorkerLostError

ATTEMPTS: Final = 4
"""Workers that a task may cost before the run gives up, as in Hadoop and Spark."""

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(slots=True)
class _Task:
    function: Callable[[Any], Any]
    argument: object
    lost: int = 0


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    task: _Task | None = None


class Pool:
    """Up to ``processes`` workers, started as tasks come, each after ``initializer(*initargs)``.

    ``tick`` is called at least ten times a second while results are awaited and may raise to stop
    the run. Leaving the ``with`` block kills all workers. Raises ``ValueError`` for arguments that
    cannot be.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        start_method: str | None = None,
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        self._processes = os.cpu_count() or 1 if processes is None else processes
        if self._processes < 1:
            raise ValueError("a pool needs at least one process")
        self._context = _context(start_method)
        self._setup = (initializer, tuple(initargs))
        self._tick = tick
        self._workers: dict[Connection, _Worker] = {}
        self._waiting: deque[_Task] = deque()
        self._call: object = None
        self._closed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.terminate()

    def imap_unordered(self, function: Callable[[_T], _R], tasks: Iterable[_T]) -> Iterator[_R]:
        """Yield ``function(task)`` for each task as it is finished.

        A task is taken from ``tasks`` only when a worker is free for it. Raises ``TaskError`` if
        the function raises (a ``MapReduceError`` as itself) and ``WorkerLostError`` if a task has
        cost four workers. An error, abandoning the iterator, or the next call ends the workers
        that are busy.
        """
        if self._closed:
            raise ValueError("the pool is closed")
        self._abandon()
        call = self._call = object()
        source = iter(tasks)
        exhausted = False
        try:
            while True:
                while not exhausted and self._has_room():
                    try:
                        self._waiting.append(_Task(function, next(source)))
                    except StopIteration:
                        exhausted = True
                    self._dispatch()
                self._dispatch()  # also what dead workers have left
                if not self._busy():
                    return
                for result in self._results():
                    yield result
                    if call is not self._call:
                        raise RuntimeError("the pool is closed, or a later call has taken it")
        finally:
            if call is self._call:
                self._abandon()

    def terminate(self) -> None:
        """Kill all workers and wait until they are gone; the pool is closed."""
        self._closed, self._call = True, None
        for worker in self._workers.values():
            worker.process.kill()
        for connection in list(self._workers):
            self._dismiss(connection)

    def _abandon(self) -> None:
        """Forget the tasks of a call, and the workers that are at them."""
        self._waiting.clear()
        for connection in self._busy():
            self._dismiss(connection)

    def _busy(self) -> list[Connection]:
        return [connection for connection, worker in self._workers.items() if worker.task]

    def _has_room(self) -> bool:
        return len(self._waiting) + len(self._busy()) < self._processes

    def _dispatch(self) -> None:
        """Give the waiting tasks to idle workers, and to new ones while there may be more."""
        idle = [connection for connection, worker in self._workers.items() if not worker.task]
        while self._waiting and (idle or len(self._workers) < self._processes):
            was_idle = bool(idle)
            connection = idle.pop() if was_idle else self._hire()
            task = self._workers[connection].task = self._waiting.popleft()
            message = ForkingPickler.dumps((task.function, task.argument))
            try:
                connection.send_bytes(message)
            except OSError:  # the end of file that follows brings the task back
                task.lost -= was_idle  # it died idle: no fault of this task

    def _results(self) -> Iterator[Any]:
        """Wait a little, and yield what the workers have sent."""
        self._tick()
        ready = cast(list[Connection], wait(list(self._workers), timeout=0.1))
        for connection in () if ready else self._dead():
            self._bury(connection)
        for connection in ready:
            try:
                message = connection.recv_bytes()
            except (EOFError, OSError):
                self._bury(connection)
                continue
            self._workers[connection].task = None
            yield _value(message)

    def _dead(self) -> list[Connection]:
        """Return the workers that are gone although a child of theirs still holds the pipe."""
        workers = self._workers.items()
        return [connection for connection, worker in workers if not worker.process.is_alive()]

    def _bury(self, connection: Connection) -> None:
        """Put a dead worker's task back to the front; give up on one that keeps killing."""
        task = self._dismiss(connection)
        if task is None:
            return
        task.lost += 1
        if task.lost >= ATTEMPTS:
            raise WorkerLostError(
                f"{task.argument}: killed {task.lost} workers, one after the other; "
                "look at these bytes, or for too little memory"
            )
        self._waiting.appendleft(task)

    def _dismiss(self, connection: Connection) -> _Task | None:
        worker = self._workers.pop(connection)
        connection.close()
        worker.process.kill()  # the pipe may have ended before the process has
        worker.process.join()
        worker.process.close()
        return worker.task

    def _hire(self) -> Connection:
        """Start a worker; raise ``WorkerLostError`` if four in a row die before they have begun."""
        for _ in range(ATTEMPTS):
            try:
                with suppress(ConnectionError, EOFError):
                    return self._start()
            except OSError as error:
                raise WorkerLostError(f"a process cannot be started: {error.strerror}") from error
        raise WorkerLostError(f"{ATTEMPTS} workers died while they were started")

    def _start(self) -> Connection:
        """Start a worker, with signals blocked so that it never runs the parent's handlers."""
        ours, theirs = self._context.Pipe()
        inherited = [*self._workers, ours] if self._context.get_start_method() == "fork" else []
        process = cast(Any, self._context).Process(
            target=work, args=(theirs, inherited, *self._setup), daemon=True
        )
        if self._context.get_start_method() != "fork":
            resource_tracker.ensure_running()  # else starting the worker does, and unblocks signals
        with _signals_blocked(), theirs:
            process.start()
            self._workers[ours] = _Worker(process)
        return ours


def _value(message: bytes) -> Any:
    """Return the value in a worker's answer, or raise the error in it."""
    try:
        error, value = ForkingPickler.loads(message)
    except BaseException as failure:
        raise TaskError.of("in a result that cannot be unpickled", failure) from failure
    if error is not None:
        raise error
    return value


def _context(start_method: str | None) -> BaseContext:
    """Return the context asked for; by default fork where it is safe: Linux, no other thread."""
    if start_method is None and sys.platform == "linux":
        start_method = "fork" if threading.active_count() == 1 else "forkserver"
    return multiprocessing.get_context(start_method)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
