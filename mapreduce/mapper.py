r"""The worker's side: read Splits in blocks of whole lines and count them.

Memory does not depend on the split's size: blocks are read into one reused buffer, which grows only
for a line longer than itself. Every line that reaches a combiner ends with ``\n``, which the last
line of a source is lent if it has none. Files are read, never mapped: a file truncated under a
mapping is a SIGBUS, a short read is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import BinaryIO, cast

from mapreduce.errors import InputError, TaskError
from mapreduce.job import Combiner, Mapper, Tally
from mapreduce.partial import EXCERPT, Partial, Reject
from mapreduce.split import Split, Tick

BLOCK = 256 << 10

_warm: dict[Mapper, Combiner] = {}
"""Combiners between two splits, so that a worker judges each key once. One is taken out while it
counts: what a failed split has left in it reaches no other."""


def map_split(
    split: Split,
    mapper: Mapper,
    *,
    block_size: int = BLOCK,
    wanted: int = 0,
    tick: Tick | None = None,
) -> Partial:
    """Count one split; see ``map_splits``."""
    return map_splits([split], mapper, block_size=block_size, wanted=wanted, tick=tick)


def map_splits(
    splits: Iterable[Split],
    mapper: Mapper,
    *,
    block_size: int = BLOCK,
    wanted: int = 0,
    tick: Tick | None = None,
) -> Partial:
    """Count splits into one partial; locate the first ``wanted`` malformed lines.

    ``tick`` is called with the size of each block in bytes. Raises ``InputError`` for a file that
    has become shorter or cannot be read any more.
    """
    combiner = _warm.pop(mapper, None) or mapper.start()
    lines = skipped = malformed = size = number = 0
    rejects: list[Reject] = []
    for split in splits:
        offset = split.start
        for block in read_blocks(split, block_size):
            tally = _map_block(combiner, block, wanted - len(rejects), split)
            lines, skipped = lines + tally.lines, skipped + tally.skipped
            malformed += tally.malformed
            rejects += (_reject(split, offset, block, *where) for where in tally.malformed_at)
            if tick:
                tick(min(len(block), split.end - offset))
            offset += len(block)
        size, number = size + split.size, number + 1
    counts, counted = combiner.drain()
    _warm[mapper] = combiner
    return Partial(
        counts,
        splits=number,
        size=size,
        lines=lines,
        counted=counted,
        skipped=skipped,
        malformed=malformed,
        rejects=tuple(rejects),
    )


def _map_block(combiner: Combiner, block: memoryview, wanted: int, split: Split) -> Tally:
    try:
        return combiner.map_block(block, wanted)
    except (Exception, SystemExit) as error:
        raise TaskError.of(str(split), error) from error


def cool() -> None:
    """Forget the warm combiners of this process."""
    _warm.clear()


def read_blocks(split: Split, block_size: int) -> Iterator[memoryview]:
    r"""Yield the split as blocks of whole lines; each is valid until the next one is asked for."""
    if split.data is not None:
        ended = split.data.endswith(b"\n")
        yield memoryview(split.data if ended else split.data + b"\n")
        return
    buffer, held, position = bytearray(block_size), 0, split.start
    with split.source.open() as file:
        file.seek(position)
        while position < split.end:
            if held == len(buffer):
                buffer += bytes(len(buffer))
            with memoryview(buffer) as view:
                got = _read(split, file, view[held : held + split.end - position])
            position += got
            filled = held + got
            cut = buffer.rfind(b"\n", held, filled) + 1
            if cut:
                with memoryview(buffer) as view, view[:cut] as block:
                    yield block
                buffer[: filled - cut] = buffer[cut:filled]
            held = filled - cut
    if held:
        yield memoryview(bytes(buffer[:held]) + b"\n")


def _read(split: Split, file: BinaryIO, view: memoryview) -> int:
    try:
        got = cast(RawIOBase, file).readinto(view) or 0
    except OSError as error:
        raise InputError(f"{split}: {error.strerror}") from error
    if not got:
        raise InputError(f"{split}: the file was truncated while it was being read; run again")
    return got


def _reject(split: Split, base: int, block: memoryview, offset: int, reason: str) -> Reject:
    excerpt, newline, _ = bytes(block[offset : offset + EXCERPT + 2]).partition(b"\n")
    excerpt = excerpt.removesuffix(b"\r") if newline else excerpt
    return Reject(split.source, base + offset, reason, excerpt)
