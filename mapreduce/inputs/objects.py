"""The store S3: it lists the objects below a URL, inspects them, and reads them in ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final, cast

from mapreduce.errors import InputError, UsageError
from mapreduce.inputs.s3 import list_objects, read_range
from mapreduce.inputs.stores import NO_LOGIN, Found, Located, Login

if TYPE_CHECKING:
    from mapreduce.inputs.s3 import Remote

FIRST_BYTES: Final = 64 << 10
"""Bytes read from an object to find its format; enough for its first line, even compressed."""
REQUESTS: Final = 32
"""Objects that are inspected at the same time."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of S3. An object is identified by its ETag."""

    login: Login = NO_LOGIN
    name: ClassVar[str] = "S3"
    has_threads: ClassVar[bool] = True

    def find(self, url: str, may_hold: Callable[[str], bool] | None, /) -> Iterable[str]:
        return list_objects(url, may_hold, self.login)

    def inspect(self, paths: Sequence[str], /) -> Iterator[Found]:
        """Request the first bytes of up to ``REQUESTS`` objects at the same time."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - costs a small run 5 ms

        threads = ThreadPoolExecutor(REQUESTS)
        try:
            yield from threads.map(partial(_inspect, login=self.login), paths)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def open(
        self, source: Located, stop: int | None, tick: Callable[[int], None] | None, /
    ) -> BinaryIO:
        from mapreduce.inputs.ranges import ObjectFile  # noqa: PLC0415 - imports threads

        size = source.size or 0
        end = size if stop is None else stop
        identity = str(source.identity)
        return cast(BinaryIO, ObjectFile(source.path, size, identity, end, tick, login=self.login))

    def growth(self, _source: Located, /) -> int:
        return 0  # an object can be replaced, but cannot grow


def _inspect(path: str, login: Login) -> Found:
    url = cast("Remote", path)
    end = min(url.size, FIRST_BYTES)
    try:
        head = bytes(read_range(url, 0, end, url.etag, login)) if end else b""
    except InputError as error:
        raise UsageError(str(error)) from error
    return Found(str(url), url.size, url.etag, url.mtime, head)
