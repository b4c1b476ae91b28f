"""Start a worker process of the Pool, check whether it is alive, and end it.

Signals are blocked while a process starts, so that no worker runs the signal handlers of the
parent. New interpreters are told not to import from the current directory.
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
"""The longest temporary directory for a fork server's socket.

The path of a socket has at most 103 bytes on some systems, 107 on Linux.
"""


@dataclass(slots=True)
class WorkerProcess:
    """A process. ``pidfd`` refers to it if it is the child of a fork server, else it is -1.

    ``multiprocessing`` asks the fork server about its children. If the server was killed, it
    regards them as dead and would not kill them. So these processes are watched by ``pidfd``.
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
        """Kill the process if it is still alive, and wait until it has ended."""
        self.kill()
        if self.pidfd >= 0:
            wait([self.pidfd])
            os.close(self.pidfd)
        self.process.join()
        self.process.close()


def start_worker(
    context: BaseContext, others: Sequence[Connection]
) -> tuple[Connection, WorkerProcess]:
    """Start a worker; return the parent's end of its pipe, and the process.

    ``others`` are the ends of the pipes to other workers, which a forked worker must close.
    """
    ours, theirs = context.Pipe()
    method = context.get_start_method()
    inherited = [*others, ours] if method == "fork" else []
    process = cast(Any, context).Process(
        target=work, args=(theirs, inherited, os.environ.get(SAFE_PATH)), daemon=True
    )
    prepared = nullcontext() if method == "fork" else _safe_path_set()
    with theirs, prepared, _signals_blocked():
        process.start()
        return ours, WorkerProcess.of(process, method)


def context_of(start_method: str | None) -> BaseContext:
    """Return the context of a start method; by default fork where that is safe.

    Forking is safe on Linux if this process has no other thread. If the path of the fork server's
    socket would be too long, new interpreters are spawned.
    """
    if start_method is None and sys.platform == "linux":
        start_method = "fork" if threading.active_count() == 1 else "forkserver"
    if start_method == "forkserver":
        from tempfile import gettempdir  # noqa: PLC0415 - a fork does not need it

        if len(os.fsencode(gettempdir())) > LONGEST_TMPDIR:
            start_method = "spawn"
    return multiprocessing.get_context(start_method)


@contextmanager
def _safe_path_set() -> Iterator[None]:
    """Keep new interpreters from importing from the current directory.

    This includes the fork server and the resource tracker of ``multiprocessing``. Its warning about
    a killed tracker is hidden: this package leaves nothing to the tracker.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "resource_tracker: process died", UserWarning)
            resource_tracker.ensure_running()  # before signals are blocked: it unblocks them
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
