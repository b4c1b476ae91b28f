"""A whole backend of one's own, over any executor of ``concurrent.futures``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any


class ExecutorBackend:
    """Runs calls in an executor that its maker closes. Its handles are the executor's futures."""

    sees_local_files = True

    def __init__(self, executor: Executor, workers: int) -> None:
        self.workers = workers
        self.capacity = 2 * workers
        self._executor = executor
        self._unfinished: set[Future[Any]] = set()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        values = [arg.result() if isinstance(arg, Future) else arg for arg in arguments]
        future = self._executor.submit(function, *values)
        self._unfinished.add(future)
        return future

    def wait(self, seconds: float, /) -> Collection[Future[Any]]:
        finished, self._unfinished = wait(self._unfinished, seconds, FIRST_COMPLETED)
        for future in finished:
            future.result()  # raises what the call has raised
        return finished

    def fetch(self, future: Future[Any], /) -> Any:
        return future.result()

    def cancel(self) -> None:
        for future in self._unfinished:
            future.cancel()
        self._unfinished = set()
