r"""A split in blocks of whole lines, whatever it is: a range of a file, data, or a compressed file.

Memory does not depend on the split's size. A range is read into one reused buffer, which grows only
for a line longer than itself. Every line ends with ``\n``, which the last line of a source is lent
if it has none. Files are read, never mapped: a file truncated under a mapping is a SIGBUS, a short
read is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from io import RawIOBase
from typing import BinaryIO, NamedTuple, cast

from mapreduce.errors import InputError
from mapreduce.formats.compressed import PIECE, ahead, codec_named, decompress
from mapreduce.formats.stream import MAX_LINE, too_long, whole_lines
from mapreduce.inputs.sources import PARQUET
from mapreduce.splits.split import Split


class Block(NamedTuple):
    """Whole lines, valid until the next block is asked for.

    ``offset`` is where they begin in the source's text, ``size`` how many bytes of the source have
    been read for them.
    """

    view: memoryview
    offset: int
    size: int


def read_blocks(split: Split, block_size: int, max_line: int = MAX_LINE) -> Iterator[Block]:
    r"""Yield the blocks of a split, of about ``block_size`` bytes if it is a range of a file.

    Raises ``InputError`` for a line of more than ``max_line`` bytes, its ``\n`` not counted, and
    for a file that has become shorter, is damaged, or cannot be read any more.
    """
    if split.data is not None:
        yield Block(_ended(split.data), split.start, split.size)
    elif split.source.form == PARQUET:
        yield from _read_parquet(split)
    elif split.source.form:
        yield from _read_compressed(split, max_line)
    else:
        yield from _read_range(split, block_size, max_line)


def _ended(data: bytes) -> memoryview:
    return memoryview(data if data.endswith(b"\n") else data + b"\n")


def _read_range(split: Split, block_size: int, max_line: int) -> Iterator[Block]:
    largest = max_line + 1  # so no longer line is in any buffer
    buffer, held, position = bytearray(min(block_size, largest)), 0, split.start
    with split.source.open(split.end) as file:
        file.seek(position)
        while position < split.end:
            if held == len(buffer):
                if held == largest:
                    raise too_long(split.source, position - held, max_line)
                buffer += bytes(min(len(buffer), largest - len(buffer)))
            with memoryview(buffer) as view:
                got = _read(split, file, view[held : held + split.end - position])
            position += got
            filled = held + got
            cut = buffer.rfind(b"\n", held, filled) + 1
            if cut:
                with memoryview(buffer) as view, view[:cut] as block:
                    yield Block(block, position - filled, cut)
                buffer[: filled - cut] = buffer[cut:filled]
            held = filled - cut
    if held > max_line:
        raise too_long(split.source, position - held, max_line)
    if held:
        yield Block(_ended(bytes(buffer[:held])), position - held, held)


def _read(split: Split, file: BinaryIO, view: memoryview) -> int:
    try:
        got = cast(RawIOBase, file).readinto(view) or 0
    except OSError as error:
        raise InputError(f"{split}: {error.strerror}") from error
    if not got:
        raise InputError(f"{split}: the file was truncated while it was being read; run again")
    return got


def _read_compressed(split: Split, max_line: int) -> Iterator[Block]:
    """Yield the blocks of a whole compressed file, as long as it was when it was found."""
    source, taken, told = split.source, 0, 0

    def read(size: int) -> bytes:
        nonlocal taken
        buffer = bytearray(min(size, split.end - taken))
        got = _read(split, file, memoryview(buffer)) if buffer else 0
        taken += got
        return bytes(buffer[:got])

    with source.open() as file:
        codec = codec_named(source.form)
        pieces = ahead(decompress(read, codec, source.name, min(PIECE, max_line + 1)))
        with closing(pieces):  # the thread ends before the file is closed
            for offset, data in whole_lines(source, pieces, 0, max_line):
                yield Block(_ended(data), offset, taken - told)
                told = taken


def _read_parquet(split: Split) -> Iterator[Block]:
    """Yield rows as lines; where they begin is counted in such lines from the split's start."""
    from mapreduce.formats import parquet  # noqa: PLC0415 - pyarrow is optional

    offset = 0
    for view in parquet.read_rows(split.source, split.start, split.end):
        if view:
            yield Block(view, offset, 0)
            offset += len(view)
