"""From what the user named to the paths of files: directories, patterns and lists are opened up.

What is found is sorted and named once, so that no result depends on the order of a listing.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from mapreduce.errors import UsageError, printable
from mapreduce.inputs.stores import store_of

STDIN: Final = "-"
LIST: Final = "@"
SCHEME: Final = "s3://"
"""How the URL of an object begins."""


class Selector(Protocol):
    """Chooses inputs by their paths; any job may have one."""

    @property
    def prunes(self) -> bool:
        """Whether ``may_hold`` is ever false, so that it pays to ask about each directory."""

    @property
    def nothing_left(self) -> str:
        """What to say if no input is left."""

    def holds(self, path: str, /) -> bool:
        """Return whether a file is counted."""

    def may_hold(self, prefix: str, /) -> bool:
        """Return whether a file below a directory, whose path ends with ``/``, may be counted."""


def expand(names: Iterable[str | os.PathLike[str]], selector: Selector | None = None) -> list[str]:
    """Return the paths of all files that are named, each once, sorted by their bytes.

    ``-`` is standard input. ``@FILE`` holds more names, one a line. A directory stands for all
    files below it, except for hidden ones and those whose name begins with ``_``, as in Hadoop; the
    same holds for what ``*``, ``?``, ``[...]`` and ``**`` match. ``s3://BUCKET/PREFIX/`` is a
    directory, too, and what is found below it is a ``Remote``. Files that the ``selector`` does not
    hold are left out. Raises ``UsageError`` for what holds or matches no file.
    """
    found: set[str] = set()
    given = [os.fspath(name) for name in names]
    for name in given:
        listed = _listed(name[1:]) if name.startswith(LIST) else [name]
        for one in listed:
            found.update(_files(one, selector))
    wanted = [path for path in found if selector is None or selector.holds(path)]
    if selector is not None and not wanted and (found or (given and selector.prunes)):
        raise UsageError(selector.nothing_left)
    return sorted(wanted, key=os.fsencode)


def is_shown(name: str) -> bool:
    """Return whether a file or directory of this name is found in a directory."""
    return not name.startswith((".", "_"))


def _listed(path: str) -> Iterator[str]:
    """Yield the names in a list; empty lines are none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            yield from filter(None, (line.rstrip("\r\n") for line in file))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise UsageError(f"{LIST}{printable(path)}: {reason}") from error


def _files(name: str, selector: Selector | None) -> Iterable[str]:
    pruner = selector if selector and selector.prunes else None
    if store := store_of(name):
        found = store.find(name, pruner.may_hold if pruner else None)
        return _some(found, f"{printable(name)}: holds no object", pruner)
    if name == STDIN or "\0" in name:
        return [name]
    if os.path.isdir(name):  # noqa: PTH112 - a hundred thousand Paths cost a second
        return _some(_walk(name, pruner), f"{printable(name)}: holds no file", pruner)
    if glob.has_magic(name) and not os.path.lexists(name):
        return _some(_match(name, pruner), f"{printable(name)}: matches no file", pruner)
    return [name]


def _some(files: Iterable[str], otherwise: str, pruner: Selector | None) -> list[str]:
    found = list(files)
    if not found and pruner is None:
        raise UsageError(otherwise)
    return found


def _match(pattern: str, pruner: Selector | None) -> Iterator[str]:
    named = pattern.split("/")
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207
        parts = [part for part in path.split("/") if part.startswith("_") and part not in named]
        if parts and not (named[-1].startswith("_") and parts == path.split("/")[-1:]):
            continue
        if not os.path.isdir(path):  # noqa: PTH112
            yield path
        elif named[-1] != "**":  # which matches what is below it, too
            yield from _walk(path, pruner)


def _walk(directory: str, pruner: Selector | None) -> Iterator[str]:
    """Yield the files below a directory; links to directories are not followed.

    A directory in which the ``pruner`` may hold nothing is not looked into.
    """
    try:
        with os.scandir(directory) as entries:
            below = [entry for entry in entries if is_shown(entry.name)]
    except OSError as error:
        raise UsageError(f"{printable(directory)}: {error.strerror}") from error
    for entry in below:
        if entry.is_dir(follow_symlinks=False):
            if pruner is None or pruner.may_hold(f"{entry.path}/"):
                yield from _walk(entry.path, pruner)
        elif not entry.is_dir():
            yield entry.path
