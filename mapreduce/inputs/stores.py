"""Say what a store is: a place that holds inputs, such as this machine or S3.

A store finds the inputs that a name stands for, inspects them, and later opens them in any process.
To add a store, write one module and add one row to ``STORES``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple, Protocol

from mapreduce.errors import UsageError, printable

S3_SCHEME: Final = "s3://"
"""The beginning of the URL of an object in S3."""
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*://)")


class Located(Protocol):
    """What a store must know about a source to open it."""

    @property
    def path(self) -> str:
        """The path or URL, as the user or a listing gave it."""

    @property
    def name(self) -> str:
        """The path as error messages show it."""

    @property
    def size(self) -> int | None:
        """The number of bytes, or ``None`` for a stream."""

    @property
    def identity(self) -> object:
        """A value of ``Store.inspect`` that changes if the file of this path is replaced."""


class Found(NamedTuple):
    """What a store knows about an input. ``head`` are its first bytes (of a stream, none)."""

    path: str
    size: int | None
    identity: object = None
    mtime: int = 0
    head: bytes = b""


class Store(Protocol):
    """A place that holds inputs. It is a frozen value, pickled with each of its sources."""

    @property
    def name(self) -> str:
        """The name of the place in the explanation of a plan."""

    @property
    def has_threads(self) -> bool:
        """Whether the store's client starts threads and waits for a server.

        A process that has threads must not be forked, so workers that read such a source are
        started by another method.
        """

    def inspect(self, paths: Sequence[str], /) -> Iterator[Found]:
        """Yield what is found for each path, in order.

        Raises ``UsageError`` for an input that cannot be read.
        """

    def open(
        self, source: Located, stop: int | None, tick: Callable[[int], None] | None, /
    ) -> BinaryIO:
        """Open a source for unbuffered reading.

        The store prefetches nothing from byte ``stop`` on. While it waits for a server it calls
        ``tick``, which may raise to end the run. Raises ``InputError`` if the source was replaced
        since it was inspected.
        """

    def growth(self, source: Located, /) -> int:
        """Return by how many bytes a source has grown since it was inspected, at least 0."""


class Login(NamedTuple):
    """As whom a server is asked: by a profile of AWS's configuration, in a role of AWS.

    What is ``None`` is left to the environment.
    """

    profile: str | None = None
    role_arn: str | None = None


NO_LOGIN: Final = Login()


class RemoteStore(Store, Protocol):
    """A store on a server. It lists the objects below a URL."""

    def find(self, url: str, may_hold: Callable[[str], bool] | None, /) -> Iterable[str]:
        """Return the URL of an object or, if there is none, of all objects below it.

        Directories for which ``may_hold`` is false are left out.
        """


def _s3(login: Login) -> RemoteStore:
    from mapreduce.inputs.objects import Objects  # noqa: PLC0415 - costs a small run 2 ms

    return Objects(login)


STORES: Final[dict[str, Callable[[Login], RemoteStore]]] = {S3_SCHEME: _s3}
"""Makes the store of each scheme of a URL."""


def store_of(path: str, login: Login = NO_LOGIN) -> RemoteStore | None:
    """Return the store of a URL, or ``None`` for a path of this machine.

    Raises ``UsageError`` for a URL of an unknown scheme, unless a file has that name.
    """
    url = _URL.match(path)
    if url is None:
        return None
    if url[1] in STORES:
        return STORES[url[1]](login)
    if os.path.lexists(path):
        return None
    known = ", ".join(f"{scheme}..." for scheme in STORES)
    raise UsageError(
        f"{printable(path)}: {url[1]} cannot be read; name {known}, a file of this machine, "
        "or - for standard input"
    )
