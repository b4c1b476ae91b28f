"""A pool of worker processes that does not hang when a worker is killed.

::

    submit ──▶ waiting ──▶ pipe ──▶ worker: function(*arguments) ──▶ pipe ──▶ wait, fetch
                  ▲                            │
                  └───────── again ◀── killed ─┘        four times killed ──▶ WorkerLostError

``multiprocessing.Pool`` loses the task of a killed worker and waits for it for ever (CPython
gh-66587), and its ``terminate`` can hang on a killed idle one (gh-73945), because its workers share
a pipe. Here each worker has its own pipe and holds one task at a time, so the parent always knows
which task a dead worker held. The end of file on its pipe shows that a worker, busy or idle, died.

The parent keeps an answer as the bytes that the worker has pickled. It passes them on to the worker
that needs them, and unpickles them only when the engine fetches the result. The parent uses one
thread and no locks.
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
"""The run fails when one task has killed this many workers, as in Hadoop and Spark."""


@dataclass(slots=True, eq=False)
class Task:
    """A handle: first a call for a worker, later the worker's answer."""

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
    """Up to ``processes`` workers, each started when a task needs it. See ``Backend``.

    Leaving the ``with`` block kills all workers. Raises ``ValueError`` for invalid arguments.
    """

    sees_local_files = True

    def __init__(self, processes: int | None = None, *, start_method: str | None = None) -> None:
        self.workers = self.capacity = os.cpu_count() or 1 if processes is None else processes
        if self.workers < 1:
            raise ValueError("a pool needs at least one process")
        self._context = context_of(start_method)
        self._workers: dict[Connection, _Worker] = {}
        self._waiting: deque[Task] = deque()
        self._limit = self.workers
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
        """Send a call to an idle or new worker, or queue it if all workers are busy.

        A handle among the arguments stands for its result, which is passed on as pickled bytes.
        Raises whatever pickling the other arguments raises.
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
        """Return the tasks that workers have answered; run the tasks of dead workers again.

        Raises ``TaskError`` if a call has raised (a ``MapReduceError`` as itself), and
        ``WorkerLostError`` if a task has killed ``ATTEMPTS`` workers.
        """
        self._dispatch()  # includes the tasks of dead workers
        if not self._busy():
            return []
        ready = cast(list[Connection], wait(list(self._workers), timeout=seconds))
        for connection in () if ready else self._dead():
            self._requeue_task_of(connection)
        return [task for connection in ready if (task := self._receive(connection))]

    def fetch(self, task: Task, /) -> Any:
        """Unpickle the result of a task. Raises ``TaskError`` if unpickling fails."""
        return result_of(task.answer)

    def progress(self, task: Task, /) -> int:
        """Return the furthest progress of any worker with a task, even of one that was killed."""
        return task.reported

    def cancel(self) -> None:
        """Forget the unfinished tasks, and kill the workers that run them."""
        self._waiting.clear()
        for connection in self._busy():
            self._remove(connection)

    def close(self) -> None:
        """Kill all workers and wait until they have ended."""
        self._closed = True
        for worker in self._workers.values():
            worker.process.kill()  # first kill all, then wait for each
        for connection in list(self._workers):
            self._remove(connection)

    def _busy(self) -> list[Connection]:
        return [connection for connection, worker in self._workers.items() if worker.task]

    def _dispatch(self) -> None:
        """Send the waiting tasks to idle workers, and to new workers up to the limit."""
        idle = [connection for connection, worker in self._workers.items() if not worker.task]
        while self._waiting and (idle or len(self._workers) < self._limit):
            was_idle = bool(idle)
            connection = idle.pop() if was_idle else self._start_worker()
            if connection is None:
                return
            task = self._workers[connection].task = self._waiting.popleft()
            try:
                task.send(connection)
            except OSError:  # the worker is dead; the end of file on its pipe will requeue the task
                task.lost -= was_idle  # an idle worker died: the task has not killed it

    def _receive(self, connection: Connection) -> Task | None:
        """Return the task that a worker has answered, or raise the error in the answer.

        Return ``None`` if the worker has reported progress or is dead.
        """
        try:
            answer = connection.recv_bytes()
        except (EOFError, OSError):
            self._requeue_task_of(connection)
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
        """Return the dead workers whose pipes are still open, because a child holds them open."""
        workers = self._workers.items()
        return [connection for connection, worker in workers if not worker.process.is_alive()]

    def _requeue_task_of(self, connection: Connection) -> None:
        """Remove a dead worker and put its task first in the queue.

        Raises ``WorkerLostError`` if the task has killed ``ATTEMPTS`` workers.
        """
        task = self._remove(connection)
        if task is None:
            return
        task.lost += 1
        if task.lost >= ATTEMPTS:
            raise WorkerLostError(
                f"{task.title}: killed {task.lost} workers, one after the other; "
                "check these bytes of the input, and whether there is enough memory"
            )
        self._waiting.appendleft(task)

    def _remove(self, connection: Connection) -> Task | None:
        worker = self._workers.pop(connection)
        connection.close()
        worker.process.end()  # the pipe may have ended before the process
        return worker.task

    def _start_worker(self) -> Connection | None:
        """Start a worker. If the system allows no more processes, return ``None`` from now on.

        Raises ``WorkerLostError`` if the system does not allow even one, or if ``ATTEMPTS`` workers
        in a row die while they start.
        """
        for attempt in range(ATTEMPTS):
            time.sleep(0.1 * attempt)  # a fork server that was killed needs time to end
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
                self._limit = len(self._workers)
                return None
        raise WorkerLostError(
            f"{ATTEMPTS} workers died while they were started; run again, or with -j 1"
        )
