"""Recognise a file that was already found by another path, so that it is counted once.

Two paths with the same device and inode number may still be two files: some network and FUSE file
systems give several files one inode number. They are one file if their real paths are equal, or if
both report more than one hard link.
"""

from __future__ import annotations

import os
from collections.abc import Hashable

from mapreduce.inputs.names import STDIN


class SeenFiles:
    """Remembers files. ``shared_inodes`` are distinct files with the inode number of another."""

    def __init__(self) -> None:
        self.shared_inodes: list[str] = []
        self._first: dict[Hashable, str] = {}
        self._real: dict[Hashable, set[str]] = {}

    def is_new(self, path: str, identity: Hashable) -> bool:
        """Remember a path; return whether no earlier path leads to the same file."""
        first = self._first.get(identity)
        if first is None:
            self._first[identity] = path
            return True
        known = self._real.setdefault(identity, {_real(first)})
        if _real(path) in known or (_has_links(first) and _has_links(path)):
            return False
        known.add(_real(path))
        if STDIN not in (first, path):
            self.shared_inodes.append(path)
        return True


def _real(path: str) -> str:
    return path if path == STDIN else os.path.realpath(path)


def _has_links(path: str) -> bool:
    return path != STDIN and os.stat(path).st_nlink > 1  # noqa: PTH116 - Paths are slow
