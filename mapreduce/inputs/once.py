"""Count a file once, however many paths lead to it, and two files twice.

One device and one inode number are no proof of one file: some network and FUSE file systems give
several files one number. What proves it is one real path, or several links to each of the two.
"""

from __future__ import annotations

import os
from collections.abc import Hashable

from mapreduce.inputs.names import STDIN


class Once:
    """Remembers the files that it has seen; ``twins`` are paths that share a number, no more."""

    def __init__(self) -> None:
        self.twins: list[str] = []
        self._first: dict[Hashable, str] = {}
        self._real: dict[Hashable, set[str]] = {}

    def is_new(self, path: str, identity: Hashable) -> bool:
        """Return whether no path that was seen leads to the same file; remember this one."""
        first = self._first.get(identity)
        if first is None:
            self._first[identity] = path
            return True
        known = self._real.setdefault(identity, {_real(first)})
        if _real(path) in known or (_has_links(first) and _has_links(path)):
            return False
        known.add(_real(path))
        if STDIN not in (first, path):
            self.twins.append(path)
        return True


def _real(path: str) -> str:
    return path if path == STDIN else os.path.realpath(path)


def _has_links(path: str) -> bool:
    return path != STDIN and os.stat(path).st_nlink > 1  # noqa: PTH116 - as fast as it may be
