"""An object as a file that is read in ranges, the next ones fetched while one is used."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from mapreduce.inputs.s3 import read_range

SMALL: Final = 256 << 10
"""Bytes of the first range behind a seek: it may be all that is wanted."""
LARGE: Final = 4 << 20
"""Bytes of the ranges of who reads on and on: each is twice as long as the last one, up to this."""
AHEAD: Final = 4
"""Large ranges that are fetched at once: one request of S3 gives a fraction of what it can give."""


class ObjectFile(io.RawIOBase):
    """An object; nothing behind byte ``stop`` is fetched. To read may raise ``InputError``."""

    def __init__(
        self,
        url: str,
        size: int,
        etag: str,
        stop: int,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self._tick = tick
        self._url, self._size, self._etag, self._stop = url, size, etag, stop
        self._threads = ThreadPoolExecutor(AHEAD)
        self._coming: deque[Future[memoryview]] = deque()
        self._held = memoryview(b"")
        self._position = self._asked = 0
        self._next = SMALL

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset != self._position:
            self._drop()
            self._held = memoryview(b"")
            self._position = self._asked = base + offset
            self._next = SMALL
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        if not self._held:
            self._ask()
            self._held = self._wait(self._coming.popleft()) if self._coming else self._held
            self._ask()
        size = min(len(view), len(self._held))
        view[:size] = self._held[:size]
        self._held = self._held[size:]
        self._position += size
        return size

    def close(self) -> None:
        self._drop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _ask(self) -> None:
        """Ask for as many of the next ranges as may be on their way."""
        most = AHEAD if self._next == LARGE else 1
        while self._asked < self._stop and len(self._coming) < most:
            end = min(self._asked + self._next, self._stop)
            task = self._threads.submit(read_range, self._url, self._asked, end, self._etag)
            self._coming.append(task)
            self._asked, self._next = end, min(LARGE, 2 * self._next)

    def _wait(self, coming: Future[memoryview]) -> memoryview:
        while self._tick:
            try:
                return coming.result(timeout=0.1)
            except TimeoutError:  # ours: what is wrong with the range is an InputError
                self._tick(0)
        return coming.result()

    def _drop(self) -> None:
        for future in self._coming:
            future.cancel()
        self._coming.clear()
