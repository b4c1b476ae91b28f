"""Report the progress of a running call to the backend.

A function that a backend runs may call ``report`` as often as it likes. If the backend listens, it
is told at most four times a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PERIOD: Final = 0.25
"""The least number of seconds between two messages about one call."""


class _Listener:
    """Who is told about the running call, when next, and how much the call has done."""

    def __init__(self, tell: Callable[[int], object], due: float) -> None:
        self.tell, self.due, self.done = tell, due, 0


_listener: _Listener | None = None


def report(number: int) -> None:
    """Report that the running call has done ``number`` more units of its work, such as bytes."""
    listener = _listener
    if listener is None:
        return
    listener.done += number
    now = time.monotonic()
    if now >= listener.due:
        listener.due = now + PERIOD
        listener.tell(listener.done)


@contextmanager
def listening(tell: Callable[[int], object]) -> Iterator[None]:
    """Within the block, call ``tell`` now and then with the sum of all reports in this process."""
    global _listener  # noqa: PLW0603 - ``report`` has no other way to the backend
    before = _listener
    _listener = _Listener(tell, time.monotonic() + PERIOD)
    try:
        yield
    finally:
        _listener = before
