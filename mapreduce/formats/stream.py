"""What comes in pieces, as whole lines: a stream that the parent reads, or a decompressed file."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from mapreduce.errors import InputError
from mapreduce.formats.compressed import decompress, find_codec
from mapreduce.inputs.sources import HEAD, Source, first_line

MAX_LINE = 64 << 20
"""Bytes of the longest line that is accepted by default."""

Tick = Callable[[int], None]
"""Called with the bytes finished since the last call, at least ten times a second; may raise."""


def read_stream(
    source: Source, file: BinaryIO, size: int, max_line: int, tick: Tick
) -> Iterator[tuple[int, bytes]]:
    """Yield a stream, compressed or not, in whole lines, about ``size`` bytes at a time."""
    start, pieces = _position(file), _pieces(source, file, size, tick)
    first = next(pieces, b"")
    pieces = chain([first] if first else [], pieces)
    if codec := find_codec(first[:HEAD]):
        raw = pieces
        pieces = decompress(lambda _size: next(raw, b""), codec, source.name, size)
        start = 0
    yield from whole_lines(source, pieces, start, max_line)


def whole_lines(
    source: Source, pieces: Iterable[bytes], start: int, max_line: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, whole lines) of what comes in pieces; the last one may have no end.

    A byte order mark is dropped. Raises ``InputError`` for a line of more than ``max_line`` bytes.
    """
    held, waiting = [b""], 0
    for number, piece in enumerate(pieces):
        drop = first_line(source.name, piece[:HEAD]) if number == 0 and start == 0 else 0
        start, text = start + drop, piece[drop:]
        cut = text.rfind(b"\n") + 1
        _check_lines(source, start, waiting, text, max_line)
        if cut:
            data = b"".join([*held, memoryview(text)[:cut]])  # one copy, not two
            yield start, data
            start, held, waiting = start + len(data), [], 0
        held.append(text[cut:])
        waiting += len(text) - cut
    if rest := b"".join(held):
        yield start, rest


def _check_lines(source: Source, start: int, held: int, text: bytes, max_line: int) -> None:
    """Raise if a line is too long; the first one began at ``start``, ``held`` bytes before."""
    for line in text.split(b"\n") if len(text) > max_line else [text.partition(b"\n")[0]]:
        if held + len(line) > max_line:
            raise too_long(source, start, max_line)
        start, held = start + held + len(line) + 1, 0


def too_long(source: Source, start: int, max_line: int) -> InputError:
    """Return the error of a line that begins at a byte of a source."""
    return InputError(
        f"{source.name}: byte {start}: a line of more than {max_line:,} bytes; "
        "is this text? If so, allow longer ones with --max-line"
    )


def _pieces(source: Source, file: BinaryIO, size: int, tick: Tick) -> Iterator[bytes]:
    """Yield a stream's bytes in pieces of ``size``, the last one shorter; never block for long."""
    piece = bytearray()
    ended = False
    while not ended:
        tick(0)
        if not select.select([file], [], [], 0.1)[0]:
            continue
        try:
            data = file.read(size - len(piece))
        except OSError as error:
            raise InputError(f"{source.name}: {error.strerror}") from error
        ended = data == b""  # None: nothing there yet
        piece += data or b""
        if piece and (ended or len(piece) >= size):
            yield bytes(piece)
            piece.clear()


def _position(file: BinaryIO) -> int:
    """Return the offset that ``< file`` was left at, or 0 where there is none."""
    try:
        return os.lseek(file.fileno(), 0, os.SEEK_CUR)
    except OSError:
        return 0
