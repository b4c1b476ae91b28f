r"""Read records of CSV whose fields hold line ends: extend a block until its quotes are closed.

A record becomes one line: each line end within quotes is replaced by ``STAND_IN``, so that bytes
keep their places. An input with such a byte is refused. Only who has read an input from its
beginning knows where a record ends, so one process reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from mapreduce.errors import InputError, named
from mapreduce.formats.format import Block
from mapreduce.formats.stream import too_long

STAND_IN: Final = b"\0"
"""Stands for a line end within quotes. No text holds this byte."""


def whole_records(
    name: str, texts: Iterable[tuple[int, bytes]], delimiter: bytes, max_line: int
) -> Iterator[tuple[int, bytes]]:
    """Take (byte offset, whole lines), yield (byte offset, whole records).

    A record whose quotes are never closed reaches to the end of the input. Raises ``InputError``
    for a record of more than ``max_line`` bytes without its end.
    """
    start, held = 0, b""
    for offset, text in texts:
        start, is_waiting = (start, True) if held else (offset, False)
        _check(name, offset, text)
        held += text
        if is_waiting and b'"' not in text:
            end = 0
        else:
            end = _end_of_records(held, delimiter)
        if end:
            yield start, held[:end]
            start, held = start + end, held[end:]
        if len(held) > max_line:
            raise too_long(name, f"byte {start}", max_line)
    if held:
        yield start, held


def joined_blocks(
    name: str, blocks: Iterator[Block], delimiter: bytes, max_line: int
) -> Iterator[Block]:
    """Yield blocks of whole records, each of which is one line."""
    read = 0

    def texts() -> Iterator[tuple[int, bytes]]:
        nonlocal read
        for block in blocks:
            read += block.size
            yield block.offset, bytes(block.view)

    for offset, text in whole_records(name, texts(), delimiter, max_line):
        yield Block(memoryview(_join(text, delimiter)), offset, read, is_joined=True)
        read = 0


@cache
def _field_in_quotes(delimiter: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a field in quotes; its group is the closing quote, if there is one."""
    before = rb"(?<![^%b\n])" % re.escape(delimiter)
    return re.compile(before + rb'"[^"]*+(?:""[^"]*+)*+("?)')


def _end_of_records(text: bytes, delimiter: bytes) -> int:
    """Return where the last record ends that is whole."""
    for found in _field_in_quotes(delimiter).finditer(text):
        if not found[1]:
            return _start_of_record(text, found.start(), delimiter)
    return len(text)


def _start_of_record(text: bytes, place: int, delimiter: bytes) -> int:
    """Return where the record begins that has a byte outside of quotes at this place."""
    return _join(text[:place], delimiter).rfind(b"\n") + 1


def _join(text: bytes, delimiter: bytes) -> bytes:
    """Return records as lines. Only the last line end remains of a record that is not closed."""
    last = text[-1:] if text.endswith(b"\n") else b""
    return _field_in_quotes(delimiter).sub(_without_line_ends, text.removesuffix(b"\n")) + last


def _without_line_ends(found: re.Match[bytes]) -> bytes:
    return found[0].replace(b"\n", STAND_IN)


def _check(name: str, offset: int, text: bytes) -> None:
    place = text.find(STAND_IN)
    if place >= 0:
        raise InputError(
            f"{name}: byte {offset + place}: is 0, which no text holds, and which "
            f"{named('multiline', True)} needs for line ends within quotes"
        )
