"""The worker's side of the Pool: it runs one call after the other and answers each.

A call comes in parts: how many parts follow, then the pickled (function, arguments, positions),
then, for each position, the result of an earlier call that belongs at that position among the
arguments, as the bytes that its worker has pickled. All parts are received before anything else is
done, so that parent and worker never both wait for the other to read.

While a call runs, the worker may say how much it has reported: the byte ``REPORT``, then eight of
the number. An answer is one byte, ``RESULT`` or ``ERROR``, and then the pickled result or
exception. Whatever the job's code raises, even ``SystemExit``, is an answer; what cannot be pickled
is answered as a ``TaskError`` with its traceback.
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
    """Be a worker: run one call after the other until the parent closes the pipe or is gone.

    ``safe_path`` is what the parent has in its environment as ``PYTHONSAFEPATH``, which it changes
    while it starts workers.
    """
    for signum in SIGNALS - {signal.SIGTERM}:
        signal.signal(signum, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for other in inherited:
        other.close()  # so that an end of file means that the parent is gone
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
    """Set a variable of the environment, or remove it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def send(connection: Connection, call: bytes, answers: Sequence[bytes]) -> None:
    """Send a call to a worker: what ``packed_call`` returned, then the answers that it needs."""
    connection.send_bytes(len(answers).to_bytes(2))
    connection.send_bytes(call)
    for answer in answers:
        connection.send_bytes(answer, len(RESULT))


def packed_call(
    function: Callable[..., Any], arguments: Sequence[Any], positions: Sequence[int]
) -> bytes:
    """Return a call as bytes; the arguments at these positions are sent behind it."""
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
        with suppress(Exception):  # it must be picklable and unpicklable, or it is told as others
            answer = ERROR + ForkingPickler.dumps(error)
            ForkingPickler.loads(answer[len(ERROR) :])
            return answer
        return _told(error)
    except BaseException as error:  # noqa: BLE001 - reported, not swallowed
        return _told(error)


def _told(error: BaseException) -> bytes:
    return ERROR + ForkingPickler.dumps(TaskError.of("in a worker", error))
