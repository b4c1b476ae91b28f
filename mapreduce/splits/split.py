r"""Cut Sources into line-aligned Splits.

A line belongs to the split that holds its first byte. Only ``\n`` ends a line. The joined splits
of a source are the source, in order, without gap or overlap. The parent finds the cuts by seeking
near each wanted offset and reading on to the next newline; a worker gets exact ranges and aligns
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

from mapreduce.formats.format import Block, MapperFor, ended, first_line_of
from mapreduce.formats.table import read_stream
from mapreduce.inputs.sources import Source
from mapreduce.kernel.pace import PYTHON, Pace
from mapreduce.options import MAX_LINE, Tick

SMALLEST = 4 << 20
CHUNK = 4 << 20
SMALLEST_PIECE = 10
"""Bytes of a stream that are read at once at least."""


@dataclass(frozen=True, slots=True)
class Split:
    """The bytes ``[start, end)`` of a source; of a stream, they travel along as ``data``."""

    source: Source
    start: int
    end: int
    data: bytes | None = None

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def cost(self) -> int:
        """How many bytes of plain text would take as long."""
        return self.size * self.source.format.cost

    @property
    def splits(self) -> tuple[Split, ...]:
        """This one: a split is a task of one split."""
        return (self,)

    def blocks(self, block_size: int, max_line: int = MAX_LINE) -> Iterator[Block]:
        """Yield its lines in blocks; see ``Format.read``."""
        if self.data is not None:
            return iter([Block(ended(self.data), self.start, self.size)])
        return self.source.format.read(
            self.source, self.start, self.end, block_size=block_size, max_line=max_line
        )

    def __str__(self) -> str:
        return f"{self.source.name}, bytes {self.start} to {self.end}"


@dataclass(frozen=True, slots=True)
class Batch:
    """A task of several splits: each task costs a partial result, however small it is."""

    splits: tuple[Split, ...]

    @property
    def size(self) -> int:
        """The bytes of all splits."""
        return sum(split.size for split in self.splits)

    def __str__(self) -> str:
        return f"{len(self.splits)} inputs from {self.splits[0]} to {self.splits[-1]}"


def batches(splits: Iterable[Split], cost: int) -> Iterator[Split | Batch]:
    """Yield tasks of about a cost; a split that costs more, and data of a stream, is one alone."""
    together: list[Split] = []
    left = cost
    for split in splits:
        if split.cost >= cost or split.data is not None:
            yield split
            continue
        together.append(split)
        left -= split.cost
        if left <= 0:
            yield Batch(tuple(together))
            together, left = [], cost
    if together:
        yield Batch(tuple(together))


def find_splits(
    sources: Iterable[Source],
    *,
    workers: int,
    pace: Pace = PYTHON,
    split_size: int | None,
    max_line: int = MAX_LINE,
    mapper_for: MapperFor | None = None,
    tick: Tick,
) -> Iterator[Split]:
    """Yield the splits of all sources in order, each as large as is good for ``workers``.

    The first one of several workers is a trial. ``split_size`` (bytes) asks for splits of about
    that size instead. Streams are read when their turn comes, one chunk for each split that is
    taken, and ``mapper_for`` chooses their mappers then; those of all others are chosen already
    (``fit_sources``). Raises ``InputError``, also for a line of a stream of more than ``max_line``
    bytes.
    """
    trial = iter([pace.trial] if pace.trial and workers > 1 else [])
    for source in sources:
        if source.size == 0:  # an object, which may be the mark of a directory
            continue
        with source.open(tick=tick) as file:
            if source.size is None:
                size = max(SMALLEST_PIECE, min(split_size or CHUNK, max_line + 1))
                chunks = read_stream(source, file, size, max_line, tick)
                yield from _of_stream(source, chunks, mapper_for)
                continue
            if split_size is not None:
                sizes: Iterator[int] = repeat(split_size)
            else:
                sizes = _sizes(source.size, trial, workers, pace.largest_split)
            for start, end in source.format.cut(source, file, sizes, max_line=max_line, tick=tick):
                yield Split(source, start, end)


def _of_stream(
    source: Source, chunks: Iterator[tuple[int, bytes]], mapper_for: MapperFor | None
) -> Iterator[Split]:
    """Yield a stream's chunks as splits, with what counts it, as its first line says."""
    for number, (offset, data) in enumerate(chunks):
        if mapper_for and number == 0:
            source = replace(source, mapper=mapper_for(source.name, first_line_of([data])))
        yield Split(source, offset, offset + len(data), data)


def _sizes(size: int, trial: Iterator[int], workers: int, largest: int) -> Iterator[int]:
    """Yield the sizes wanted of the splits of a source: the trial, if there was none, and more."""
    for first in trial:
        size -= first
        yield first
    yield from _factored(size, workers, largest)


def _factored(size: int, workers: int, largest: int) -> Iterator[int]:
    """Yield the sizes wanted, large ones first and small ones last: so all workers end together.

    Factoring (Hummel, Schonberg and Flynn, 1992): rounds of one split for each worker, each round
    four fifths of what is left; none is less than a sixteenth of a worker's share of all, because
    every split costs a partial result. One worker has nobody to wait for.
    """
    least = largest if workers == 1 else max(SMALLEST, size // (16 * workers))
    while True:
        wanted = min(largest, max(least, 4 * size // (5 * workers)))
        for _ in range(workers):
            size -= wanted
            yield wanted
