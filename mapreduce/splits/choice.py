"""Let the job choose the mapper of each source before any line is counted.

If the job refuses an input, such as a log without the requested fields, it does so before any work
begins. A stream is an exception: its mapper is chosen when its first lines have been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from mapreduce.formats.format import MapperFor
from mapreduce.inputs.sources import Source
from mapreduce.options import Tick

REQUESTS: Final = 32
"""Sources on a server that are opened at the same time."""
TICK_SECONDS: Final = 0.1
"""Seconds between two ticks while this thread waits for a server."""


def choose_mappers(sources: Sequence[Source], mapper_for: MapperFor, tick: Tick) -> list[Source]:
    """Return the sources with their mappers, but without their first lines: these have been used.

    ``tick`` is called now and then, and may raise to end the run. Raises ``UsageError`` for a
    source that the job cannot count, and ``InputError`` for one that can no longer be read.
    """
    slow = [one for one in sources if one.size and one.line is None and one.store.has_threads]
    chosen = {one.index: one for one in _choose_together(slow, mapper_for, tick)}
    result = []
    for source in sources:
        result.append(chosen.get(source.index) or _choose(source, mapper_for, tick))
        tick(0)
    return result


def _choose(source: Source, mapper_for: MapperFor, tick: Tick) -> Source:
    if not source.size:
        return source
    form, mapper = source.format.choose_mapper(source, mapper_for, tick)
    return replace(source, format=form, mapper=mapper, line=None)


def _choose_together(
    sources: Sequence[Source], mapper_for: MapperFor, tick: Tick
) -> Iterator[Source]:
    """Yield sources on a server with their mappers, in order; open up to ``REQUESTS`` at once."""
    if not sources:
        return
    from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - costs 5 ms

    threads = ThreadPoolExecutor(REQUESTS)
    try:
        for future in [threads.submit(_choose, one, mapper_for, _no_tick) for one in sources]:
            while wait([future], TICK_SECONDS).not_done:
                tick(0)
            yield future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _no_tick(_size: int) -> None:
    """Do nothing: the thread that waits for the other threads ticks instead of them."""
