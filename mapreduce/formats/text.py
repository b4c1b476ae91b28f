r"""Read plain text in ranges, each of which begins and ends with a line.

A range is read into one reused buffer, which grows only for a line longer than itself, so memory
does not depend on the size of a range. Files are never mapped: if a mapped file is truncated, the
process is killed by SIGBUS, whereas a short read can be reported.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final

from mapreduce.errors import InputError
from mapreduce.formats.format import (
    FIRST_LINE,
    PROBE,
    Block,
    Format,
    Head,
    MapperFor,
    Readable,
    choose_by_line,
    first_line_of,
    read_into,
    with_final_newline,
    without_empty_lines,
)
from mapreduce.formats.stream import too_long
from mapreduce.options import Tick

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

SEARCHED: Final = 64 << 10
"""Bytes of one read in search of a line end."""


class Text(Format):
    """Lines of text. An input that no other format recognises is text."""

    name: ClassVar[str] = "text"  # type: ignore[misc]
    is_plain: ClassVar[bool] = True

    def recognises(self, _head: bytes, /) -> bool:
        return True

    def inspect(self, _name: str, head: Head, /) -> tuple[int, bytes | None]:
        text = head.data.removeprefix(BOM_UTF8)
        start, text = len(head.data) - len(text), without_empty_lines(text)
        is_complete = head.is_whole or b"\n" in text or len(text) >= FIRST_LINE
        return start, first_line_of([text]) if is_complete else None

    def choose_mapper(
        self, source: Readable, mapper_for: MapperFor, tick: Tick, /
    ) -> tuple[Format, Mapper | None]:
        line = source.line
        if line is None:
            try:
                with source.open(tick=tick) as file:
                    file.seek(source.start)
                    line = first_line_of(iter(partial(file.read, PROBE), b""))
            except OSError as error:
                raise InputError(f"{source.name}: {error.strerror}") from error
        return self, choose_by_line(mapper_for, source.name, line)

    def cut(
        self,
        source: Readable,
        file: BinaryIO,
        sizes: Iterator[int],
        /,
        *,
        max_line: int,
        tick: Tick,
    ) -> Iterator[tuple[int, int]]:
        size, start = source.size or 0, source.start
        while start < size:
            end = min(size, _next_line(source, file, start + next(sizes), max_line, tick))
            yield start, end
            start = end

    def read(
        self, source: Readable, start: int, end: int, /, *, block_size: int, max_line: int
    ) -> Iterator[Block]:
        largest = max_line + 1  # the buffer can hold no longer line, and its newline
        buffer, held, position = bytearray(min(block_size, largest)), 0, start
        with source.open(end) as file:
            file.seek(position)
            while position < end:
                if held == len(buffer):
                    if held == largest:
                        raise too_long(source.name, f"byte {position - held}", max_line)
                    buffer += bytes(min(len(buffer), largest - len(buffer)))
                with memoryview(buffer) as view:
                    got = read_into(source, file, view[held : held + end - position], start, end)
                position += got
                filled = held + got
                cut = buffer.rfind(b"\n", held, filled) + 1
                if cut:
                    with memoryview(buffer) as view, view[:cut] as block:
                        yield Block(block, position - filled, cut)
                    buffer[: filled - cut] = buffer[cut:filled]
                held = filled - cut
        if held > max_line:
            raise too_long(source.name, f"byte {position - held}", max_line)
        if held:
            yield Block(with_final_newline(bytes(buffer[:held])), position - held, held)

    def unpack(
        self, pieces: Iterator[bytes], _name: str, _size: int, _depth: int, /
    ) -> Iterator[bytes]:
        return pieces


def _next_line(source: Readable, file: BinaryIO, offset: int, max_line: int, tick: Tick) -> int:
    """Return the first start of a line at or after ``offset``.

    Return the end of the file if no line starts nearby. A worker will report the line that is too
    long, because it reads the line from its beginning.
    """
    position = offset - 1
    try:
        file.seek(position)
        while probe := file.read(SEARCHED):
            newline = probe.find(b"\n")
            if newline >= 0:
                return position + newline + 1
            position += len(probe)
            if position - offset > max_line:
                return source.size or 0
            tick(0)
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror}") from error
    if position < (source.size or 0):
        raise InputError(
            f"{source.name}: was truncated at byte {position} while it was being read; run again"
        )
    return position
