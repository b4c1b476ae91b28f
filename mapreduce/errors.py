"""The errors of this package; the class and the exit code tell who has to correct something."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

DISTRIBUTION: Final = "mapreduce-engine"
"""The name by which to install this package; in the index, ``mapreduce`` is another package."""


class MapReduceError(Exception):
    """The base of every error that this package raises on purpose; its text is one clear line.

    ``str`` names an option as a keyword of ``run``; ``for_command_line`` names it as an option of
    the command.
    """

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        return _NAMED.sub(lambda found: f"{found[1]}={found[2]}", self.text())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def for_command_line(self) -> str:
        """Return the text for a user of the command line."""
        return _NAMED.sub(_as_typed, self.text())

    def text(self) -> str:
        """Return the text with options as ``named`` has marked them."""
        return super().__str__()


_NAMED: Final = re.compile("\0(\\w+)=([^\0]*)\0")


def named(option: str, value: object = "") -> str:
    """Mark the name of an option, and its value if given, for the text of a ``MapReduceError``.

    >>> str(UsageError(f"allow more with {named('max_keys')}"))
    'allow more with max_keys='
    >>> UsageError(f"{named('max_keys', 0)}: too few").for_command_line()
    '--max-keys 0: too few'
    """
    return f"\0{option}={value}\0"


def _as_typed(found: re.Match[str]) -> str:
    value = "" if found[2] in {"", "True"} else f" {found[2]}"
    return f"--{found[1].rstrip('_').replace('_', '-')}{value}"


class Malformed(ValueError):  # noqa: N818 - the field's term for such a line
    """Raised by a job's function to refuse the line that it was called for."""


class UsageError(MapReduceError):
    """An option or an input cannot work; this was found before any line was counted."""

    exit_code = 2


class InputError(MapReduceError):
    """An input changed, vanished or could not be read while it was being counted."""


class OutputError(MapReduceError):
    """The results could not be written; the files of earlier runs are unchanged."""


class LimitError(MapReduceError):
    """There are more distinct keys than memory can hold, or than the caller allowed."""

    @classmethod
    def of_keys(cls, where: str, max_keys: int) -> LimitError:
        return cls(
            f"{where}: more than {max_keys:,} distinct keys; count fewer fields, "
            f"or allow more with {named('max_keys')}"
        )

    @classmethod
    def of_memory(cls, where: str) -> LimitError:
        return cls(
            f"{where}: not enough memory for so many distinct keys; count fewer fields, or use "
            "fewer workers, each of which holds its own"
        )


class MalformedError(MapReduceError):
    """There are more malformed lines than the caller allowed; ``rejects`` has the first ones."""

    def __init__(
        self, malformed: int, lines: int, allowed: str, rejects: Sequence[Any], written: str
    ) -> None:
        super().__init__(malformed, lines, allowed, rejects, written)
        self.malformed, self.rejects = malformed, rejects
        self._lines, self._allowed, self._written = lines, allowed, written

    def text(self) -> str:
        return (
            f"{self.malformed:,} malformed of {self._lines:,} lines, "
            f"more than {self._allowed} allows: {self._written} was written"
        )


class NothingCountedError(MapReduceError):
    """No line was counted, and at least half of the lines are malformed.

    ``rejects`` has the first malformed lines.
    """

    def __init__(
        self, lines: int, malformed: int, advice: str, rejects: Sequence[Any], written: str
    ) -> None:
        super().__init__(lines, malformed, advice, rejects, written)
        self.malformed, self.rejects = malformed, rejects
        self._lines, self._advice, self._written = lines, advice, written

    def text(self) -> str:
        share = "all" if self.malformed == self._lines else f"{self.malformed:,}"
        return (
            f"none of {self._lines:,} lines could be counted: {share} are malformed, and "
            f"{self._written} was written.{self._advice}"
        )


class ConservationError(MapReduceError):
    """Lines were lost or counted twice: a bug in this program or in the job."""


class JobError(MapReduceError):
    """The job returned something other than it declared; nothing was written."""


class ReturnError(TypeError):
    """A ``function`` of the job returned what it must not return."""

    def __init__(self, text: str, function: Callable[..., object]) -> None:
        super().__init__(text)
        self.function = function

    @property
    def place(self) -> str:
        """Where the function begins, in words; empty if it is not written in Python."""
        function = getattr(self.function, "func", self.function)  # of a functools.partial
        code = getattr(function, "__code__", None)
        return f" in {code.co_filename}, line {code.co_firstlineno}" if code else ""


class TaskError(MapReduceError):
    """The code of the job raised an exception; the text names the file and line of that code.

    That is the innermost line of the job's own file, even if a library that it called has raised.
    The traceback from the worker is a note of this error.
    """

    @classmethod
    def of(cls, where: str, error: BaseException) -> TaskError:
        """Return the error for a job's exception; ``where`` is the file and byte of the data."""
        lines = traceback.format_exception_only(error)
        summary = next(line for line in lines if not line.startswith(" ")).strip()
        summary = str(error) if isinstance(error, ReturnError) else summary
        line = _job_line(traceback.extract_tb(error.__traceback__))
        code = f" in {line.filename}, line {line.lineno}" if line else ""
        code = error.place if isinstance(error, ReturnError) else code
        failure = cls(f"{where}: the job failed{code}: {_without_module(summary, error)}")
        trace = "".join(traceback.format_exception(error)).rstrip()
        failure.add_note(_without_module(trace, error))
        return failure

    @property
    def trace(self) -> str:
        """The traceback from the worker."""
        return "\n".join(self.__notes__)


def _job_line(frames: Sequence[traceback.FrameSummary]) -> traceback.FrameSummary | None:
    """Return the innermost line of the first file that is neither ours nor Python's importer."""
    own = str(Path(__file__).parent)
    jobs = f"{own}{os.sep}jobs{os.sep}"
    not_job = (f"{own}{os.sep}", "<frozen ")
    files = [frame.filename for frame in frames]
    of_job = [one for one in files if not one.startswith(not_job) or one.startswith(jobs)]
    wanted = (of_job or files[-1:])[:1]
    return next((frame for frame in reversed(frames) if frame.filename in wanted), None)


def _without_module(text: str, error: BaseException) -> str:
    """Leave out the module before the name of an exception's class: a line of its file is shown."""
    return re.sub(rf"^{re.escape(type(error).__module__)}\.", "", text, flags=re.MULTILINE)


class WorkerLostError(MapReduceError):
    """A task killed every worker that tried it."""


class Stopped(MapReduceError):  # noqa: N818 - not a fault
    """A signal asked the run to stop; ``exit_code`` is 128 + the signal number, as in a shell."""

    def __init__(self, signum: int, name: str) -> None:
        super().__init__(signum, name)
        self.exit_code = 128 + signum  # type: ignore[misc]
        self.name = name

    def text(self) -> str:
        return f"stopped by {self.name}; nothing was written"


def printable(text: str) -> str:
    """Return text with every character escaped that a terminal might obey."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def install_hint(extra: str) -> str:
    """Return the shell command that installs the packages of ``extra`` for this installation.

    The command names the place from which this package was installed (a checkout, a file, a
    repository or the package index), so that it never installs another project's code.
    """
    import shlex  # noqa: PLC0415 - only a failure needs it

    checkout = Path(__file__).parents[1]
    if (checkout / "pyproject.toml").is_file():
        what = ["--editable", f"{checkout}[{extra}]"]
    else:
        what = _requirements(extra)
    return printable(shlex.join([*_installer(), *what]))


def _installer() -> list[str]:
    """Return the beginning of a command that installs packages for this Python."""
    import shutil  # noqa: PLC0415 - only a failure needs it
    from importlib.machinery import PathFinder  # noqa: PLC0415

    # Not importlib.util.find_spec: looking for pip with it disables the import hook of setuptools.
    if PathFinder.find_spec("pip") is None:  # uv makes such environments
        return ["uv", "pip", "install", "--python", sys.executable]
    on_path = Path(shutil.which("pip") or "/")
    if on_path.parent == Path(sys.executable).parent:
        return ["pip", "install"]
    return [sys.executable, "-m", "pip", "install"]


def _requirements(extra: str) -> list[str]:
    """Return the requirements to install for ``extra``."""
    import json  # noqa: PLC0415 - only a failure needs it
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415

    with_extra = f"{DISTRIBUTION}[{extra}]"
    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return [with_extra]
    origin = json.loads(installed.read_text("direct_url.json") or "null")
    if origin is None:  # it came from the package index
        return [with_extra]
    if _is_gone(origin["url"]):
        marker = f'extra == "{extra}"'
        needed = [line.partition(";") for line in installed.requires or ()]
        return [name for name, _, when in needed if marker in when.replace("'", '"')]
    return [f"{with_extra} @ {_locator(origin)}"]


def _is_gone(url: str) -> bool:
    """Return whether a URL names a file or directory of this machine that no longer exists."""
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - only a failure needs it

    parts = urlsplit(url)
    return parts.scheme == "file" and not Path(unquote(parts.path)).exists()


def _locator(origin: Mapping[str, Any]) -> str:
    """Turn the content of ``direct_url.json`` into a URL that pip accepts."""
    url: str = origin["url"]
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    subdirectory = origin.get("subdirectory")
    return f"{url}#subdirectory={subdirectory}" if subdirectory else url
