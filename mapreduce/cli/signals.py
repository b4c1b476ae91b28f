"""SIGINT, SIGTERM, SIGHUP and SIGQUIT end a run at the next moment at which ending is clean.

The handlers only take a note; the run looks at it at least ten times a second. An exception raised
from a handler could strike between any two instructions, and leak whatever had just been opened. It
is raised only where there is nothing to leak and something to wait for.

A signal that was ignored when the program started stays ignored: so ``nohup`` keeps a run alive
when its terminal closes, and a shell keeps Ctrl-C from its background jobs.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class StopRequest:
    """Whether somebody asked the program to stop."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._raises = False

    def take_over(self) -> None:
        """Install the handlers."""
        for signum in SIGNALS:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self._receive)

    def let_go(self) -> None:
        """Ignore signals: all is done, and the interpreter's own end is not to be disturbed."""
        for signum in SIGNALS:
            signal.signal(signum, signal.SIG_IGN)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise ``Stopped`` as soon as a signal comes, even out of a read that blocks."""
        self._raises = True
        self.check()
        try:
            yield
        finally:
            self._raises = False

    def check(self) -> None:
        """Raise ``Stopped`` if a signal has come."""
        if self._received is not None:
            from mapreduce.errors import Stopped  # noqa: PLC0415 - the handlers come first

            raise Stopped(self._received, self._received.name)

    def _receive(self, signum: int, _frame: FrameType | None) -> None:
        if self._received is None:
            self._received = signal.Signals(signum)
            if self._raises:
                self.check()
