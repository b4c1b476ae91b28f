"""The progress function of the command: it checks for signals and moves a bar on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mapreduce.cli.signals import StopRequest
from mapreduce.inputs.sources import Source
from mapreduce.options import Tick


@contextmanager
def progress_bar(stop: StopRequest, total: int | None, *, shown: bool) -> Iterator[Tick]:
    """Yield the progress function of a run: it checks for signals, and moves a bar if ``shown``.

    ``total`` is the bytes of all inputs, ``None`` if that is unknown. The bar is gone when the
    block is left.
    """
    stop.check()
    if not shown:
        yield lambda _size: stop.check()
        return
    from mapreduce.cli.bar import Bar  # noqa: PLC0415 - only where somebody looks

    with Bar(total) as bar:

        def progress(size: int) -> None:
            stop.check()
            bar.advance(size)

        yield progress


def size_of_all(sources: Iterable[Source]) -> int | None:
    """Return the number of bytes in all sources; ``None`` if one of them is a stream."""
    sizes = [None if one.size is None else one.size - one.start for one in sources]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
