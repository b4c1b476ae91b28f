"""The worker's side of the Pool: one task after the other, each answered with (error, value).

Whatever the job's code raises, even ``SystemExit``, is an answer; whatever cannot travel is told as
a ``TaskError`` with its traceback.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

from mapreduce.errors import MapReduceError, TaskError

SIGNALS: Final = {signal.SIGINT, signal.SIGTERM}


def work(
    connection: Connection,
    inherited: Iterable[Connection],
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
) -> None:
    """Be a worker: do one task after the other until the parent closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for other in inherited:
        other.close()  # so that an end of file means that the parent is gone
    failure = _failure(lambda: initializer(*initargs)) if initializer else None
    try:
        while True:
            message = connection.recv_bytes()
            connection.send_bytes(_answer(message) if failure is None else failure)
    except (EOFError, OSError):
        os._exit(0)


def _answer(message: bytes) -> bytes:
    """Run the task in a message; return the pickled (error, value)."""
    answer = b""

    def run() -> None:
        nonlocal answer
        function, argument = ForkingPickler.loads(message)
        answer = bytes(ForkingPickler.dumps((None, function(argument))))

    return _failure(run) or answer


def _failure(function: Callable[[], object]) -> bytes | None:
    """Call a function of the job; return whatever it raises, even SystemExit, as an answer."""
    try:
        function()
    except MapReduceError as error:
        with suppress(Exception):  # it must travel and arrive; if not, it is told as any other
            answer = bytes(ForkingPickler.dumps((error, None)))
            ForkingPickler.loads(answer)
            return answer
        return _told(error)
    except BaseException as error:  # noqa: BLE001 - reported, not swallowed
        return _told(error)
    return None


def _told(error: BaseException) -> bytes:
    return bytes(ForkingPickler.dumps((TaskError.of("in a worker", error), None)))
