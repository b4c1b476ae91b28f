"""Malformed lines: the first ones for a person to see, and all of them for a file.

A worker writes those of each split into a part of its own in the spool, a private directory beside
the file to be. In the end the parts are joined in the order of the inputs. So they take no memory,
however many they are; and a split that is counted again, because its worker was killed, writes its
part again. As many lines must come out as the run has counted as malformed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mapreduce.errors import ConservationError, OutputError, UsageError, printable
from mapreduce.outputs.writers import LineWriter

EXCERPT: Final = 60
FIELDS: Final = ("file", "byte", "reason", "line")
_PIECE: Final = 1 << 20
_HEAD: Final = struct.Struct("=QQ")


@dataclass(frozen=True, slots=True)
class Reject:
    """One malformed line: in which input it stands, at which byte, why, and how it begins.

    ``index`` is the input's place among all inputs, ``name`` its path as a terminal may show it.
    ``unit`` is what ``offset`` counts, if not bytes: rows, of an input that has no lines.
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
    """Where the malformed lines of each split go until all of them are joined.

    A part is a row of pieces, each behind a head that tells its bytes and its lines.
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
        """Add malformed lines (offset, reason, whole line) to the part of a split.

        The split begins at byte ``start`` of the input ``index``, whose path is ``path``. An offset
        that does not count bytes is written with its ``unit``.
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
        """Forget what a killed worker has written of a split."""
        with self._blamed():
            self._part(index, start).unlink(missing_ok=True)

    def text(self, malformed: int) -> Iterator[bytes]:
        """Yield all parts in the order of the inputs, under a header if the format has one.

        Raises ``ConservationError`` at the end unless there were ``malformed`` lines.
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
                f"{malformed:,} malformed lines, but {written:,} of them could be written: "
                "some have been lost, or written twice; please report this"
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
            raise ConservationError("malformed lines were lost on their way; please report this")
        size -= len(piece)
        yield piece


@dataclass(frozen=True, slots=True)
class Budget:
    """How many malformed lines a run may have: a number, or a share of all lines."""

    text: str
    number: int | None = None
    share: tuple[int, int] | None = None  # of all lines, as a fraction

    @classmethod
    def of(cls, text: str | int) -> Budget:
        """Return the budget written ``N`` or ``P%``; raise ``UsageError`` if it is neither."""
        said = f"--max-malformed {text}"
        found = re.fullmatch(r"([0-9]{1,18})(?:(?:\.([0-9]{1,9}))?(%))?", str(text))
        if found is None:
            raise UsageError(f"{said}: must be a number of lines, or of per cent as in 0.1%")
        if not found[3]:
            return cls(said, number=int(found[1]))
        digits = found[2] or ""
        return cls(said, share=(int(found[1] + digits), 100 * 10 ** len(digits)))

    def holds(self, malformed: int, lines: int) -> bool:
        """Return whether so many of so many lines are within it."""
        if self.number is not None:
            return malformed <= self.number
        part, whole = self.share or (1, 1)
        return malformed * whole <= part * lines
