"""Shapes of lines: how a line is split into values.

Each shape has a method ``split``, which is the reference for the native kernel and gives the reason
why a line is malformed. A line comes without its line end and is not empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple, Protocol

from mapreduce.kernel._pure import LONGEST_KEY, MAX_FIELD, MAX_FIELDS, MAX_WEIGHTS
from mapreduce.kernel.json_path import JsonPath
from mapreduce.kernel.misshapen import Misshapen

QUOTE: Final = b'"'
LEAST_ACCESS: Final = 7
"""The number of fields of the common log format."""
MAX_UNTIL: Final = 2
"""Bytes, each of which ends a part of a value."""
_BLANKS: Final = re.compile(rb"[ \t]+")


class Native(NamedTuple):
    """What the native kernel needs to know about a shape: which one it is, and its settings."""

    name: str
    delimiter: bytes = b" "
    least: int = 1
    paths: tuple[JsonPath, ...] = ()


class Shape(Protocol):
    """How a line is split into values.

    ``native`` is what the native kernel needs to know.
    """

    @property
    def native(self) -> Native:
        """The name of the shape, its delimiter, the least number of values, and paths into JSON."""

    def split(self, line: bytes, /) -> Sequence[bytes]:
        """Return the values of a line. Raises ``Misshapen`` if it does not have this shape."""


@dataclass(frozen=True)
class Cut:
    """A part of a value: what follows its ``skip``-th blank, up to one of the bytes ``until``.

    ``field`` is the number of the value. At most the first ``length`` bytes of the part are taken;
    0 means all of them. If the value has fewer blanks, the part is empty.

    >>> Cut(1, skip=1, until=b" ?").of(b"GET /index.html?page=2 HTTP/1.1")
    b'/index.html'
    """

    field: int
    skip: int = 0
    until: bytes = b""
    length: int = 0

    def of(self, value: bytes) -> bytes:
        """Return the part of a value."""
        for _ in range(self.skip):
            value = value.partition(b" ")[2]
        for byte in self.until:
            value = value.partition(bytes([byte]))[0]
        return value[: self.length] if self.length else value


Chosen = int | Cut
"""A value of a line by its number, counted from 1, or a part of it."""


def check_chosen(keys: Sequence[Chosen], weights: Sequence[int], width: int | None) -> None:
    """Raise ``ValueError`` for values that no line can have."""
    if not keys or len(keys) > MAX_FIELDS:
        raise ValueError(f"choose 1 to {MAX_FIELDS} fields to count by, not {len(keys)}")
    if len(weights) > MAX_WEIGHTS:
        raise ValueError(f"choose at most {MAX_WEIGHTS} fields to sum, not {len(weights)}")
    if width is not None and not 1 <= width <= MAX_FIELD:
        raise ValueError(f"lines may have 1 to {MAX_FIELD} fields, not {width}")
    for cut in (key for key in keys if isinstance(key, Cut)):
        if len(cut.until) > MAX_UNTIL:
            raise ValueError(f"a part of a value ends before one of at most {MAX_UNTIL} bytes")
        if not (0 <= cut.skip <= MAX_FIELD and 0 <= cut.length <= LONGEST_KEY):
            raise ValueError(f"{cut} skips or takes a number of bytes that no value has")
    last = MAX_FIELD if width is None else width
    numbers = [*(key.field if isinstance(key, Cut) else key for key in keys), *weights]
    if min(numbers) < 1 or max(numbers) > last:
        raise ValueError(f"the numbers of the fields must be 1 to {last}, not {numbers}")


@dataclass(frozen=True)
class Plain:
    """Fields between a delimiter of one byte or more; quotes mean nothing."""

    delimiter: bytes

    def __post_init__(self) -> None:
        if not self.delimiter or b"\n" in self.delimiter or b"\r" in self.delimiter:
            raise ValueError(
                f"the delimiter must not be empty or have a line end: {self.delimiter!r}"
            )

    @property
    def native(self) -> Native:
        return Native("plain", self.delimiter)

    def split(self, line: bytes, /) -> Sequence[bytes]:
        return line.split(self.delimiter)


@dataclass(frozen=True)
class Blanks:
    """Fields between runs of blanks and tabs, as in awk; those around the line mean nothing."""

    native: ClassVar = Native("blanks")

    def split(self, line: bytes, /) -> Sequence[bytes]:
        stripped = line.strip(b" \t")
        return _BLANKS.split(stripped) if stripped else []


@dataclass(frozen=True)
class Quoted:
    """Fields between one byte, in quotes where they hold it: CSV and TSV.

    A field that begins with a quote ends with one, and two quotes within it mean one. A quote
    elsewhere means itself. Source: RFC 4180.
    """

    delimiter: bytes

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in b'\r\n"':
            raise ValueError(
                f"the delimiter must be one byte, no quote and no line end: {self.delimiter!r}"
            )

    @property
    def native(self) -> Native:
        return Native("quoted", self.delimiter)

    def split(self, line: bytes, /) -> Sequence[bytes]:
        if QUOTE not in line:
            return line.split(self.delimiter)
        values, place = list[bytes](), 0
        while place <= len(line):
            if line[place : place + 1] == QUOTE:
                value, place = self._quoted(line, place, len(values) + 1)
            else:
                end = line.find(self.delimiter, place)
                end = len(line) if end < 0 else end
                value, place = line[place:end], end
            values.append(value)
            place += 1
        return values

    def _quoted(self, line: bytes, start: int, number: int) -> tuple[bytes, int]:
        """Return the value of a field in quotes, and where the field ends."""
        end = start + 1
        while (end := line.find(QUOTE, end)) >= 0 and line[end + 1 : end + 2] == QUOTE:
            end += 2
        if end < 0:
            raise Misshapen(
                f"the quotes of field {number} are not closed in this line; "
                "if a field holds a line end, use --multiline"
            )
        if line[end + 1 : end + 2] not in (b"", self.delimiter):
            raise Misshapen(f"field {number} goes on after its closing quote")
        return line[start + 1 : end].replace(b'""', QUOTE), end + 1


@dataclass(frozen=True)
class AccessLog:
    r"""The fields of the common and the combined log format of Apache and nginx.

    A blank separates fields. A field in ``[`` and ``]`` or in quotes may hold blanks; a backslash
    in quotes escapes the byte after it. Values have no brackets and quotes; escapes stay as they
    are. The time, field 4, is in brackets, and the request, field 5, in quotes.
    """

    native: ClassVar = Native("access", least=LEAST_ACCESS)

    def split(self, line: bytes, /) -> Sequence[bytes]:
        values, place = list[bytes](), 0
        while place <= len(line):
            first = line[place : place + 1]
            self._check_first(len(values) + 1, first)
            end = _END_OF_FIELD.get(first, _END_OF_PLAIN).match(line, place)
            if end is None:
                raise Misshapen(
                    f"field {len(values) + 1} begins with {first.decode()} and does not end"
                )
            values.append(end[1])
            place = end.end() + 1
            if line[place - 1 : place] not in (b"", b" "):
                closing = line[place - 2 : place - 1].decode()
                raise Misshapen(f"field {len(values)} goes on after its closing {closing}")
        if len(values) < LEAST_ACCESS:
            raise Misshapen(f"{len(values)} fields where at least {LEAST_ACCESS} are expected")
        return values

    def _check_first(self, number: int, first: bytes) -> None:
        wanted = {4: b"[", 5: QUOTE}.get(number, first)
        if first != wanted:
            what = "time" if number == 4 else "request"
            raise Misshapen(f"field {number}, the {what}, does not begin with {wanted.decode()}")


_END_OF_PLAIN: Final = re.compile(rb"([^ ]*)")
_END_OF_FIELD: Final = {
    b"[": re.compile(rb"\[([^\]]*)\]"),
    QUOTE: re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL),
}
