"""A bar on stderr that moves while a run goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mapreduce.cli.signals import StopRequest
from mapreduce.options import Tick


@contextmanager
def progress_bar(stop: StopRequest, total: int | None, *, shown: bool) -> Iterator[Tick]:
    """Yield the progress function of a run: it looks for signals, and moves a bar if ``shown``.

    ``total`` is the bytes of all inputs, ``None`` if that is unknown.
    """
    stop.check()
    if not shown:
        yield lambda _size: stop.check()
        return
    from tqdm import tqdm  # noqa: PLC0415 - only where somebody looks

    tqdm.monitor_interval = 0  # no thread: processes are forked
    with tqdm(total=total, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar:

        def progress(size: int) -> None:
            stop.check()
            bar.update(size)

        yield progress
