"""A backend that runs calls in this process, one by one, while the engine waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class Call:
    """A handle of a call, and later its result."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments
        self.result: Any = None

    def run(self) -> None:
        """Call the function, and drop its arguments so that their memory is freed."""
        arguments, self.arguments = self.arguments, ()
        self.result = self.function(*(_value(argument) for argument in arguments))


class ThisProcess:
    """Runs each call in the thread that calls ``wait``. See ``Backend``."""

    workers = capacity = 1
    sees_local_files = True

    def __init__(self) -> None:
        self._unfinished: deque[Call] = deque()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Call:
        """Queue the call; ``wait`` will run it."""
        call = Call(function, arguments)
        self._unfinished.append(call)
        return call

    def wait(self, _seconds: float, /) -> list[Call]:
        """Run the first call of the queue, however long it takes."""
        if not self._unfinished:
            return []
        call = self._unfinished.popleft()
        call.run()
        return [call]

    def fetch(self, call: Call, /) -> Any:
        """Return the result of a call."""
        return call.result

    def cancel(self) -> None:
        """Drop the calls that have not run yet."""
        self._unfinished.clear()


def _value(argument: Any) -> Any:
    return argument.result if isinstance(argument, Call) else argument
