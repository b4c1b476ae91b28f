"""What can go wrong, and whose fault it is: the class says it, and so does the exit code."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import ClassVar


class MapReduceError(Exception):
    """The base of every error that this package raises on purpose; its text is one clear line."""

    exit_code: ClassVar[int] = 1


class UsageError(MapReduceError):
    """The caller named something that cannot work; found before any mapper started."""

    exit_code = 2


class InputError(MapReduceError):
    """An input changed, vanished or could not be read while it was being counted."""


class OutputError(MapReduceError):
    """The results could not be written; what was there before is still there."""


class LimitError(MapReduceError):
    """More distinct keys than there is memory for, or than the caller had allowed."""

    @classmethod
    def of_keys(cls, where: str, max_keys: int) -> LimitError:
        return cls(
            f"{where}: more than {max_keys:,} distinct keys; count fewer fields, "
            "or allow more with --max-keys"
        )

    @classmethod
    def of_memory(cls, where: str) -> LimitError:
        return cls(
            f"{where}: not enough memory for so many distinct keys; count fewer fields, or use "
            "fewer workers, each of which holds its own"
        )


class MalformedError(MapReduceError):
    """There are more malformed lines than the caller had allowed; ``rejects`` has the first."""

    def __init__(
        self, malformed: int, lines: int, allowed: str, rejects: Sequence[object], written: str
    ) -> None:
        super().__init__(malformed, lines, allowed, rejects, written)
        self.malformed, self.rejects = malformed, rejects
        self._lines, self._allowed, self._written = lines, allowed, written

    def __str__(self) -> str:
        return (
            f"{self.malformed:,} malformed of {self._lines:,} lines, "
            f"more than {self._allowed} allows: {self._written} was written"
        )


class ConservationError(MapReduceError):
    """Lines were lost or counted twice: a defect of this program or of the job."""


class TaskError(MapReduceError):
    """The job's own code raised; the text is one clear line, then the traceback from its worker."""

    @classmethod
    def of(cls, where: str, error: BaseException) -> TaskError:
        """Return what ``error``, raised by a job's code ``where`` it was, is reported as."""
        lines = traceback.format_exception_only(error)
        summary = next(line for line in lines if not line.startswith(" ")).strip()
        trace = "".join(traceback.format_exception(error)).rstrip()
        return cls(f"{where}: the job failed: {summary}\n{trace}")


class WorkerLostError(MapReduceError):
    """One task killed every worker that was given it."""


class Stopped(MapReduceError):  # noqa: N818 - not a fault
    """A signal asked the run to stop; ``exit_code`` follows the shell's 128 + signal number."""

    def __init__(self, signum: int, name: str) -> None:
        super().__init__(signum, name)
        self.exit_code = 128 + signum  # type: ignore[misc]
        self.name = name

    def __str__(self) -> str:
        return f"stopped by {self.name}; nothing was written"


def printable(text: str) -> str:
    """Return text of any origin with everything that could steer a terminal escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
