"""Expand the names that the user gave: directories, patterns and lists become paths of files.

The paths are sorted and each appears once, so no result depends on the order of a listing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from mapreduce.errors import UsageError, printable
from mapreduce.inputs.stores import NO_LOGIN, Login, store_of

if TYPE_CHECKING:
    from mapreduce.inputs.tree import MayHold

STDIN: Final = "-"
LIST_PREFIX: Final = "@"
"""An input whose name begins with this sign is a list."""
_PATTERN_SIGNS: Final = frozenset("*?[")


class Selector(Protocol):
    """Chooses inputs by their paths. A job may have a selector."""

    @property
    def prunes(self) -> bool:
        """Whether ``may_hold`` can be false. If not, nobody calls it for each directory."""

    @property
    def nothing_left(self) -> str:
        """The error message if the selector leaves out every input."""

    def holds(self, path: str, /) -> bool:
        """Return whether the file of this path is counted."""

    def may_hold(self, prefix: str, /) -> bool:
        """Return whether any file below a directory may be counted; its path ends with ``/``."""


class Expanded(NamedTuple):
    """The paths of all inputs, each once, sorted by their bytes.

    ``named`` maps each path that the user named to the list and line that name it, or to an empty
    text if no list does. All other paths were found in directories or by patterns. ``special`` are
    the FIFOs, sockets and devices that were found in the same way and left out.
    """

    paths: Sequence[str]
    named: Mapping[str, str]
    special: Sequence[str]


def expand(
    names: Sequence[str], selector: Selector | None = None, login: Login = NO_LOGIN
) -> Expanded:
    """Return the paths of all files that these names stand for.

    ``-`` is standard input. ``@FILE`` holds more names, one on each line. A directory stands for
    all files below it, except for those whose names begin with ``.`` or ``_``, as in Hadoop. The
    same files are left out of what ``*``, ``?``, ``[...]`` and ``**`` match.
    ``s3://BUCKET/PREFIX/`` is a directory, too; each path found below it is a ``Remote``. Files
    that the ``selector`` does not hold are left out. Raises ``UsageError`` for a directory that
    holds no file and for a pattern that matches none.
    """
    paths, named, special = set[str](), dict[str, str](), list[str]()
    may_hold = selector.may_hold if selector and selector.prunes else None
    for name, where in _expand_lists(names):
        try:
            found = _find_files(name, may_hold, special, login)
        except UsageError as error:
            raise with_list_line(where, error) from error
        if found is None:
            named.setdefault(name, where)
        paths.update([name] if found is None else found)
    wanted = [path for path in paths if selector is None or selector.holds(path)]
    if selector is not None and not wanted and (paths or (names and selector.prunes)):
        raise UsageError(selector.nothing_left)
    return Expanded(sorted(wanted, key=os.fsencode), named, sorted(special))


def _expand_lists(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name, and the list and line it stands on (an empty text if it is in no list).

    A name in a list that begins with ``@`` is the name of a file, not of another list.
    """
    for name in names:
        if name.startswith(LIST_PREFIX):
            from mapreduce.inputs.lists import read_list  # noqa: PLC0415 - few runs have one

            yield from read_list(name[len(LIST_PREFIX) :])
        else:
            yield name, ""


def with_list_line(where: str | None, error: UsageError) -> UsageError:
    """Return the error, preceded by the list and line that name the input, if any."""
    return UsageError(f"{where}: {error}") if where else error


def _find_files(
    name: str, may_hold: MayHold | None, special: list[str], login: Login
) -> list[str] | None:
    """Return the files below a directory or matching a pattern, or ``None`` if it is neither."""
    if store := store_of(name, login):
        return _not_empty(
            [*store.find(name, may_hold)], f"{printable(name)}: holds no object", may_hold
        )
    if not name:
        raise UsageError(
            "the name of an input is empty; name a file, a directory, or - for standard input"
        )
    if name == STDIN or "\0" in name:
        return None
    is_directory = os.path.isdir(name)  # noqa: PTH112 - Paths are slow
    if not is_directory and (_PATTERN_SIGNS.isdisjoint(name) or os.path.lexists(name)):
        return None
    from mapreduce.inputs.tree import Tree  # noqa: PLC0415 - a run over named files needs none

    tree = Tree(may_hold)
    found = [*(tree.walk(name) if is_directory else tree.match(name))]
    special += tree.special
    kind = (
        "file, only FIFOs, sockets or devices; to count one, name it itself"
        if tree.special
        else "file"
    )
    verb = "holds" if is_directory else "matches"
    return _not_empty(found, f"{printable(name)}: {verb} no {kind}", may_hold)


def _not_empty(files: list[str], message: str, may_hold: MayHold | None) -> list[str]:
    """Return the files. Raise ``UsageError`` if there are none and no selector left any out."""
    if not files and may_hold is None:
        raise UsageError(message)
    return files
