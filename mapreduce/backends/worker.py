"""The code that runs in a worker of the Pool: it runs one call after the other and answers each.

A call is sent in parts: first the number of results that follow, then the pickled (function,
arguments, positions), then one pickled result of an earlier call for each position among the
arguments. The worker receives all parts before it does anything else, so that parent and worker
never both wait for the other to read.

While a call runs, the worker may send its progress: the byte ``REPORT`` and a number of eight
bytes. An answer is the byte ``RESULT`` or ``ERROR`` and the pickled result or exception. Whatever
the job's code raises is answered, even ``SystemExit``. An exception that cannot be pickled is
answered as a ``TaskError`` with its traceback.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

from mapreduce.backends.report import listening
from mapreduce.errors import MapReduceError, TaskError

SIGNALS: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
SAFE_PATH: Final = "PYTHONSAFEPATH"
RESULT: Final = b"+"
ERROR: Final = b"-"
REPORT: Final = b"."


def work(
    connection: Connection, inherited: Iterable[Connection], safe_path: str | None = None
) -> None:
    """Run one call after the other until the parent closes the pipe or ends.

    ``inherited`` are the parent's ends of all pipes. ``safe_path`` is the value of
    ``PYTHONSAFEPATH`` to restore: the parent changes it while it starts workers.
    """
    for signum in SIGNALS - {signal.SIGTERM}:
        signal.signal(
            signum, signal.SIG_IGN
        )  # a terminal signals all processes, but only the parent reacts
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for other in inherited:
        other.close()  # so that the pipe has an end of file when the parent ends
    set_variable(SAFE_PATH, safe_path)

    def tell(number: int) -> None:
        connection.send_bytes(REPORT + number.to_bytes(8))

    try:
        while True:
            parts = _receive(connection)
            with listening(tell):
                answer = _answer(parts)
            connection.send_bytes(answer)
    except (EOFError, OSError):
        os._exit(0)


def set_variable(name: str, value: str | None) -> None:
    """Set an environment variable, or remove it if ``value`` is ``None``."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def send(connection: Connection, call: bytes, answers: Sequence[bytes]) -> None:
    """Send a call from ``packed_call`` to a worker, then the answers that its arguments need."""
    connection.send_bytes(len(answers).to_bytes(2))
    connection.send_bytes(call)
    for answer in answers:
        connection.send_bytes(answer, len(RESULT))


def packed_call(
    function: Callable[..., Any], arguments: Sequence[Any], positions: Sequence[int]
) -> bytes:
    """Return a call as bytes, without the arguments at ``positions``: they are sent after it."""
    rest = [None if n in positions else argument for n, argument in enumerate(arguments)]
    return bytes(ForkingPickler.dumps((function, rest, positions)))


def result_of(answer: bytes) -> Any:
    """Return the result in a worker's answer, or raise the error in it."""
    try:
        value = ForkingPickler.loads(memoryview(answer)[len(RESULT) :])
    except (Exception, SystemExit) as failure:
        raise TaskError.of("in a result that cannot be unpickled", failure) from failure
    if answer.startswith(ERROR):
        raise value
    return value


def _receive(connection: Connection) -> list[bytes]:
    number = int.from_bytes(connection.recv_bytes())
    return [connection.recv_bytes() for _ in range(number + 1)]


def _answer(parts: list[bytes]) -> bytes:
    """Run a call; return its result or whatever it raises, even SystemExit, as an answer."""
    try:
        function, arguments, positions = ForkingPickler.loads(parts[0])
        while positions:
            arguments[positions.pop()] = ForkingPickler.loads(parts.pop())
        return RESULT + ForkingPickler.dumps(function(*arguments))
    except MapReduceError as error:
        with suppress(Exception):  # an error that cannot be pickled both ways becomes a TaskError
            answer = ERROR + ForkingPickler.dumps(error)
            ForkingPickler.loads(answer[len(ERROR) :])
            return answer
        return _task_error_answer(error)
    except BaseException as error:  # noqa: BLE001 - reported, not swallowed
        return _task_error_answer(error)


def _task_error_answer(error: BaseException) -> bytes:
    return ERROR + ForkingPickler.dumps(TaskError.of("in a worker", error))
