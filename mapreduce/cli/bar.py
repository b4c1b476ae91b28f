"""The bar that a person sees; imported only where somebody looks, because tqdm takes its time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PREFIX = "TQDM_"


@contextmanager
def _without_settings() -> Iterator[None]:
    """Hide the variables that tqdm takes for its settings: with a wrong one it cannot be imported.

    It reads them while it is imported.
    """
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith(PREFIX)}
    try:
        yield
    finally:
        os.environ.update(hidden)


with _without_settings():
    from tqdm import tqdm


class Bar(tqdm):  # type: ignore[type-arg]
    """A bar of bytes that is gone when it is closed.

    Its rate is the average since it was begun: bytes come in jumps, which a moving average takes
    for a change of speed. No thread looks after it, since processes are forked; who has nothing new
    to tell calls ``update(0)``, so that the seconds go on.
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
        """Add so many bytes; show the end at once, whenever the last look was."""
        self.update(size)
        if size and self.n == self.total:
            self.refresh()

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        """Return what draws the bar and goes back to the beginning of its line.

        There a terminal then writes its ``^C``. Behind the end of a full line that would begin a
        new one, and half a bar would be left.
        """
        width = 0

        def draw(text: str) -> None:
            nonlocal width
            file.write(f"\r{text:{width}}\r")
            file.flush()
            width = len(text)

        return draw
