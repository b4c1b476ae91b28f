"""Find the function of a job in a plain file: ``PATH`` or ``PATH:FUNCTION``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from mapreduce.cli.registry import Factory
from mapreduce.errors import UsageError, printable
from mapreduce.job import Job
from mapreduce.job_files import load_file

_WITH_FUNCTION: Final = re.compile(r"(.+):([^\W\d]\w*)", re.DOTALL)


def find_in_file(where: str) -> Factory:
    """Return the function that ``where`` names, or the only one of the file that makes a job.

    Raises ``UsageError`` if there is no such file or function, if the file cannot be run, or if
    several functions may be meant.
    """
    path, name = _split(where)
    module = load_file(path)
    if name:
        return _named(path, name, module)
    found = dict(_factories(module, named=Path(path).stem))
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise UsageError(
            f"{printable(path)}: several functions make a job; name one: "
            f"{', '.join(printable(f'{path}:{one}') for one in found)}"
        )
    raise UsageError(
        f"{printable(path)}: no function is annotated to return a Job, as in "
        f"def {_as_name(path)}() -> KeyCount; if there is one, name it: {printable(path)}:FUNCTION"
    )


def _split(where: str) -> tuple[str, str]:
    """Cut ``PATH:FUNCTION``; a file whose own name looks like that is meant as it is."""
    found = _WITH_FUNCTION.fullmatch(where)
    return (where, "") if found is None or Path(where).exists() else (found[1], found[2])


def _named(path: str, name: str, module: ModuleType) -> Factory:
    made: Any = getattr(module, name, None)
    if callable(made):
        return made  # type: ignore[no-any-return]
    others = sorted(found for found, _factory in _factories(module, named=Path(path).stem))
    hint = f"; it has {', '.join(others)}" if others else ""
    what = "there is no function" if made is None else "is no function:"
    raise UsageError(f"{printable(path)}: {what} {name}{hint}")


def _factories(module: ModuleType, *, named: str) -> Iterator[tuple[str, Factory]]:
    """Yield the public functions of a file that are annotated to return a job, or named like it."""
    for name, value in vars(module).items():
        own = inspect.isfunction(value) and value.__module__ == module.__name__
        own = own and value.__name__ == name  # a second name makes no second job
        if own and not name.startswith("_") and (name == named or _returns_job(value)):
            yield name, value


def _returns_job(function: Factory) -> bool:
    try:
        returned = inspect.get_annotations(function, eval_str=True).get("return")
    except Exception:  # noqa: BLE001 - an annotation may be any code; then it must be named
        return False
    return isinstance(returned, type) and issubclass(returned, Job)


def _as_name(path: str) -> str:
    """Return the name that a function of the file might have."""
    stem = Path(path).stem
    return stem if stem.isidentifier() else "job"
