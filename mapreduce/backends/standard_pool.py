"""A backend for a Pool of the standard library, which the caller has made and will close.

``multiprocessing.Pool`` loses the task of a killed worker and waits for it for ever (CPython
gh-66587). Here the run ends with an error as soon as a dead worker is found.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.pool import AsyncResult, Pool
from multiprocessing.process import BaseProcess
from typing import Any, cast

from mapreduce.errors import WorkerLostError


@dataclass(slots=True, eq=False)
class Call:
    """A handle of a call."""

    result: AsyncResult[Any] | None = None

    def value(self) -> Any:
        """Return the result of the call, or raise what the call raised."""
        return cast("AsyncResult[Any]", self.result).get()


class StandardPool:
    """Runs calls in a ``multiprocessing.Pool`` or ``ThreadPool``. See ``Backend``."""

    sees_local_files = True

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.workers: int = cast(Any, pool)._processes  # noqa: SLF001 - there is no other way
        self.capacity = 2 * self.workers  # so that no worker waits for the next call
        self._processes: dict[int, BaseProcess] = {}
        self.cancel()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Call:
        """Give a call to the pool. Results among its arguments pass through this process."""
        self._remember_workers()
        call, finished = Call(), self._finished
        values = [arg.value() if isinstance(arg, Call) else arg for arg in arguments]

        def finish(_result: object) -> None:
            finished.put(call)

        call.result = self._pool.apply_async(
            function, values, callback=finish, error_callback=finish
        )
        self._unfinished += 1
        return call

    def wait(self, seconds: float, /) -> list[Call]:
        """Return a call that finishes within ``seconds``, if any; raise what it raised."""
        if not self._unfinished:
            return []
        try:
            call = self._finished.get(timeout=seconds)
        except queue.Empty:
            self._check_workers()
            return []
        self._unfinished -= 1
        call.value()
        return [call]

    def fetch(self, call: Call, /) -> Any:
        """Return the result of a call."""
        return call.value()

    def cancel(self) -> None:
        """Forget all calls. The pool will still run them, but their results are dropped."""
        self._finished: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._unfinished = 0

    def _remember_workers(self) -> None:
        """Remember the current workers, because the pool silently replaces dead ones."""
        for process in list(cast(Any, self._pool)._pool):  # noqa: SLF001 - there is no other way
            self._processes[process.ident] = process

    def _check_workers(self) -> None:
        """Raise ``WorkerLostError`` if a worker was killed.

        A worker that ended after its ``maxtasksperchild`` tasks has exit code 0.
        """
        for process in self._processes.values():
            if process.exitcode:
                raise WorkerLostError(
                    f"a worker of the given multiprocessing.Pool has died (exit code "
                    f"{process.exitcode}), and such a pool never finishes the task of a dead "
                    "worker; run without this pool, then tasks of dead workers are run again"
                )
