"""Present an object as a file; it fetches the next ranges while the caller uses one."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from mapreduce.inputs.s3 import read_range
from mapreduce.inputs.stores import NO_LOGIN, Login

SMALLEST: Final = 256 << 10
"""Bytes of the first range after a seek: the caller may need no more."""
LARGEST: Final = 4 << 20
"""Each range is twice as long as the one before it, up to this many bytes."""
REQUESTS: Final = 4
"""Largest ranges that are fetched at the same time: one request gets a fraction of S3's speed."""


class ObjectFile(io.RawIOBase):
    """An object. It fetches nothing from byte ``stop`` on. Reading may raise ``InputError``."""

    def __init__(
        self,
        url: str,
        size: int,
        etag: str,
        stop: int,
        tick: Callable[[int], None] | None = None,
        *,
        login: Login = NO_LOGIN,
    ) -> None:
        super().__init__()
        self._tick, self._login = tick, login
        self._url, self._size, self._etag, self._stop = url, size, etag, stop
        self._threads = ThreadPoolExecutor(REQUESTS)
        self._ranges: deque[Future[memoryview]] = deque()
        self._held = memoryview(b"")
        self._position = self._requested_to = 0
        self._next_size = SMALLEST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset != self._position:
            self._cancel_requests()
            self._held = memoryview(b"")
            self._position = self._requested_to = base + offset
            self._next_size = SMALLEST
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        if not self._held:
            self._request_ranges()
            self._held = self._result(self._ranges.popleft()) if self._ranges else self._held
            self._request_ranges()
        size = min(len(view), len(self._held))
        view[:size] = self._held[:size]
        self._held = self._held[size:]
        self._position += size
        return size

    def close(self) -> None:
        self._cancel_requests()
        self._threads.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _request_ranges(self) -> None:
        """Request the next ranges, until as many are pending as may be."""
        most = REQUESTS if self._next_size == LARGEST else 1
        while self._requested_to < self._stop and len(self._ranges) < most:
            end = min(self._requested_to + self._next_size, self._stop)
            place = (self._url, self._requested_to, end, self._etag, self._login)
            task = self._threads.submit(read_range, *place)
            self._ranges.append(task)
            self._requested_to, self._next_size = end, min(LARGEST, 2 * self._next_size)

    def _result(self, coming: Future[memoryview]) -> memoryview:
        while self._tick:
            try:
                return coming.result(timeout=0.1)
            except TimeoutError:  # from this wait: a fault of the range is an InputError
                self._tick(0)
        return coming.result()

    def _cancel_requests(self) -> None:
        for future in self._ranges:
            future.cancel()
        self._ranges.clear()
