"""Malformed lines: the first few to show to the user, and all of them for a file.

A worker writes the malformed lines of each split into a file of their own, a part, in the spool: a
private directory beside the final file. At the end the parts are joined in the order of the inputs.
So any number of malformed lines needs no memory. If a worker is killed, its split is counted again
and its part is written again. The number of lines written must equal the number of malformed lines
that the run counted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mapreduce.errors import ConservationError, OutputError, printable
from mapreduce.outputs.writers import LineWriter

EXCERPT: Final = 60
FIELDS: Final = ("file", "byte", "reason", "line")
_PIECE: Final = 1 << 20
_HEAD: Final = struct.Struct("=QQ")


@dataclass(frozen=True, slots=True)
class Reject:
    """One malformed line: its input, its offset, the reason, and its first bytes.

    ``index`` is the number of the input among all inputs. ``name`` is the path of the input in a
    form that is safe to print. ``unit`` is what ``offset`` counts: bytes, or the rows of an input
    without lines.
    """

    index: int
    name: str
    path: str
    offset: int
    reason: str
    excerpt: bytes
    unit: str = "byte"

    def __str__(self) -> str:
        text = printable(self.excerpt[:EXCERPT].decode(errors="backslashreplace"))
        more = "..." if len(self.excerpt) > EXCERPT else ""
        return f"{self.name}: {self.unit} {self.offset}: {printable(self.reason)}: {text}{more}"


@dataclass(frozen=True, slots=True)
class Spool:
    """The directory that holds the malformed lines of each split until they are joined.

    A part is a sequence of pieces. Before each piece stand its number of bytes and of lines.
    """

    directory: Path
    writer: LineWriter
    excel_safe: bool = False

    def write(
        self,
        index: int,
        start: int,
        path: str,
        rejects: Iterable[tuple[int, str, bytes]],
        unit: str = "byte",
    ) -> None:
        """Append malformed lines (offset, reason, whole line) to the part of a split.

        The split begins at byte ``start`` of input number ``index``, whose path is ``path``. An
        offset that counts something other than bytes is written with its ``unit``.
        """
        rows = [
            (
                path,
                offset if unit == "byte" else f"{unit} {offset}",
                reason,
                line.decode(errors="surrogateescape"),
            )
            for offset, reason, line in rejects
        ]
        text = self.writer.lines(FIELDS, rows, excel_safe=self.excel_safe)
        with self._blamed(), self._part(index, start).open("ab") as file:
            file.write(_HEAD.pack(len(text), len(rows)) + text)

    def clear(self, index: int, start: int) -> None:
        """Delete the part that a killed worker may have begun for a split."""
        with self._blamed():
            self._part(index, start).unlink(missing_ok=True)

    def text(self, malformed: int) -> Iterator[bytes]:
        """Yield the header, if the format has one, and all parts in the order of the inputs.

        Raises ``ConservationError`` at the end unless the parts held ``malformed`` lines.
        """
        yield self.writer.head(FIELDS, excel_safe=self.excel_safe)
        written = 0
        for part in sorted(self.directory.iterdir()):
            with part.open("rb") as file:
                while head := file.read(_HEAD.size):
                    size, lines = _HEAD.unpack(head)
                    yield from _read(file, size)
                    written += lines
        if written != malformed:
            raise ConservationError(
                f"{malformed:,} malformed lines were counted, but {written:,} of them were "
                "written: some were lost or written twice; please report this"
            )

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = printable(str(self.directory))
            raise OutputError(f"{where}: malformed lines: {error.strerror}") from error

    def _part(self, index: int, start: int) -> Path:
        return self.directory / f"{index:09}-{start:020}"


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        piece = file.read(min(size, _PIECE))
        if not piece:
            raise ConservationError(
                "malformed lines were lost: a part of the spool ends early; please report this"
            )
        size -= len(piece)
        yield piece
