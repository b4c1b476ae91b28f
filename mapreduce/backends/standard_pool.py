"""A backend over a Pool of the standard library that the caller has made and will close.

``multiprocessing.Pool`` loses the task of a killed worker and waits for it for ever (CPython
gh-66587). Here the run ends with an error instead, as soon as a worker is seen to have died.
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
    """A handle."""

    result: AsyncResult[Any] | None = None

    def value(self) -> Any:
        """Return the call's result, or raise what it has raised."""
        return cast("AsyncResult[Any]", self.result).get()


class StandardPool:
    """Runs calls in a ``multiprocessing.Pool`` or ``ThreadPool``. See ``Backend``."""

    sees_local_files = True

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.workers: int = cast(Any, pool)._processes  # noqa: SLF001 - there is no other way
        self.capacity = 2 * self.workers  # so that none waits for the next call
        self._processes: dict[int, BaseProcess] = {}
        self.cancel()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Call:
        """Hand a call to the pool; results that it needs pass through this process."""
        self._note_workers()
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
        """Return a call that has finished, if there is one in time; raise what it has raised."""
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
        """Forget all calls; the pool will do them, but nobody will hear of it."""
        self._finished: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._unfinished = 0

    def _note_workers(self) -> None:
        """Remember the workers that there are: the pool replaces dead ones without a word."""
        for process in list(cast(Any, self._pool)._pool):  # noqa: SLF001 - there is no other way
            self._processes[process.ident] = process

    def _check_workers(self) -> None:
        """Raise ``WorkerLostError`` if a worker was killed.

        A worker that has done its ``maxtasksperchild`` has the exit code 0.
        """
        for process in self._processes.values():
            if process.exitcode:
                raise WorkerLostError(
                    f"a worker of the given multiprocessing.Pool has died (exit code "
                    f"{process.exitcode}), and such a pool never finishes the task of a dead "
                    "worker; without a pool of yours, the task would be run again"
                )
