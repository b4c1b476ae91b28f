"""From what the user named to Sources: everything that can be refused before work is refused here.

A Source has a store, which knows where its bytes are, and a format, which knows what they are.
"""

from __future__ import annotations

import os
from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from mapreduce.errors import UsageError, printable
from mapreduce.formats.format import Format, Head
from mapreduce.formats.table import TEXT, find_format
from mapreduce.inputs.local import Files
from mapreduce.inputs.names import STDIN, Expanded, Selector, blamed_on, expand
from mapreduce.inputs.once import Once
from mapreduce.inputs.own import own_among
from mapreduce.inputs.stores import Found, Store, store_of
from mapreduce.options import Tick

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

FILES: Final = Files()
SHOWN: Final = 3
"""Files that a note names; of more it says how many they are."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input: its path (``-`` for standard input), its store and its format.

    ``index`` is its place in the order of the inputs; ``size`` is in bytes, ``None`` for a stream;
    ``identity`` is what told it from others when it was found; ``mtime`` is in nanoseconds since
    1970; its lines begin at byte ``start``. ``line`` is the first one, if it is known. ``mapper``
    counts it, where it is not the job's.
    """

    index: int
    path: str
    size: int | None
    store: Store = FILES
    identity: object = None
    mtime: int = 0
    format: Format = TEXT
    start: int = 0
    line: bytes | None = None
    mapper: Mapper | None = None

    @property
    def name(self) -> str:
        """The path as it may be shown on a terminal, control characters escaped."""
        return "standard input" if self.path == STDIN else printable(self.path)

    @property
    def cost(self) -> int | None:
        """How many bytes of plain text would take as long, ``None`` for a stream."""
        return None if self.size is None else self.size * self.format.cost

    @property
    def file(self) -> Hashable:
        """What is equal for two paths if they may lead to one file."""
        return (self.store, self.identity if self.store == FILES else self.path)

    @property
    def is_local(self) -> bool:
        """Whether only this machine is sure to have it."""
        return self.store == FILES

    def open(self, stop: int | None = None, tick: Tick | None = None) -> BinaryIO:
        """Open for unbuffered reading; see ``Store.open``."""
        return self.store.open(self, stop, tick)


Inputs: TypeAlias = str | os.PathLike[str] | Source | Iterable[str | os.PathLike[str] | Source]
"""One input or several: what the user names, or what was found before."""


class Sources(list[Source]):
    """The inputs of a run, and ``notes``: what one should know of how they were found."""

    def __init__(self, sources: Iterable[Source], notes: Iterable[str] = ()) -> None:
        super().__init__(sources)
        self.notes = [*notes]


def find_sources(
    inputs: Inputs, selector: Selector | None = None, *, without: Iterable[Path] = ()
) -> Sources:
    """Find the Source of each file that is named in any way (``names.expand``), sorted by path.

    A file that several paths lead to is one Source. A Source among the ``inputs`` is not looked for
    again; all are numbered anew. Files that the ``selector`` does not hold are left out, and so
    are our own files (``own``), ``without`` among them, unless the user names them. Raises
    ``UsageError`` for an input that cannot be read.
    """
    given = _checked(inputs)
    notes = [*inputs.notes] if isinstance(inputs, Sources) else []
    sources = [one for one in given if isinstance(one, Source)]
    if names := [one for one in given if isinstance(one, str)]:
        expanded = expand(names, selector)
        own = own_among([path for path in expanded.paths if path not in expanded.named], without)
        sources += _looked_at(expanded, {*own})
        sources.sort(key=lambda source: os.fsencode(source.path))
        notes += _left_out(own, "outputs of a run or files that the job was built from")
        notes += _left_out(expanded.special, "FIFOs, sockets or devices")
    once = Once()
    sources = [one for one in sources if once.is_new(one.path, one.file)]
    if once.twins:
        notes.append(f"counted, though with the inode number of another file: {few(once.twins)}")
    if not sources:
        raise UsageError(
            "; ".join(["no input: name one or more files, or - for standard input", *notes])
        )
    return Sources(map(_numbered, count(), sources), notes)


def _numbered(index: int, source: Source) -> Source:
    return source if source.index == index else replace(source, index=index)


def _checked(inputs: Inputs) -> list[str | Source]:
    """Return the inputs one by one; a path alone is one input. Raises ``UsageError``."""
    if isinstance(inputs, (str, bytes, os.PathLike, Source)):
        return [_path_or_source(inputs)]
    if not isinstance(inputs, Iterable) or hasattr(inputs, "read"):
        raise _no_path(inputs)
    return [*map(_path_or_source, inputs)]


def _path_or_source(one: object) -> str | Source:
    if isinstance(one, Source):
        return one
    path = os.fspath(one) if isinstance(one, (str, os.PathLike)) else None
    if not isinstance(path, str):
        raise _no_path(one)
    return path


def _no_path(one: object) -> UsageError:
    return UsageError(f"{printable(repr(one))} is no input: name paths, each as str or Path")


def _looked_at(expanded: Expanded, left_out: Container[str]) -> Iterator[Source]:
    """Look at each path by its store, which sees all neighbours of one store together."""
    paths = [path for path in expanded.paths if path not in left_out]
    index = count()
    for store, group in groupby(paths, lambda path: store_of(path) or FILES):
        together = [*group]
        looked = store.look_at(together)
        for path in together:
            try:
                yield _source(next(index), store, next(looked))
            except UsageError as error:
                raise blamed_on(expanded.named.get(path), error) from error


def _source(index: int, store: Store, found: Found) -> Source:
    """Return the Source of what was found; raise ``UsageError`` if its format cannot be read."""
    form, start, line = TEXT, 0, None
    if found.size:
        form, head = find_format(found.head), Head(found.head, len(found.head) == found.size)
        start, line = form.look(printable(found.path), head)
    identity = found.identity, found.mtime
    return Source(index, found.path, found.size, store, *identity, form, start, line)


def _left_out(paths: Sequence[str], what: str) -> Iterator[str]:
    if paths:
        yield f"left out {few(paths)}: {what}; to count one, name it itself"


def few(paths: Sequence[str]) -> str:
    """Return how many files these are, and the names of the first few."""
    more = ", ..." if len(paths) > SHOWN else ""
    number = "1 file" if len(paths) == 1 else f"{len(paths):,} files"
    return f"{number} ({', '.join(map(printable, paths[:SHOWN]))}{more})"


def growth(sources: Iterable[Source]) -> Iterator[str]:
    """Yield a line for each source that is longer now than when it was found."""
    for source in sources:
        if longer := source.store.growth(source):
            yield (
                f"{source.name}: grew by {longer:,} bytes while it was counted; "
                f"what it had at the start, {source.size:,} bytes, is counted"
            )
