"""A pool of worker processes that no killed worker can hang.

::

    submit ──▶ waiting ──▶ pipe ──▶ worker: function(*arguments) ──▶ pipe ──▶ wait, fetch
                  ▲                            │
                  └───────── again ◀── killed ─┘        four times killed ──▶ WorkerLostError

``multiprocessing.Pool`` loses the task of a killed worker and waits for it for ever (CPython
gh-66587), and its ``terminate`` can hang on a killed idle one (gh-73945), because its workers share
a pipe. Here each worker has a pipe of its own and holds one task at a time, so the parent always
knows what a dead one held. An end of file on its pipe is the one sign of a death, busy or idle.

An answer is kept in the parent as the bytes that the worker has pickled. They are passed on to the
worker that needs them, and unpickled in the parent only when somebody fetches them. The parent is
one thread; no lock is held by anyone.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final, cast

from mapreduce.backends.process import WorkerProcess, context_of, start_worker
from mapreduce.backends.worker import ERROR, REPORT, packed_call, result_of, send
from mapreduce.errors import WorkerLostError

ATTEMPTS: Final = 4
"""Workers that a task may cost before the run gives up, as in Hadoop and Spark."""


@dataclass(slots=True, eq=False)
class Task:
    """A handle: a call on its way to a worker, or the answer of the worker that has run it."""

    title: str
    call: bytes
    needed: list[Task]
    lost: int = 0
    reported: int = 0
    answer: bytes = b""

    def send(self, connection: Connection) -> None:
        """Send the call, with the answers of the tasks that it needs, to a worker."""
        send(connection, self.call, [task.answer for task in self.needed])

    def finish(self, answer: bytes) -> None:
        """Keep the answer and forget the call."""
        self.answer, self.call, self.needed = answer, b"", []


@dataclass(slots=True)
class _Worker:
    process: WorkerProcess
    task: Task | None = None


class Pool:
    """Up to ``processes`` workers, started as tasks come. See ``Backend``.

    Leaving the ``with`` block kills all workers. Raises ``ValueError`` for arguments that cannot
    be.
    """

    sees_local_files = True

    def __init__(self, processes: int | None = None, *, start_method: str | None = None) -> None:
        self.workers = self.capacity = os.cpu_count() or 1 if processes is None else processes
        if self.workers < 1:
            raise ValueError("a pool needs at least one process")
        self._context = context_of(start_method)
        self._workers: dict[Connection, _Worker] = {}
        self._waiting: deque[Task] = deque()
        self._most = self.workers
        self._closed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Task:
        """Give a call to an idle worker, or to a new one; it waits if all workers are busy.

        The result that a handle among the arguments names is passed on as its worker has pickled
        it. Raises whatever pickling the other arguments raises.
        """
        if self._closed:
            raise ValueError("the pool is closed")
        positions = [n for n, argument in enumerate(arguments) if isinstance(argument, Task)]
        task = Task(
            str(next((a for a in arguments if not isinstance(a, Task)), function)),
            packed_call(function, arguments, positions),
            [arguments[n] for n in positions],
        )
        self._waiting.append(task)
        self._dispatch()
        return task

    def wait(self, seconds: float, /) -> list[Task]:
        """Return the tasks that workers have answered; run those of dead workers again.

        Raises ``TaskError`` if a call has raised (a ``MapReduceError`` as itself), and
        ``WorkerLostError`` if a task has cost four workers.
        """
        self._dispatch()  # also what dead workers have left
        if not self._busy():
            return []
        ready = cast(list[Connection], wait(list(self._workers), timeout=seconds))
        for connection in () if ready else self._dead():
            self._bury(connection)
        return [task for connection in ready if (task := self._receive(connection))]

    def fetch(self, task: Task, /) -> Any:
        """Unpickle the result of a task; raises ``TaskError`` if that raises."""
        return result_of(task.answer)

    def progress(self, task: Task, /) -> int:
        """Return how far any worker has come with a task, also one that was killed since."""
        return task.reported

    def cancel(self) -> None:
        """Forget the unfinished tasks, and kill the workers that are at them."""
        self._waiting.clear()
        for connection in self._busy():
            self._dismiss(connection)

    def close(self) -> None:
        """Kill all workers and wait until they are gone."""
        self._closed = True
        for worker in self._workers.values():
            worker.process.kill()  # all at once
        for connection in list(self._workers):
            self._dismiss(connection)

    def _busy(self) -> list[Connection]:
        return [connection for connection, worker in self._workers.items() if worker.task]

    def _dispatch(self) -> None:
        """Give the waiting tasks to idle workers, and to new ones while there may be more."""
        idle = [connection for connection, worker in self._workers.items() if not worker.task]
        while self._waiting and (idle or len(self._workers) < self._most):
            was_idle = bool(idle)
            connection = idle.pop() if was_idle else self._hire()
            if connection is None:
                return
            task = self._workers[connection].task = self._waiting.popleft()
            try:
                task.send(connection)
            except OSError:  # the end of file that follows brings the task back
                task.lost -= was_idle  # it died idle: no fault of this task

    def _receive(self, connection: Connection) -> Task | None:
        """Return the task that a worker has answered, or raise its error.

        Note what the worker reports, and bury a dead worker.
        """
        try:
            answer = connection.recv_bytes()
        except (EOFError, OSError):
            self._bury(connection)
            return None
        worker = self._workers[connection]
        task = cast(Task, worker.task)
        if answer.startswith(REPORT):
            task.reported = max(task.reported, int.from_bytes(answer[len(REPORT) :]))
            return None
        worker.task = None
        task.finish(answer)
        if answer.startswith(ERROR):
            result_of(answer)
        return task

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
                f"{task.title}: killed {task.lost} workers, one after the other; "
                "look at these bytes, or for too little memory"
            )
        self._waiting.appendleft(task)

    def _dismiss(self, connection: Connection) -> Task | None:
        worker = self._workers.pop(connection)
        connection.close()
        worker.process.end()  # its pipe may have ended before the process has
        return worker.task

    def _hire(self) -> Connection | None:
        """Start a worker; if the system allows no more processes, go on with those that there are.

        Raises ``WorkerLostError`` if it allows none, or if four in a row die before they have
        begun.
        """
        for attempt in range(ATTEMPTS):
            time.sleep(0.1 * attempt)  # a fork server that was killed is not gone at once
            try:
                with suppress(ConnectionError, EOFError, ProcessLookupError):
                    ours, process = start_worker(self._context, list(self._workers))
                    self._workers[ours] = _Worker(process)
                    return ours
            except OSError as error:
                if not self._workers:
                    raise WorkerLostError(
                        f"no process can be started: {error.strerror or error}; "
                        "allow more processes, or use one worker (-j 1), which needs none"
                    ) from error
                self._most = len(self._workers)
                return None
        raise WorkerLostError(f"{ATTEMPTS} workers died while they were started")
