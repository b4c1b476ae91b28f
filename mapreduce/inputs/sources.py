"""Find the sources that the user named, and refuse those that cannot be read, before any work.

A source has a store, which knows how to open it, and a format, which knows how to read it.
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
from mapreduce.inputs.names import STDIN, Expanded, Selector, expand, with_list_line
from mapreduce.inputs.own_files import own_files
from mapreduce.inputs.seen_files import SeenFiles
from mapreduce.inputs.stores import NO_LOGIN, Found, Login, Store, store_of
from mapreduce.options import Tick

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

FILES: Final = Files()
SHOWN: Final = 3
"""Files that a note names; it only counts the others."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input: its path (``-`` for standard input), its store and its format.

    ``index`` numbers the sources of a run. ``size`` is in bytes, ``None`` for a stream.
    ``identity`` is a value that changes if the file is replaced. ``mtime`` is in nanoseconds since
    1970. The lines begin at byte ``start``. ``line`` is the first line, if it is known. ``mapper``
    counts the source, if the job has chosen one for it.
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
        """The number of bytes of plain text that take as long, or ``None`` for a stream."""
        return None if self.size is None else self.size * self.format.cost

    @property
    def file(self) -> Hashable:
        """A value that is equal for two sources that may be the same file."""
        return (self.store, self.identity if self.store == FILES else self.path)

    @property
    def is_local(self) -> bool:
        """Whether the source is a file of this machine, which other machines may not have."""
        return self.store == FILES

    def open(self, stop: int | None = None, tick: Tick | None = None) -> BinaryIO:
        """Open for unbuffered reading; see ``Store.open``."""
        return self.store.open(self, stop, tick)


Inputs: TypeAlias = str | os.PathLike[str] | Source | Iterable[str | os.PathLike[str] | Source]
"""One input or several: names, or sources that were found before."""


class Sources(list[Source]):
    """The sources of a run. ``notes`` are sentences for the user about how they were found."""

    def __init__(self, sources: Iterable[Source], notes: Iterable[str] = ()) -> None:
        super().__init__(sources)
        self.notes = [*notes]


def find_sources(
    inputs: Inputs,
    selector: Selector | None = None,
    *,
    without: Iterable[Path] = (),
    login: Login = NO_LOGIN,
) -> Sources:
    """Return a source for each file that the inputs stand for (see ``names.expand``).

    The sources are sorted by path, and a file that several paths lead to is one source. A Source
    among the ``inputs`` is kept, but gets a new ``index``. Files that the ``selector`` does not
    hold are left out. So are own files (see ``own_files``) and the files ``without``, unless the
    user named them. ``login`` is for stores on servers. Raises ``UsageError`` for an input that
    cannot be read.
    """
    given = _as_list(inputs)
    notes = [*inputs.notes] if isinstance(inputs, Sources) else []
    sources = [one for one in given if isinstance(one, Source)]
    if names := [one for one in given if isinstance(one, str)]:
        expanded = expand(names, selector, login)
        own = own_files([path for path in expanded.paths if path not in expanded.named], without)
        sources += _inspect(expanded, {*own}, login)
        sources.sort(key=lambda source: os.fsencode(source.path))
        notes += _note_left_out(own, "outputs of a run or files that the job was built from")
        notes += _note_left_out(expanded.special, "FIFOs, sockets or devices")
    seen = SeenFiles()
    sources = [one for one in sources if seen.is_new(one.path, one.file)]
    if shared := seen.shared_inodes:
        notes.append(f"counted, though with the inode number of another file: {few(shared)}")
    if not sources:
        raise UsageError(
            "; ".join(["no input: name one or more files, or - for standard input", *notes])
        )
    return Sources(map(_numbered, count(), sources), notes)


def _numbered(index: int, source: Source) -> Source:
    return source if source.index == index else replace(source, index=index)


def _as_list(inputs: Inputs) -> list[str | Source]:
    """Return the inputs as a list of names and sources. Raises ``UsageError`` for anything else."""
    if isinstance(inputs, (str, bytes, os.PathLike, Source)):
        return [_path_or_source(inputs)]
    if not isinstance(inputs, Iterable) or hasattr(inputs, "read"):
        raise _not_an_input(inputs)
    return [*map(_path_or_source, inputs)]


def _path_or_source(one: object) -> str | Source:
    if isinstance(one, Source):
        return one
    path = os.fspath(one) if isinstance(one, (str, os.PathLike)) else None
    if not isinstance(path, str):
        raise _not_an_input(one)
    return path


def _not_an_input(one: object) -> UsageError:
    return UsageError(f"{printable(repr(one))} is not an input: name paths, each as str or Path")


def _inspect(expanded: Expanded, left_out: Container[str], login: Login) -> Iterator[Source]:
    """Yield the source of each path. Adjacent paths of one store are inspected together."""
    paths = [path for path in expanded.paths if path not in left_out]
    index = count()
    for store, group in groupby(paths, lambda path: store_of(path, login) or FILES):
        together = [*group]
        inspected = store.inspect(together)
        for path in together:
            try:
                yield _source(next(index), store, next(inspected))
            except UsageError as error:
                raise with_list_line(expanded.named.get(path), error) from error


def _source(index: int, store: Store, found: Found) -> Source:
    """Return the source of an inspected input. Raises ``UsageError`` if it cannot be read."""
    form, start, line = TEXT, 0, None
    if found.size:
        form, head = find_format(found.head), Head(found.head, len(found.head) == found.size)
        start, line = form.inspect(printable(found.path), head)
    identity = found.identity, found.mtime
    return Source(index, found.path, found.size, store, *identity, form, start, line)


def _note_left_out(paths: Sequence[str], what: str) -> Iterator[str]:
    if paths:
        yield f"left out {few(paths)}: {what}; to count one, name it itself"


def few(paths: Sequence[str]) -> str:
    """Return the number of files and the names of the first ``SHOWN``."""
    more = ", ..." if len(paths) > SHOWN else ""
    number = "1 file" if len(paths) == 1 else f"{len(paths):,} files"
    return f"{number} ({', '.join(map(printable, paths[:SHOWN]))}{more})"


def growth(sources: Iterable[Source]) -> Iterator[str]:
    """Yield a note for each source that has grown since it was found."""
    for source in sources:
        if longer := source.store.growth(source):
            yield (
                f"{source.name}: grew by {longer:,} bytes while it was counted; "
                f"only the {source.size:,} bytes that it had at the start are counted"
            )
