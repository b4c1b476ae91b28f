"""Find files below directories and by patterns.

The user did not name these files one by one, so some are left out: names that begin with ``.`` or
``_`` (as in Hadoop), FIFOs, sockets and devices, and everything behind a link to a directory. A
directory that cannot be read is an error, because its files would be missing from every number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from glob import has_magic
from typing import TypeAlias

from mapreduce.errors import UsageError, printable

MayHold: TypeAlias = Callable[[str], bool]
"""Takes the path of a directory, with ``/`` at its end; returns whether to search it."""


def is_shown(name: str) -> bool:
    """Return whether a file or directory of this name is searched for, and not hidden."""
    return not name.startswith((".", "_"))


class Tree:
    """Finds files. ``special`` are the FIFOs, sockets and devices that it has left out."""

    def __init__(self, may_hold: MayHold | None = None) -> None:
        self.special: list[str] = []
        self._may_hold = may_hold
        self._walked: set[str] = set()

    def walk(self, directory: str) -> Iterator[str]:
        """Yield the files below a directory, except for directories that were walked before."""
        waiting = [directory]  # no recursion: Python stops at a depth of a thousand calls
        while waiting:
            path = waiting.pop()
            if path.rstrip("/") in self._walked:
                continue
            self._walked.add(path.rstrip("/"))
            for entry in filter(_is_entry_shown, _entries(path)):
                below = os.path.join(path, entry.name)  # noqa: PTH118 - a Path costs ten times more
                if not _is_directory(entry):
                    yield from self._regular(entry, below)
                elif not entry.is_symlink() and self._is_wanted(below):
                    waiting.append(below)

    def match(self, pattern: str) -> Iterator[str]:
        """Yield the files that match a pattern, and those below directories that match it.

        ``**`` stands for any number of directories. Only a part of the pattern that itself begins
        with ``.`` or ``_`` matches a name that begins with the same sign.
        """
        *parents, last = pattern.rstrip("/").split("/")
        directories = [""]
        for part in parents:
            directories = [*self._directories(directories, f"{part}/" if part else "/")]
        only_directories = pattern.endswith("/") or last == "**"
        if only_directories:
            directories = [*self._directories(directories, f"{last}/")]
        for directory in directories:
            if only_directories:
                yield from self.walk(directory)
            else:
                yield from self._matching(directory, last)

    def _directories(self, directories: list[str], part: str) -> Iterator[str]:
        """Yield the directories that a part of a pattern (with its ``/``) matches in these."""
        for directory in directories:
            if part == "**/":
                yield from self._all_below(directory)
            elif not has_magic(part):
                if os.path.isdir(below := directory + part):  # noqa: PTH112
                    yield below
            else:
                for entry in filter(_is_directory, _matching_entries(directory, part[:-1])):
                    if self._is_wanted(below := f"{directory}{entry.name}/"):
                        yield below

    def _all_below(self, directory: str) -> Iterator[str]:
        """Yield a directory and all directories below it."""
        waiting = [directory]
        while waiting:
            path = waiting.pop()
            yield path
            waiting += [
                below
                for entry in filter(_is_entry_shown, _entries(path))
                if entry.is_dir(follow_symlinks=False)
                if self._is_wanted(below := f"{path}{entry.name}/")
            ]

    def _matching(self, directory: str, part: str) -> Iterator[str]:
        """Yield the files that the last part of a pattern matches in a directory."""
        if not has_magic(part):
            path = directory + part
            if os.path.isdir(path):  # noqa: PTH112
                yield from self.walk(path)
            elif os.path.lexists(path):
                yield path
            return
        for entry in _matching_entries(directory, part):
            path = directory + entry.name
            if _is_directory(entry):
                yield from self.walk(path)
            else:
                yield from self._regular(entry, path)

    def _regular(self, entry: os.DirEntry[str], path: str) -> Iterator[str]:
        """Yield the path of a regular file or of a broken link. A broken link fails later."""
        if entry.is_file(follow_symlinks=False) or _is_file_or_missing(path):
            yield path
        else:
            self.special.append(path)

    def _is_wanted(self, directory: str) -> bool:
        return self._may_hold is None or self._may_hold(f"{directory.rstrip('/')}/")


def _is_entry_shown(entry: os.DirEntry[str]) -> bool:
    return is_shown(entry.name)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a broken link, or one whose target may not be read
        return False


def _is_file_or_missing(path: str) -> bool:
    return os.path.isfile(path) or not os.path.exists(path)  # noqa: PTH110, PTH113


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory or ".") as entries:
            return list(entries)
    except OSError as error:
        raise UsageError(f"{printable(directory or '.')}: {error.strerror}") from error


def _matching_entries(directory: str, part: str) -> Iterator[os.DirEntry[str]]:
    matches = re.compile(translate(part)).match
    for entry in _entries(directory):
        if matches(entry.name) and (is_shown(entry.name) or entry.name[0] == part[0]):
            yield entry
