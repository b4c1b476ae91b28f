"""Let the job choose the mapper of each source, before the first line of any is counted.

So what a job refuses (a log without the fields that are asked for, a missing column) is refused
before work begins, whichever input it is. A stream has no line yet: its mapper is chosen when its
first lines have been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mapreduce.formats.format import MapperFor
from mapreduce.inputs.sources import Source
from mapreduce.options import Tick

if TYPE_CHECKING:
    pass

REQUESTS: Final = 32
"""Sources of a server that are looked into at once."""
PATIENCE: Final = 0.1
"""Seconds between two looks at whether the run is to be stopped, while a server is waited for."""


def fit_sources(sources: Sequence[Source], mapper_for: MapperFor, tick: Tick) -> list[Source]:
    """Return the sources with their mappers, without the first lines, which are not needed more.

    ``tick`` is called now and then, and may raise. Raises ``UsageError`` for a source that the job
    cannot count, and ``InputError`` for one that cannot be read any more.
    """
    slow = [one for one in sources if one.size and one.line is None and one.store.has_threads]
    waited = {one.index: one for one in _fitted_together(slow, mapper_for, tick)}
    fitted = []
    for source in sources:
        fitted.append(waited.get(source.index) or _fitted(source, mapper_for, tick))
        tick(0)
    return fitted


def _fitted(source: Source, mapper_for: MapperFor, tick: Tick) -> Source:
    if not source.size:
        return source
    fitting, mapper = source.format.fit(source, mapper_for, tick)
    return replace(source, format=fitting, mapper=mapper, line=None)


def _fitted_together(
    sources: Sequence[Source], mapper_for: MapperFor, tick: Tick
) -> Iterator[Source]:
    """Yield fitted sources of a server, many of which are asked for at once, in order."""
    if not sources:
        return
    from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - costs 5 ms

    threads = ThreadPoolExecutor(REQUESTS)
    try:
        for coming in [threads.submit(_fitted, one, mapper_for, _no_tick) for one in sources]:
            while wait([coming], PATIENCE).not_done:
                tick(0)
            yield coming.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _no_tick(_size: int) -> None:
    """Do nothing: the thread that waits for all others looks for signals."""
