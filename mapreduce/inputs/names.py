"""From what the user named to the paths of files: directories, patterns and lists are opened up.

What is found is sorted and named once, so that no result depends on the order of a listing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from typing import Final, Protocol

from mapreduce.errors import UsageError, printable
from mapreduce.inputs.lists import LIST, read_list
from mapreduce.inputs.stores import store_of
from mapreduce.inputs.tree import MayHold, Tree

STDIN: Final = "-"


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


@dataclass(frozen=True, slots=True)
class Expanded:
    """The paths of all inputs, each once, sorted by their bytes.

    ``named`` are those that the user named, each with the line of the list that names it, or an
    empty text; the others were found in directories or by patterns. ``special`` are the FIFOs,
    sockets and devices that were met there and left out.
    """

    paths: Sequence[str]
    named: Mapping[str, str]
    special: Sequence[str]


def expand(names: Sequence[str], selector: Selector | None = None) -> Expanded:
    """Find the files that are named.

    ``-`` is standard input. ``@FILE`` holds more names, one a line. A directory stands for all
    files below it, except for hidden ones and those whose name begins with ``_``, as in Hadoop; the
    same holds for what ``*``, ``?``, ``[...]`` and ``**`` match. ``s3://BUCKET/PREFIX/`` is a
    directory, too, and what is found below it is a ``Remote``. Files that the ``selector`` does not
    hold are left out. Raises ``UsageError`` for what holds or matches no file.
    """
    paths, named, special = set[str](), dict[str, str](), list[str]()
    may_hold = selector.may_hold if selector and selector.prunes else None
    for name, where in _opened(names):
        try:
            below = _below(name, may_hold, special)
        except UsageError as error:
            raise blamed_on(where, error) from error
        if below is None:
            named.setdefault(name, where)
        paths.update([name] if below is None else below)
    wanted = [path for path in paths if selector is None or selector.holds(path)]
    if selector is not None and not wanted and (paths or (names and selector.prunes)):
        raise UsageError(selector.nothing_left)
    return Expanded(sorted(wanted, key=os.fsencode), named, sorted(special))


def _opened(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name and where in a list it stands, if it does. A list in a list is a file."""
    for name in names:
        if name.startswith(LIST):
            yield from read_list(name[len(LIST) :])
        else:
            yield name, ""


def blamed_on(where: str | None, error: UsageError) -> UsageError:
    """Return an error that says, too, in which line of a list the input is named."""
    return UsageError(f"{where}: {error}") if where else error


def _below(name: str, may_hold: MayHold | None, special: list[str]) -> list[str] | None:
    """Return the files that a name stands for, or ``None`` if it is the name of a file itself."""
    if store := store_of(name):
        return _some([*store.find(name, may_hold)], f"{printable(name)}: holds no object", may_hold)
    if not name:
        raise UsageError("the name of an input is empty")
    if name == STDIN or "\0" in name:
        return None
    tree, is_directory = Tree(may_hold), os.path.isdir(name)  # noqa: PTH112 - Paths are slow
    if not is_directory and not (has_magic(name) and not os.path.lexists(name)):
        return None
    found = [*(tree.walk(name) if is_directory else tree.match(name))]
    special += tree.special
    kind = "file but FIFOs, sockets or devices; name them themselves" if tree.special else "file"
    verb = "holds" if is_directory else "matches"
    return _some(found, f"{printable(name)}: {verb} no {kind}", may_hold)


def _some(files: list[str], otherwise: str, may_hold: MayHold | None) -> list[str]:
    """Return files; raise ``UsageError`` if there are none, unless directories were passed over."""
    if not files and may_hold is None:
        raise UsageError(otherwise)
    return files
