"""How a run is done, apart from what is counted; all that can be refused is refused here."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Final

from mapreduce.backends.backend import Backend
from mapreduce.errors import UsageError
from mapreduce.formats.stream import MAX_LINE, Tick
from mapreduce.mapping.task import BLOCK, MAX_KEYS
from mapreduce.outputs.rejects import Budget

START_METHODS: Final = (None, "fork", "forkserver", "spawn")


def no_progress(_size: int) -> None:
    """Show nothing and stop nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of ``run``, which describes them. Raises ``UsageError``.

    ``may_stay``: a small input may be counted in this process.
    """

    workers: int | None = None
    budget: Budget | None = None
    max_line: int = MAX_LINE
    max_keys: int = MAX_KEYS
    excel_safe: bool = False
    tick: Tick = no_progress
    backend: Backend | None = None
    start_method: str | None = None
    split_size: int | None = None
    block_size: int = BLOCK
    may_stay: bool = True

    def __post_init__(self) -> None:
        for name in ("workers", "max_line", "max_keys", "split_size", "block_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.start_method not in START_METHODS:
            raise UsageError(
                f"start_method must be fork, forkserver or spawn, not {self.start_method!r}"
            )
        if self.backend and (self.workers is not None or self.start_method is not None):
            raise UsageError("a backend has its own workers: leave out workers and start_method")

    def for_objects(self) -> Options:
        """Return what holds if there are objects in S3 among the inputs.

        Their client has threads, which no fork may copy. And who waits for a server does so in
        another process, so that this one can be stopped at any moment. Raises ``UsageError``.
        """
        if self.start_method == "fork":
            raise UsageError("start_method fork cannot be used with s3://: the client has threads")
        return replace(self, start_method=self.start_method or "forkserver", may_stay=False)

    @property
    def processes(self) -> int:
        """The processes that may be used at most."""
        if self.backend:
            return self.backend.workers
        return usable_cpus() if self.workers is None else self.workers


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
