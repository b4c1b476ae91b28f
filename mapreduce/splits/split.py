r"""Cut Sources into line-aligned Splits.

A line belongs to the split that holds its first byte. Only ``\n`` ends a line. The splits of a
source, in order, make up the whole source without gap or overlap. The parent finds the cuts: it
seeks near each wanted offset and reads to the next newline. So workers get exact ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import BinaryIO, NamedTuple

from mapreduce.errors import InputError, UsageError
from mapreduce.formats.format import (
    PROBE,
    Block,
    MapperFor,
    choose_by_line,
    first_line_of,
    with_final_newline,
    without_empty_lines,
)
from mapreduce.formats.records import whole_records
from mapreduce.formats.table import read_stream
from mapreduce.inputs.sources import Source
from mapreduce.kernel.pace import PYTHON, Pace
from mapreduce.options import MAX_LINE, Tick

SMALLEST_SPLIT = 4 << 20
"""Bytes of the smallest split, unless the user asks for smaller ones or the source ends."""
CHUNK = 4 << 20
"""Bytes of a stream that become one split, unless the user asks for another size."""
SMALLEST_CHUNK = 10
"""Bytes of a stream that become one split at least, whatever the user asks for."""


@dataclass(frozen=True, slots=True)
class Split:
    """The bytes ``[start, end)`` of a source. Of a stream, ``data`` are the bytes themselves."""

    source: Source
    start: int
    end: int
    data: bytes | None = None

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def is_first(self) -> bool:
        """Whether the split has the first line of its source."""
        return self.start <= self.source.start

    @property
    def cost(self) -> int:
        """The number of bytes of plain text that take as long to count."""
        return self.size * self.source.format.cost

    @property
    def splits(self) -> tuple[Split, ...]:
        """This split alone, so that a split can be used as a task, like a ``Batch``."""
        return (self,)

    def blocks(self, block_size: int, max_line: int = MAX_LINE) -> Iterator[Block]:
        """Yield the lines of the split in blocks; see ``Format.read``."""
        if self.data is not None:
            return iter([Block(with_final_newline(self.data), self.start, self.size)])
        return self.source.format.read(
            self.source, self.start, self.end, block_size=block_size, max_line=max_line
        )

    def __str__(self) -> str:
        return f"{self.source.name}, bytes {self.start} to {self.end}"


class Batch(NamedTuple):
    """A task of several small splits: each task costs one partial result, however small it is."""

    splits: tuple[Split, ...]

    @property
    def size(self) -> int:
        """The bytes of all splits."""
        return sum(split.size for split in self.splits)

    def __str__(self) -> str:
        return f"{len(self.splits)} inputs from {self.splits[0]} to {self.splits[-1]}"


def batches(splits: Iterable[Split], cost: int) -> Iterator[Split | Batch]:
    """Yield tasks that cost about ``cost`` each.

    A split that costs more is a task alone, and so is a split of a stream.
    """
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
    """Yield the splits of all sources in order, in sizes that suit the number of workers.

    With several workers, the first split is a small one for the trial. ``split_size``, in bytes,
    asks for splits of about that size instead. A stream is read as its splits are taken, and
    ``mapper_for`` then chooses its mapper; ``choose_mappers`` has chosen all others before. Raises
    ``InputError`` if a source cannot be read or a stream has a line of more than ``max_line``
    bytes.
    """
    trial = iter([pace.trial] if pace.trial and workers > 1 else [])
    for source in sources:
        if source.size == 0:  # such as an object that marks a directory
            continue
        with source.open(tick=tick) as file:
            if source.size is None:
                size = max(SMALLEST_CHUNK, min(split_size or CHUNK, max_line + 1))
                chunks = read_stream(source, file, size, max_line, tick)
                yield from _stream_splits(source, chunks, mapper_for, max_line)
                continue
            if split_size is not None:
                sizes: Iterator[int] = repeat(split_size)
            else:
                sizes = _split_sizes(source.size, trial, workers, pace.largest_split)
            if source.mapper and source.mapper.record_delimiter is not None:
                sizes = iter([source.size])
            ranges = source.format.cut(source, file, sizes, max_line=max_line, tick=tick)
            if source.mapper and source.mapper.skips_first_line and source.format.is_plain:
                ranges = _with_header(ranges, _end_of_header(source, file, tick))
            for start, end in ranges:
                yield Split(source, start, end)


def _with_header(ranges: Iterator[tuple[int, int]], header: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of which the first holds the header, which ends at this byte, as a whole."""
    for start, first_end in ranges:
        end = first_end
        while end < header:
            _start, end = next(ranges)
        yield start, end
        yield from ranges


def _end_of_header(source: Source, file: BinaryIO, tick: Tick) -> int:
    """Return where the first line that is not empty ends."""
    held, position, in_line = b"", source.start, False
    try:
        file.seek(position)
        while piece := file.read(PROBE):
            position += len(piece)
            rest = piece if in_line else without_empty_lines(held + piece)
            if b"\n" in rest:
                return position - len(rest) + rest.index(b"\n") + 1
            in_line = in_line or bool(rest.strip(b" \t\r"))
            held = rest[:1]
            tick(0)
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror}") from error
    return source.size or 0


def _stream_splits(
    source: Source,
    chunks: Iterator[tuple[int, bytes]],
    mapper_for: MapperFor | None,
    max_line: int,
) -> Iterator[Split]:
    """Yield a split for each chunk of a stream. Choose the mapper by the first line.

    The first split has this line, even if many empty lines stand before it.
    """
    start, first = next(chunks, (0, b""))
    has_line = bool(without_empty_lines(first))
    while not has_line and len(first) < CHUNK and (more := next(chunks, None)):
        first += more[1]
        has_line = bool(without_empty_lines(first))
    if first and mapper_for:
        mapper = choose_by_line(mapper_for, source.name, first_line_of([first]))
        source = replace(source, mapper=mapper, start=start)
        if mapper.skips_first_line and not has_line and len(first) >= CHUNK:
            raise UsageError(f"{source.name}: begins with {len(first):,} bytes of empty lines")
    texts: Iterator[tuple[int, bytes]] = chain([(start, first)] if first else [], chunks)
    if source.mapper and source.mapper.record_delimiter is not None:
        texts = whole_records(source.name, texts, source.mapper.record_delimiter, max_line)
    for offset, data in texts:
        yield Split(source, offset, offset + len(data), data)


def _split_sizes(size: int, trial: Iterator[int], workers: int, largest: int) -> Iterator[int]:
    """Yield the wanted sizes of a source's splits; the first is the trial, unless it was taken."""
    for first in trial:
        size -= first
        yield first
    yield from _shrinking_sizes(size, workers, largest)


def _shrinking_sizes(size: int, workers: int, largest: int) -> Iterator[int]:
    """Yield wanted sizes, large ones first and small ones last, so that all workers end together.

    This is factoring (Hummel, Schonberg and Flynn, 1992). Each round has one split for each worker
    and takes four fifths of the bytes that are left. No split is less than a sixteenth of a
    worker's share, because every split costs a partial result. For one worker, all splits have the
    largest size.
    """
    least = largest if workers == 1 else max(SMALLEST_SPLIT, size // (16 * workers))
    while True:
        wanted = min(largest, max(least, 4 * size // (5 * workers)))
        for _ in range(workers):
            size -= wanted
            yield wanted
