"""Find jobs by name: those of ``mapreduce.jobs``, and those of other packages.

A job is registered as a factory function, whose signature defines its command line. Other packages
register jobs in the entry-point group ``mapreduce.jobs``. Their code is imported only when the job
is named, so that a broken job does not affect others.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from mapreduce.errors import UsageError, printable
from mapreduce.job import Job

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "mapreduce.jobs"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")

Factory = Callable[..., Job]


def find_job(name: str) -> Factory | None:
    """Return the factory of a job, or ``None`` for an unknown name.

    Raises ``UsageError`` if the job is known but its code cannot be loaded.
    """
    if not NAME.fullmatch(name):
        return None
    built_in = _built_in(name)
    if built_in is not None:
        return built_in
    points, faults = _plugins()
    for point in points:
        if point.name == name:
            return _load(point)
    if faults:
        raise UsageError(f"there is no job {name!r}, but {faults[0]}")
    return None


def list_jobs() -> Iterator[tuple[str, str]]:
    """Yield the name of every job and what it does or, for a plug-in, which package it is from."""
    names = [name for name, _summary in list_built_in()]
    yield from list_built_in()
    points, faults = _plugins()
    for point in sorted(points, key=lambda point: point.name):
        if point.name not in names and NAME.fullmatch(point.name):
            origin = point.dist and f"{point.dist.name} {point.dist.version}"
            yield point.name, f"from {origin or 'another package'} ({printable(point.value)})"
    yield from (("?", fault) for fault in faults)


def list_built_in() -> Iterator[tuple[str, str]]:
    """Yield the name of every job in this package and the first line of its description."""
    import pkgutil  # noqa: PLC0415 - only a list of the jobs needs it

    from mapreduce import jobs  # noqa: PLC0415 - the engine does not need them

    for module in sorted(pkgutil.iter_modules(jobs.__path__)):
        if factory := _built_in(module.name):
            yield module.name, (inspect.getdoc(factory) or "").partition("\n")[0]


def _built_in(name: str) -> Factory | None:
    """Return the function NAME of ``mapreduce.jobs.NAME``, without a search of metadata."""
    module_name = name.replace("-", "_")
    try:
        module = importlib.import_module(f"mapreduce.jobs.{module_name}")
    except ModuleNotFoundError as error:
        if error.name != f"mapreduce.jobs.{module_name}":
            raise
        return None
    factory: Any = getattr(module, module_name, None)
    return factory if callable(factory) else None


def _plugins() -> tuple[list[EntryPoint], list[str]]:
    """Return the jobs that other packages offer, and for which packages that cannot be told.

    The first one of several packages of one name is the one that is imported.
    """
    from importlib.metadata import distributions  # noqa: PLC0415 - costs more than a small run

    found: dict[str, list[EntryPoint]] = {}
    faults: list[str] = []
    for package in distributions():
        try:
            if points := [*package.entry_points.select(group=GROUP)]:
                found.setdefault(package.name, points)
        except (
            LookupError,
            OSError,
            ValueError,
        ) as error:  # somebody else's metadata may hold anything
            place = printable(str(package.locate_file("")))
            faults.append(f"the entry points of a package in {place} cannot be read: {error}")
    return [point for points in found.values() for point in points], faults


def _load(point: EntryPoint) -> Factory:
    try:
        factory: Factory = point.load()
        inspect.signature(factory)
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        raise UsageError(
            f"the job {point.name!r} ({point.value}) cannot be loaded: {error!r}"
        ) from error
    return factory
