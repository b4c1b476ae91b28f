"""What can go wrong, and whose fault it is: the class says it, and so does the exit code."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

DISTRIBUTION: Final = "mapreduce-engine"
"""The name to install by; under the name ``mapreduce`` the package index has a stranger's code."""


class MapReduceError(Exception):
    """The base of every error that this package raises on purpose; its text is one clear line.

    The text names an option as the caller knows it: ``str`` as a keyword of ``run``, and
    ``for_command_line`` as an option of the command.
    """

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        return _NAMED.sub(lambda found: f"{found[1]}={found[2]}", self.text())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def for_command_line(self) -> str:
        """Return the text for somebody who has typed a command."""
        return _NAMED.sub(_as_typed, self.text())

    def text(self) -> str:
        """Return the text, in which ``named`` has marked the options."""
        return super().__str__()


_NAMED: Final = re.compile("\0(\\w+)=([^\0]*)\0")


def named(option: str, value: object = "") -> str:
    """Return how a message names an option, and its value if there is one.

    >>> str(UsageError(f"allow more with {named('max_keys')}"))
    'allow more with max_keys='
    >>> UsageError(f"{named('max_keys', 0)}: too few").for_command_line()
    '--max-keys 0: too few'
    """
    return f"\0{option}={value}\0"


def _as_typed(found: re.Match[str]) -> str:
    value = "" if found[2] in {"", "True"} else f" {found[2]}"
    return f"--{found[1].replace('_', '-')}{value}"


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
            f"or allow more with {named('max_keys')}"
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
    """Lines were lost or counted twice: a defect of this program or of the job."""


class JobError(MapReduceError):
    """The job returned something else than it had declared; nothing has been written."""


class TaskError(MapReduceError):
    """The job's own code raised; the text is one clear line that names the job's file and line.

    The traceback from the worker is a note of the exception.
    """

    @classmethod
    def of(cls, where: str, error: BaseException) -> TaskError:
        """Report what a job's code raised ``where`` the data was: a file and a byte."""
        lines = traceback.format_exception_only(error)
        summary = next(line for line in lines if not line.startswith(" ")).strip()
        frames = traceback.extract_tb(error.__traceback__)
        code = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
        failure = cls(f"{where}: the job failed{code}: {summary}")
        failure.add_note("".join(traceback.format_exception(error)).rstrip())
        return failure

    @property
    def trace(self) -> str:
        """The traceback from the worker."""
        return "\n".join(self.__notes__)


class WorkerLostError(MapReduceError):
    """One task killed every worker that was given it."""


class Stopped(MapReduceError):  # noqa: N818 - not a fault
    """A signal asked the run to stop; ``exit_code`` follows the shell's 128 + signal number."""

    def __init__(self, signum: int, name: str) -> None:
        super().__init__(signum, name)
        self.exit_code = 128 + signum  # type: ignore[misc]
        self.name = name

    def text(self) -> str:
        return f"stopped by {self.name}; nothing was written"


def printable(text: str) -> str:
    """Return text of any origin with everything that could steer a terminal escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def install_hint(extra: str) -> str:
    """Return the shell command that installs the packages of ``extra`` for this installation.

    The command names the place from which this package was installed: a checkout, a file, a
    repository or the package index. So it never installs the code of anybody else.
    """
    import shlex  # noqa: PLC0415 - only a failure needs it

    checkout = Path(__file__).parents[1]
    if (checkout / "pyproject.toml").is_file():
        what = ["--editable", f"{checkout}[{extra}]"]
    else:
        what = _requirements(extra)
    return printable(shlex.join([*_installer(), *what]))


def _installer() -> list[str]:
    """Return the beginning of a command that installs for the Python that runs now."""
    import shutil  # noqa: PLC0415 - only a failure needs it
    from importlib.machinery import PathFinder  # noqa: PLC0415

    # Not importlib.util.find_spec: to look for pip makes setuptools' import hook give way to it.
    if PathFinder.find_spec("pip") is None:  # uv makes such environments
        return ["uv", "pip", "install", "--python", sys.executable]
    on_path = Path(shutil.which("pip") or "/")
    if on_path.parent == Path(sys.executable).parent:
        return ["pip", "install"]
    return [sys.executable, "-m", "pip", "install"]


def _requirements(extra: str) -> list[str]:
    """Return what to install so that this installation gets the packages of ``extra``."""
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
    """Return whether a URL names a file or directory of this machine that is not there."""
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - only a failure needs it

    parts = urlsplit(url)
    return parts.scheme == "file" and not Path(unquote(parts.path)).exists()


def _locator(origin: Mapping[str, Any]) -> str:
    """Return what the standard for ``direct_url.json`` describes as pip takes it."""
    url: str = origin["url"]
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    subdirectory = origin.get("subdirectory")
    return f"{url}#subdirectory={subdirectory}" if subdirectory else url
