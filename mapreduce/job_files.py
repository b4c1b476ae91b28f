"""Load a job from a plain file, so that other processes find its functions, too.

A function is pickled as the name of its module and its own name, and whoever unpickles it imports
that module. So the name of a job file's module says where the file is and what stands in it:
``mapreduce.job_files.PATH@DIGEST``. To import it, a process imports this module first, and with it
the finder that reads such names. So it does not matter how a worker was started. If the file has
changed since, the import is refused: a run never mixes two versions of a job.

No other file is imported: the directory of the job file is not added to ``sys.path``.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import re
import stat
import sys
import traceback
from collections.abc import Sequence
from hashlib import blake2b
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

from mapreduce.errors import MapReduceError, UsageError, printable

PREFIX: Final = f"{__name__}."
__path__: list[str] = []  # without it, Python would import no module whose name begins so

_sources: dict[str, bytes] = {}
"""The sources that this process was given or has read, by the names of their modules."""


def load_file(path: str) -> ModuleType:
    """Run a job file as a module; the same file with the same content is run only once.

    Raises ``UsageError``, which names the line of the file, if it cannot be read or run. The
    traceback of its code is a note of the error.
    """
    own = os.path.abspath(path)  # noqa: PTH100 - a link stays a link
    source = _read(path)
    try:
        return load_source(own, source)
    except MapReduceError:
        raise
    except (Exception, SystemExit) as error:
        raise _not_loaded(path, own, error) from error


def load_source(path: str, source: bytes) -> ModuleType:
    """Run the content of a job file as a module. A process that cannot read the file calls this.

    Raises whatever the code raises.
    """
    name = _module_name(path, source)
    _sources[name] = source
    return importlib.import_module(name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of job files by their names alone."""

    @classmethod
    def find_spec(
        cls, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(PREFIX):
            return None
        loader = _Loader(name)
        return importlib.util.spec_from_file_location(name, loader.path, loader=loader)


class _Loader(importlib.abc.SourceLoader):
    """Loads one job file; it writes no compiled file beside it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.path = _path_in(name)

    def get_filename(self, _name: str) -> str:
        return self.path

    def get_data(self, path: str | bytes) -> bytes:
        if os.fspath(path) != self.path:
            raise FileNotFoundError(path)  # there is no compiled file
        source = _sources.get(self._name) or Path(self.path).read_bytes()
        if _module_name(self.path, source) != self._name:
            raise UsageError(
                f"{printable(self.path)}: the job has changed since the run began; run it again"
            )
        return source


def _read(path: str) -> bytes:
    file = Path(path)
    try:
        if stat.S_ISFIFO(file.stat().st_mode):
            raise UsageError(f"{printable(path)}: is a pipe, and workers must read the job, too")
        return file.read_bytes()
    except (OSError, ValueError) as error:  # a name may hold a null byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{printable(path)}: {reason}") from error


def _module_name(path: str, source: bytes) -> str:
    """Return the name of a job file's module; a dot would make it a name of several parts."""
    spelled = re.sub(rb"[^\w/-]", lambda found: b"%%%02x" % found[0][0], os.fsencode(path))
    return f"{PREFIX}{spelled.decode()}@{blake2b(source, digest_size=8).hexdigest()}"


def _path_in(name: str) -> str:
    spelled = name.removeprefix(PREFIX).rpartition("@")[0].encode()
    path = re.sub(rb"%(..)", lambda found: bytes.fromhex(found[1].decode()), spelled)
    return os.fsdecode(path)


def _not_loaded(path: str, own: str, error: BaseException) -> UsageError:
    """Return an error that says in one line what is wrong, and in which line of the file."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != own:
        trace = trace.tb_next
    lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == own]
    if isinstance(error, SyntaxError) and error.filename == own:
        lines = [error.lineno]
    where = f", line {lines[-1]}" if lines else ""
    what = traceback.format_exception_only(error)
    summary = next(line for line in what if not line.startswith(" ")).strip()
    failure = UsageError(printable(f"{path}{where}: {summary}{_remedy(own, error)}"))
    failure.add_note("".join(traceback.format_exception(type(error), error, trace)).rstrip())
    return failure


def _remedy(path: str, error: BaseException) -> str:
    """Say what to do if the job file imports a file beside it."""
    directory = Path(path).parent
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    beside = [directory / f"{missing}.py", directory / missing / "__init__.py"]
    if not missing or not any(file.exists() for file in beside):
        return ""
    return (
        f". Files beside a job file are not imported unless you say so: set PYTHONPATH={directory}"
    )


sys.meta_path.append(_Finder())
