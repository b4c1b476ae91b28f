r"""Cut Sources into line-aligned Splits.

A line belongs to the split that holds its first byte. Only ``\n`` ends a line. The joined splits
of a source are the source, in order, without gap or overlap. The parent finds the cuts by seeking
near each wanted offset and reading on to the next newline; a worker gets exact ranges and aligns
nothing.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from mapreduce.errors import InputError
from mapreduce.formats.compressed import codec_named, decompress
from mapreduce.formats.stream import MAX_LINE, Tick, read_stream
from mapreduce.inputs.sources import HEAD, PARQUET, Source
from mapreduce.kernel.pace import PYTHON, Pace

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

SMALLEST = 4 << 20
CHUNK = 4 << 20
FIRST = 16 << 10
"""Bytes of a source's first line that a job is shown."""
_PROBE = 64 << 10

MapperFor: TypeAlias = "Callable[[str, bytes], Mapper]"
"""Takes the name of a source and its first line."""


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
        return self.size * self.source.weight

    @property
    def splits(self) -> tuple[Split, ...]:
        """This one: a split is a task of one split."""
        return (self,)

    def __str__(self) -> str:
        return f"{self.source.name}, bytes {self.start} to {self.end}"


@dataclass(frozen=True, slots=True)
class Batch:
    """A task of several splits: each task costs a partial result, however small it is."""

    splits: tuple[Split, ...]

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
    mapper: Mapper | None = None,
    tick: Tick,
) -> Iterator[Split]:
    """Yield the splits of all sources in order, each as large as is good for ``workers``.

    The first one of several workers is a trial. ``split_size`` (bytes) asks for splits of about
    that size instead. Streams are read when their turn comes, one chunk for each split that is
    taken. ``mapper_for`` says by its first line what counts a source; by default ``mapper`` does.
    Raises ``InputError``, also for a line of a stream of more than ``max_line`` bytes.
    """
    trial = [pace.trial] if pace.trial and workers > 1 else []
    for found in sources:
        if found.size == 0:  # an object, which may be the mark of a directory
            continue
        if found.form == PARQUET:
            chosen = mapper_for or (lambda _name, _line: cast("Mapper", mapper))
            yield from _row_groups(found, chosen, tick)
            continue
        with found.open(tick=tick) as file:
            source = _told(found, file, mapper_for)
            if source.size is None:
                size = max(HEAD, min(split_size or CHUNK, max_line + 1))
                chunks = read_stream(source, file, size, max_line, tick)
                yield from _of_stream(source, chunks, mapper_for)
            elif source.form:
                yield Split(source, 0, source.size)
            elif split_size is not None:
                yield from _cut(source, file, repeat(split_size), max_line, tick)
            else:
                sizes = _factored(source.size - sum(trial), workers, pace.largest)
                yield from _cut(source, file, chain(trial, sizes), max_line, tick)
                trial = []


def _row_groups(source: Source, mapper_for: MapperFor, tick: Tick) -> Iterator[Split]:
    from mapreduce.formats import parquet  # noqa: PLC0415 - pyarrow is optional

    chosen = parquet.choose_columns(source, mapper_for, tick)
    for start, end in parquet.row_groups(chosen, tick):
        yield Split(chosen, start, end)


def _told(found: Source, file: BinaryIO, mapper_for: MapperFor | None) -> Source:
    """Return a source with what counts it, as its first line says, which need not travel on.

    A stream says it later.
    """
    source = replace(found, line=None)
    if mapper_for is None or source.size is None:
        return source
    line = _first(source, file) if found.line is None else found.line[:FIRST]
    return replace(source, mapper=mapper_for(source.name, line))


def _first(source: Source, file: BinaryIO) -> bytes:
    """Return the first line of a file, or what of it is in its first ``FIRST`` bytes."""
    try:
        file.seek(source.start)
        text = file.read(FIRST)
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror}") from error
    if source.form:
        pieces = chain([text], iter(lambda: file.read(FIRST), b""))
        codec = codec_named(source.form)
        text = next(decompress(lambda _size: next(pieces, b""), codec, source.name, FIRST), b"")
    return text.removeprefix(BOM_UTF8).partition(b"\n")[0]


def _of_stream(
    source: Source, chunks: Iterator[tuple[int, bytes]], mapper_for: MapperFor | None
) -> Iterator[Split]:
    """Yield a stream's chunks as splits, with what counts it, as its first line says."""
    for number, (offset, data) in enumerate(chunks):
        if mapper_for and number == 0:
            line = data[:FIRST].partition(b"\n")[0]
            source = replace(source, mapper=mapper_for(source.name, line))
        yield Split(source, offset, offset + len(data), data)


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


def _cut(
    source: Source, file: BinaryIO, sizes: Iterator[int], max_line: int, tick: Tick
) -> Iterator[Split]:
    size, start = source.size or 0, source.start
    while start < size:
        target = start + next(sizes)
        end = (
            size if target >= size else min(size, _next_line(source, file, target, max_line, tick))
        )
        yield Split(source, start, end)
        start = end


def _next_line(source: Source, file: BinaryIO, offset: int, max_line: int, tick: Tick) -> int:
    """Return where the first line starts that does not start before ``offset``.

    It is the end of the file if there is none near: a line that is too long is told by the mapper,
    which sees it from its beginning.
    """
    position = offset - 1
    try:
        file.seek(position)
        while probe := file.read(_PROBE):
            newline = probe.find(b"\n")
            if newline >= 0:
                return position + newline + 1
            position += len(probe)
            if position - offset > max_line:
                return source.size or 0
            tick(0)
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror}") from error
    if source.size is not None and position < source.size:
        raise InputError(f"{source.name}: was truncated at byte {position} while it was being read")
    return position
