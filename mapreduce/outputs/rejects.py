"""Malformed lines: the first ones for a person to see, and all of them for a file.

A mapper writes those of each split into a spool, a private directory beside the file to be, as text
that only has to be joined in the order of the inputs. So they take no memory, however many they
are; and a split that is counted again, because its worker was killed, writes its part again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mapreduce.errors import OutputError, UsageError, printable
from mapreduce.outputs.table import csv_text

EXCERPT: Final = 60
FIELDS: Final = ("file", "byte", "reason", "line")
JSON_SUFFIXES: Final = (".json", ".jsonl", ".ndjson")
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Reject:
    """One malformed line: in which input it stands, at which byte, why, and how it begins.

    ``index`` is the input's place among all inputs, ``name`` its path as a terminal may show it.
    """

    index: int
    name: str
    path: str
    offset: int
    reason: str
    excerpt: bytes

    def __str__(self) -> str:
        text = printable(self.excerpt[:EXCERPT].decode(errors="backslashreplace"))
        more = "..." if len(self.excerpt) > EXCERPT else ""
        return f"{self.name}: byte {self.offset}: {printable(self.reason)}: {text}{more}"


@dataclass(frozen=True, slots=True)
class Spool:
    """Where the malformed lines of each split go until all of them are joined."""

    directory: Path
    as_json: bool

    def write(
        self, index: int, start: int, path: str, rejects: Iterable[tuple[int, str, bytes]]
    ) -> None:
        """Add malformed lines (byte offset, reason, whole line) to the part of a split.

        The split begins at byte ``start`` of the input ``index``, whose path is ``path``.
        """
        with self._blamed(), self._part(index, start).open("ab") as file:
            for offset, reason, line in rejects:
                text = line.decode(errors="surrogateescape")
                row = (path, offset, reason, text)
                file.write(_json_line(row) if self.as_json else csv_text([row]))

    def clear(self, index: int, start: int) -> None:
        """Forget what a killed worker has written of a split."""
        with self._blamed():
            self._part(index, start).unlink(missing_ok=True)

    def text(self) -> Iterator[bytes]:
        """Yield all parts in the order of the inputs, under a header if it is CSV."""
        if not self.as_json:
            yield csv_text([FIELDS])
        for part in sorted(self.directory.iterdir()):
            with part.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = printable(str(self.directory))
            raise OutputError(f"{where}: malformed lines: {error.strerror}") from error

    def _part(self, index: int, start: int) -> Path:
        return self.directory / f"{index:09}-{start:020}"


def _json_line(values: Iterable[str | int]) -> bytes:
    """Return an object on a line; bytes that are not UTF-8 are lone surrogates (PEP 383) in it."""
    import json  # noqa: PLC0415 - start-up counts

    return json.dumps(dict(zip(FIELDS, values, strict=True))).encode() + b"\n"


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
