"""The progress bar; imported only when it is shown, because importing tqdm is slow."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PREFIX = "TQDM_"


@contextmanager
def _without_settings() -> Iterator[None]:
    """Hide the environment variables that tqdm reads on import: a wrong one makes it fail."""
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith(PREFIX)}
    try:
        yield
    finally:
        os.environ.update(hidden)


with _without_settings():
    from tqdm import tqdm


class Bar(tqdm):  # type: ignore[type-arg]
    """A progress bar that counts bytes and disappears when it is closed.

    Its rate is the average since its start, because progress comes in jumps and a moving average
    would jump with it. No thread redraws the bar, because this process forks; a caller without
    news calls ``advance(0)`` to keep the clock moving.
    """

    monitor_interval = 0

    def __init__(self, total: int | None) -> None:
        super().__init__(
            total=total,
            unit="B",
            unit_scale=True,
            leave=False,
            file=sys.stderr,
            dynamic_ncols=True,
            miniters=0,
            smoothing=0,
        )

    def advance(self, size: int) -> None:
        """Add ``size`` bytes; show the end at once, however recently the bar was drawn."""
        self.update(size)
        if size and self.n == self.total:
            self.refresh()

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        """Return a function that draws the bar and moves back to the beginning of its line.

        A terminal then writes ``^C`` there. At the end of a full line it would begin a new line and
        leave half a bar behind.
        """
        width = 0

        def draw(text: str) -> None:
            nonlocal width
            file.write(f"\r{text:{width}}\r")
            file.flush()
            width = len(text)

        return draw
