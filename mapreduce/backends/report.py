"""How a running call tells the backend how much of its work it has done.

A function that a backend runs may call ``report`` as often as it likes. Nothing happens unless the
backend listens, and the backend hears of it no more than four times a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

PERIOD: Final = 0.25
"""Seconds between two reports of one call at least."""


@dataclass(slots=True)
class _Listener:
    """Who is told of the running call, when the next time, and how much the call has done."""

    tell: Callable[[int], object]
    due: float
    done: int = 0


_listener: _Listener | None = None


def report(number: int) -> None:
    """Say that the running call has done so much more of its work, in any unit."""
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
    """Call ``tell`` now and then with the sum of what is reported meanwhile in this process."""
    global _listener  # noqa: PLW0603 - a function knows nothing of the backend that runs it
    before = _listener
    _listener = _Listener(tell, time.monotonic() + PERIOD)
    try:
        yield
    finally:
        _listener = before
