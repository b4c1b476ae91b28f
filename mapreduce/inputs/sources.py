"""From what the user named to Sources: everything that can be refused before work is refused here.

A Source has a store, which knows where its bytes are, and a format, which knows what they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO, Final

from mapreduce.errors import UsageError, printable
from mapreduce.formats.format import Format
from mapreduce.formats.stream import Tick
from mapreduce.formats.table import TEXT, find_format
from mapreduce.inputs.local import Files
from mapreduce.inputs.names import STDIN, Selector, expand
from mapreduce.inputs.stores import Found, Store, store_of

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

FILES: Final = Files()


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

    def open(self, stop: int | None = None, tick: Tick | None = None) -> BinaryIO:
        """Open for unbuffered reading; see ``Store.open``."""
        return self.store.open(self, stop, tick)


def find_sources(
    names: Iterable[str | os.PathLike[str] | Source], selector: Selector | None = None
) -> list[Source]:
    """Return a Source for each file that is named in any way (``names.expand``), sorted by path.

    A file that several paths lead to is one. What has been found before is not looked for again,
    if all are Sources. A file that the ``selector`` does not hold is left out. Raises
    ``UsageError`` for one that cannot be read.
    """
    given = list(names)
    sources = [one for one in given if isinstance(one, Source)]
    if sources and len(sources) == len(given):
        return sources
    sources, known = [], set[object]()
    paths = expand((one.path if isinstance(one, Source) else one for one in given), selector)
    for store, found in _look_at(paths):
        if store == FILES and found.size is not None:
            if found.identity in known:
                continue
            known.add(found.identity)
        sources.append(_source(len(sources), store, found))
    if not sources:
        raise UsageError("no input: name one or more files, or - for standard input")
    return sources


def _look_at(paths: Iterable[str]) -> Iterator[tuple[Store, Found]]:
    """Look at each path by its store, which sees all neighbours of one store together."""
    for store, together in groupby(paths, lambda path: store_of(path) or FILES):
        for found in store.look_at([*together]):
            yield store, found


def _source(index: int, store: Store, found: Found) -> Source:
    """Return the Source of what was found; raise ``UsageError`` if its format cannot be read."""
    source = Source(index, found.path, found.size, store, found.identity, found.mtime)
    if not found.size:
        return source
    form = find_format(found.head)
    form.check(source.name, found.head, in_order=False)
    line = form.line_in(found.head, whole=len(found.head) == found.size)
    return replace(source, format=form, start=form.start_of(found.head), line=line)


def growth(sources: Iterable[Source]) -> Iterator[str]:
    """Yield a line for each source that is longer now than when it was found."""
    for source in sources:
        if longer := source.store.growth(source):
            yield (
                f"{source.name}: grew by {longer:,} bytes while it was counted; "
                f"what it had at the start, {source.size:,} bytes, is counted"
            )
