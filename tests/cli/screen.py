"""What a person sees: a terminal of a few lines of Python, and a command that runs in one."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class Screen:
    """A terminal of so many columns, which knows only printable text and the ends of lines.

    As in a real one, the cursor stays in the last column until more text comes.
    """

    def __init__(self, columns: int) -> None:
        self._columns, self._row, self._column = columns, 0, 0
        self._rows: list[list[str]] = [[]]
        self._continued: set[int] = set()
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> None:
        for char in self._decoder.decode(data):
            if char == "\r":
                self._column = 0
            elif char == "\n":
                self._go_down()
            else:
                assert char.isprintable(), repr(char)
                self._put(char)

    def lines(self) -> list[str]:
        """Return what is to be seen; a line that did not fit in a row is one line."""
        found: list[str] = []
        for number, row in enumerate(self._rows):
            text = "".join(row)
            if number in self._continued:
                found[-1] += text
            else:
                found.append(text)
        return [line.rstrip() for line in found if line.strip()]

    def _put(self, char: str) -> None:
        if self._column == self._columns:
            self._go_down()
            self._column = 0
            self._continued.add(self._row)
        row = self._rows[self._row]
        row += " " * (self._column + 1 - len(row))
        row[self._column] = char
        self._column += 1

    def _go_down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append([])


class Terminal:
    """A command whose terminal this is, Ctrl-C included; ``seen`` is all that it has written."""

    def __init__(self, process: subprocess.Popen[bytes], handle: int, columns: int) -> None:
        self.process, self.seen = process, b""
        self._handle, self._screen = handle, Screen(columns)

    def type(self, data: bytes) -> None:
        os.write(self._handle, data)

    def read_until(self, pattern: bytes) -> None:
        """Read on until something is seen."""
        deadline = time.monotonic() + 20
        while not re.search(pattern, self.seen):
            assert self._read()
            assert time.monotonic() < deadline

    def finish(self) -> tuple[int, list[str]]:
        """Return the exit code, and the lines on the screen at the end."""
        while self._read():
            pass
        return self.process.wait(timeout=20), self._screen.lines()

    def _read(self) -> bytes:
        try:
            data = os.read(self._handle, 4096)
        except OSError:  # how Linux says that nobody else has the terminal any more
            return b""
        self._screen.feed(data)
        self.seen += data
        return data


@contextmanager
def terminal(command: Sequence[str], columns: int = 80, **options: Any) -> Iterator[Terminal]:
    """Run a command in a terminal of its own."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, **options}

    def take_terminal() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        command,
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509 - no other thread
        **streams,
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours, columns)
        finally:
            process.kill()
            os.close(ours)
