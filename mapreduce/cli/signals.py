"""Stop a run cleanly on SIGINT, SIGTERM, SIGHUP or SIGQUIT.

The handlers only record the signal; the run checks for it at least ten times a second. An exception
raised by a handler could strike between any two instructions and leak a file that was just opened.
So a handler raises only where nothing can leak and the program may block.

In an inline run a signal raises ``KeyboardInterrupt`` while lines are counted, because the job's
code may never end, or wait at the prompt of a debugger, which expects this exception.

A signal that was ignored when the program started stays ignored. So ``nohup`` keeps a run alive
when its terminal closes, and a shell protects its background jobs from Ctrl-C.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class StopRequest:
    """Records whether a signal has asked the program to stop."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._raises = self._interrupts = False

    def take_over(self) -> None:
        """Install the handlers."""
        for signum in SIGNALS:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self._receive)

    def let_go(self) -> None:
        """Ignore signals from now on: the work is done, and the exit must not be disturbed."""
        for signum in SIGNALS:
            signal.signal(signum, signal.SIG_IGN)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise ``Stopped`` as soon as a signal arrives, even during a blocking read."""
        self._raises = True
        self.check()
        try:
            yield
        finally:
            self._raises = False

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let each signal raise ``KeyboardInterrupt`` at once; SIGINT does nothing but that.

        The block must hold nothing that would be left half done.
        """
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    def check(self) -> None:
        """Raise ``Stopped`` if a signal has arrived."""
        if self._received is not None:
            from mapreduce.errors import Stopped  # noqa: PLC0415 - the handlers come first

            raise Stopped(self._received, self._received.name)

    def _receive(self, signum: int, _frame: FrameType | None) -> None:
        if self._received is None and not (self._interrupts and signum == signal.SIGINT):
            self._received = signal.Signals(signum)
            if self._raises:
                self.check()
        if self._interrupts:
            raise KeyboardInterrupt
