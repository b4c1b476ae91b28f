"""SIGINT and SIGTERM end a run at the next moment at which ending is clean.

While a run is going, the handlers only take a note; the run looks at it at least ten times a
second. An exception raised from a handler could strike between any two instructions, and leak
whatever had just been opened.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

from mapreduce.errors import Stopped

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody asked the program to stop."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._at_once = True

    def take_over(self) -> None:
        """Install the handlers; until ``defer`` is called they raise ``Stopped`` at once."""
        for signum in SIGNALS:
            signal.signal(signum, self._receive)

    def defer(self) -> None:
        """From now on only take a note: there are things that must be cleaned up."""
        self._at_once = False
        self.check()

    def check(self) -> None:
        """Raise ``Stopped`` if a signal has come."""
        if self._received is not None:
            raise Stopped(self._received, self._received.name)

    def _receive(self, signum: int, _frame: FrameType | None) -> None:
        self._received = signal.Signals(signum)
        if self._at_once:
            self.check()
