"""The store S3: what is below a URL is listed and looked at, and read in ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final, cast

from mapreduce.errors import InputError, UsageError
from mapreduce.inputs.s3 import list_objects, read_range
from mapreduce.inputs.stores import Found, Located

if TYPE_CHECKING:
    from mapreduce.inputs.s3 import Remote

FIRST_BYTES: Final = 64 << 10
"""Bytes of an object that are looked at: enough for its first line, compressed or not."""
REQUESTS: Final = 32
"""Objects that are looked at at once."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of S3; their ETag is their identity."""

    name: ClassVar[str] = "S3"
    has_threads: ClassVar[bool] = True

    def find(self, url: str, may_hold: Callable[[str], bool] | None, /) -> Iterable[str]:
        return list_objects(url, may_hold)

    def look_at(self, paths: Sequence[str], /) -> Iterator[Found]:
        """Ask for the first bytes of many objects at once."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - costs a small run 5 ms

        threads = ThreadPoolExecutor(REQUESTS)
        try:
            yield from threads.map(_look, paths)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def open(
        self, source: Located, stop: int | None, tick: Callable[[int], None] | None, /
    ) -> BinaryIO:
        from mapreduce.inputs.ranges import ObjectFile  # noqa: PLC0415 - threads

        size = source.size or 0
        end = size if stop is None else stop
        return cast(BinaryIO, ObjectFile(source.path, size, str(source.identity), end, tick))

    def growth(self, _source: Located, /) -> int:
        return 0  # an object does not grow: it is replaced


def _look(path: str) -> Found:
    url = cast("Remote", path)
    end = min(url.size, FIRST_BYTES)
    try:
        head = bytes(read_range(url, 0, end, url.etag)) if end else b""
    except InputError as error:
        raise UsageError(str(error)) from error
    return Found(str(url), url.size, url.etag, url.mtime, head)
