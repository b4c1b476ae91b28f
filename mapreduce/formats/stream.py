"""Turn pieces of bytes into whole lines: pieces of a stream, or of unpacked text."""

from __future__ import annotations

import os
import select
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from mapreduce.errors import InputError, named
from mapreduce.options import Tick

WAIT = 100
"""Milliseconds to wait for a stream before the next tick."""


def whole_lines(
    name: str, pieces: Iterable[bytes], start: int, max_line: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, whole lines); only the last line may have no line end.

    A byte order mark at the beginning is dropped. Raises ``InputError`` for a line of more than
    ``max_line`` bytes.
    """
    held, waiting = [b""], 0
    for number, piece in enumerate(pieces):
        is_marked = number == 0 and start == 0 and piece.startswith(BOM_UTF8)
        drop = len(BOM_UTF8) if is_marked else 0
        start, text = start + drop, piece[drop:]
        cut = text.rfind(b"\n") + 1
        _check_lines(name, start, waiting, text, max_line)
        if cut:
            data = b"".join([*held, memoryview(text)[:cut]])  # one copy, not two
            yield start, data
            start, held, waiting = start + len(data), [], 0
        held.append(text[cut:])
        waiting += len(text) - cut
    if rest := b"".join(held):
        yield start, rest


def _check_lines(name: str, start: int, held: int, text: bytes, max_line: int) -> None:
    """Raise if a line is too long. The first began at ``start``, ``held`` bytes before ``text``."""
    for line in text.split(b"\n") if len(text) > max_line else [text.partition(b"\n")[0]]:
        if held + len(line) > max_line:
            raise too_long(name, f"byte {start}", max_line)
        start, held = start + held + len(line) + 1, 0


def too_long(name: str, place: str, max_line: int) -> InputError:
    """Return the error for a line that is too long and begins at ``place`` of an input."""
    return InputError(
        f"{name}: {place}: a line of more than {max_line:,} bytes; "
        f"is this text? If so, allow longer lines with {named('max_line')}"
    )


def stream_pieces(name: str, file: BinaryIO, size: int, tick: Tick) -> Iterator[bytes]:
    """Yield a stream in pieces of ``size`` bytes (the last may be shorter); tick while it waits."""
    waiting = select.poll()  # select.select refuses a descriptor from 1024 on
    waiting.register(file, select.POLLIN)
    piece = bytearray()
    ended = False
    while not ended:
        tick(0)
        if not waiting.poll(WAIT):
            continue
        try:
            data = file.read(size - len(piece))
        except OSError as error:
            raise InputError(f"{name}: {error.strerror}") from error
        ended = data == b""  # it is None if there is no data yet
        piece += data or b""
        if piece and (ended or len(piece) >= size):
            yield bytes(piece)
            piece.clear()


def position_of(file: BinaryIO) -> int:
    """Return the current offset of a redirected file, or 0 for a pipe, which has none."""
    try:
        return os.lseek(file.fileno(), 0, os.SEEK_CUR)
    except OSError:
        return 0
