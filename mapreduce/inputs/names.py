"""From what the user named to the paths of files: directories, patterns and lists are opened up.

What is found is sorted and named once, so that no result depends on the order of a listing.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from typing import Final

from mapreduce.errors import UsageError, printable
from mapreduce.inputs.delivery import ANYTHING, SCHEME, Selection

STDIN: Final = "-"
LIST: Final = "@"


def expand(names: Iterable[str | os.PathLike[str]], selection: Selection = ANYTHING) -> list[str]:
    """Return the paths of all files that are named, each once, sorted by their bytes.

    ``-`` is standard input. ``@FILE`` holds more names, one a line. Of a directory all files below
    it are meant, but for hidden ones and those whose name begins with ``_``, as Hadoop leaves them
    out; so it is for what ``*``, ``?``, ``[...]`` and ``**`` match. ``s3://BUCKET/PREFIX/`` is a
    directory, too, and what is found below it is a ``Remote``. Only what the ``selection`` holds.
    Raises ``UsageError`` for what holds or matches no file.
    """
    found: set[str] = set()
    for name in [os.fspath(name) for name in names]:
        listed = _listed(name[1:]) if name.startswith(LIST) else [name]
        for one in listed:
            found.update(_files(one, selection))
    wanted = [path for path in found if selection == ANYTHING or selection.holds(path)]
    if selection != ANYTHING and not wanted:
        raise UsageError("none of the inputs is of this time, account and region")
    return sorted(wanted, key=os.fsencode)


def _listed(path: str) -> Iterator[str]:
    """Yield the names in a list; empty lines are none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            yield from filter(None, (line.rstrip("\r\n") for line in file))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise UsageError(f"{LIST}{printable(path)}: {reason}") from error


def _files(name: str, selection: Selection) -> Iterable[str]:
    if name.startswith(SCHEME):
        from mapreduce.inputs.s3 import list_objects  # noqa: PLC0415 - costs a small run 2 ms

        found = list_objects(name, None if selection == ANYTHING else selection.may_hold)
        return _some(found, f"{printable(name)}: holds no object", selection)
    if name == STDIN or "\0" in name:
        return [name]
    if os.path.isdir(name):  # noqa: PTH112 - a hundred thousand Paths cost a second
        return _some(_walk(name, selection), f"{printable(name)}: holds no file", selection)
    if glob.has_magic(name) and not os.path.lexists(name):
        return _some(_match(name, selection), f"{printable(name)}: matches no file", selection)
    return [name]


def _some(files: Iterable[str], otherwise: str, selection: Selection) -> list[str]:
    found = list(files)
    if not found and selection == ANYTHING:
        raise UsageError(otherwise)
    return found


def _match(pattern: str, selection: Selection) -> Iterator[str]:
    named = pattern.split("/")
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207
        parts = [part for part in path.split("/") if part.startswith("_") and part not in named]
        if parts and not (named[-1].startswith("_") and parts == path.split("/")[-1:]):
            continue
        if not os.path.isdir(path):  # noqa: PTH112
            yield path
        elif named[-1] != "**":  # which matches what is below it, too
            yield from _walk(path, selection)


def _walk(directory: str, selection: Selection) -> Iterator[str]:
    """Yield the files below a directory; links to directories are not followed.

    A directory that holds nothing of the selection is not looked into.
    """
    try:
        with os.scandir(directory) as entries:
            below = [entry for entry in entries if not entry.name.startswith((".", "_"))]
    except OSError as error:
        raise UsageError(f"{printable(directory)}: {error.strerror}") from error
    for entry in below:
        if entry.is_dir(follow_symlinks=False):
            if selection == ANYTHING or selection.may_hold(f"{entry.path}/"):
                yield from _walk(entry.path, selection)
        elif not entry.is_dir():
            yield entry.path
