"""Where bytes are: one store for each place, in a table by the scheme of the URL.

A store finds what a name stands for, looks at what it has found, and opens it again later, in any
process. A new store is one file and one row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from mapreduce.errors import UsageError, printable

SCHEME: Final = "s3://"
"""How the URL of an object of S3 begins."""
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*://)")


class Located(Protocol):
    """What a store needs to know of the source that it opens."""

    @property
    def path(self) -> str:
        """What the user, or a listing, named."""

    @property
    def name(self) -> str:
        """The path as an error shows it."""

    @property
    def size(self) -> int | None:
        """The number of bytes, ``None`` for a stream."""

    @property
    def identity(self) -> object:
        """What ``Store.look_at`` found that tells it from another one of the same path."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a store tells of an input; ``head`` is how it begins, of a stream nothing."""

    path: str
    size: int | None
    identity: object = None
    mtime: int = 0
    head: bytes = b""


class Store(Protocol):
    """One place. It is a frozen value, which travels with each of its sources.

    ``has_threads``: its client has threads, which no fork may copy, and waits for a server.
    """

    @property
    def name(self) -> str:
        """What a reader of a plan calls the place."""

    @property
    def has_threads(self) -> bool:
        """Whether sources of it must be read in processes that have not been forked."""

    def look_at(self, paths: Sequence[str], /) -> Iterator[Found]:
        """Look at inputs, in order; raise ``UsageError`` for one that cannot be read."""

    def open(
        self, source: Located, stop: int | None, tick: Callable[[int], None] | None, /
    ) -> BinaryIO:
        """Open for unbuffered reading; raise ``InputError`` if it is not what was found before.

        Nothing behind ``stop`` is read ahead; ``tick`` is called, and may raise, while a server is
        waited for.
        """

    def growth(self, source: Located, /) -> int:
        """Return by how many bytes a source is longer than it was, at least 0."""


class RemoteStore(Store, Protocol):
    """A store that lists by itself what is below a URL."""

    def find(self, url: str, may_hold: Callable[[str], bool] | None, /) -> Iterable[str]:
        """Return the object of a URL or, if there is none, what is below it.

        Whole directories for which ``may_hold`` is false are left out.
        """


def _s3() -> RemoteStore:
    from mapreduce.inputs.objects import Objects  # noqa: PLC0415 - costs a small run 2 ms

    return Objects()


STORES: Final[dict[str, Callable[[], RemoteStore]]] = {SCHEME: _s3}
"""What is not on this machine, by how its URL begins."""


def store_of(path: str) -> RemoteStore | None:
    """Return the store of a URL, ``None`` for a path of this machine.

    Raises ``UsageError`` for a URL that no store knows, if there is no file of that name.
    """
    url = _URL.match(path)
    if url is None:
        return None
    if url[1] in STORES:
        return STORES[url[1]]()
    if os.path.lexists(path):
        return None
    there = ", ".join(f"{scheme}..." for scheme in STORES)
    raise UsageError(
        f"{printable(path)}: {url[1]} is not read; name {there}, a file of this machine, "
        "or - for standard input"
    )
