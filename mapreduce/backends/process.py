"""A worker process of the Pool: how it is started, whether it lives, how it ends.

While processes are started, signals are blocked, so that no worker ever runs the parent's handlers,
and new interpreters are told not to import from the current directory.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, Final, cast

from mapreduce.backends.worker import SAFE_PATH, SIGNALS, set_variable, work

LONGEST_TMPDIR: Final = 103 - len("/pymp-12345678/listener-12345678")
"""A socket's path has at most 103 bytes on some systems, 107 on Linux."""


@dataclass(slots=True)
class WorkerProcess:
    """A process; ``pidfd`` is -1 unless it is another one's child.

    Of a fork server's child ``multiprocessing`` knows only what the server says of it. When the
    server was killed it takes the child for dead, and would not kill it any more.
    """

    process: BaseProcess
    pidfd: int

    @classmethod
    def of(cls, process: BaseProcess, start_method: str) -> WorkerProcess:
        has_pidfd = start_method == "forkserver" and hasattr(os, "pidfd_open")
        return cls(process, os.pidfd_open(cast(int, process.pid)) if has_pidfd else -1)

    def is_alive(self) -> bool:
        if self.pidfd < 0:
            return self.process.is_alive()
        return not wait([self.pidfd], timeout=0)

    def kill(self) -> None:
        if self.pidfd < 0:
            self.process.kill()
        else:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def end(self) -> None:
        """Kill the process if it is not dead yet, and wait until it is gone."""
        self.kill()
        if self.pidfd >= 0:
            wait([self.pidfd])
            os.close(self.pidfd)
        self.process.join()
        self.process.close()


def start_worker(
    context: BaseContext, others: Sequence[Connection]
) -> tuple[Connection, WorkerProcess]:
    """Start a worker; return the parent's end of its pipe. A fork inherits the ``others``."""
    ours, theirs = context.Pipe()
    method = context.get_start_method()
    inherited = [*others, ours] if method == "fork" else []
    process = cast(Any, context).Process(
        target=work, args=(theirs, inherited, os.environ.get(SAFE_PATH)), daemon=True
    )
    prepared = nullcontext() if method == "fork" else _helpers_prepared()
    with theirs, prepared, _signals_blocked():
        process.start()
        return ours, WorkerProcess.of(process, method)


def context_of(start_method: str | None) -> BaseContext:
    """Return the context asked for; by default fork where it is safe: Linux, no other thread.

    Where the path of a fork server's socket would be too long, new interpreters are spawned.
    """
    if start_method is None and sys.platform == "linux":
        start_method = "fork" if threading.active_count() == 1 else "forkserver"
    if start_method == "forkserver":
        from tempfile import gettempdir  # noqa: PLC0415 - a fork does not need it

        if len(os.fsencode(gettempdir())) > LONGEST_TMPDIR:
            start_method = "spawn"
    return multiprocessing.get_context(start_method)


@contextmanager
def _helpers_prepared() -> Iterator[None]:
    """Start new interpreters that do not import from the current directory.

    So ``multiprocessing`` starts its fork server and resource tracker, too. It warns of a tracker
    that somebody has killed; nothing of ours was in its care.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "resource_tracker: process died", UserWarning)
            resource_tracker.ensure_running()  # here, because it unblocks signals
            yield
    finally:
        set_variable(SAFE_PATH, before)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
