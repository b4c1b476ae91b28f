"""Count lines by values that have names: fields of CSV, of access logs, members of JSON.

``access_log``, ``blank_fields``, ``csv_lines``, ``delimited_lines`` and ``json_lines`` make the
mapper of each shape of lines.

>>> access_log("path", "status", summed=("bytes",)).titles
('path', 'status')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from mapreduce import kernel
from mapreduce.errors import UsageError, named, printable
from mapreduce.kernel import MARKED
from mapreduce.kernel.json_lines import JsonLines, unescape
from mapreduce.kernel.json_path import parse_path
from mapreduce.kernel.misshapen import Misshapen
from mapreduce.kernel.shaped import shape_table
from mapreduce.kernel.shapes import AccessLog, Blanks, Chosen, Cut, Plain, Quoted, Shape
from mapreduce.mapping.counting import TableMapper
from mapreduce.mapping.mapper import Mapper
from mapreduce.reducing.measures import Sum
from mapreduce.reducing.totals import Odd

JOINT: Final = b"\n"
"""Separates the values of a key; no value can hold it."""
COLUMN: Final = b"\x1f"
"""Separates the columns of a table that is not text; no value should hold it."""
ABSENT: Final = (b"", b"-")
"""Texts that mean a missing number, which adds 0 to a sum."""
ACCESS: Final[Mapping[str, Chosen]] = {
    "host": 1,
    "ident": 2,
    "user": 3,
    "time": 4,
    "request": 5,
    "status": 6,
    "bytes": 7,
    "referer": 8,
    "agent": 9,
    "method": Cut(5, until=b" "),
    "url": Cut(5, skip=1, until=b" "),
    "path": Cut(5, skip=1, until=b" ?"),
    "protocol": Cut(5, skip=2),
    "hour": Cut(4, length=14),
}
"""The fields of an access log and the parts of them that have names."""

_MONTHS: Final = {
    month: number
    for number, month in enumerate(
        b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1
    )
}
_HOUR: Final = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d)")


def iso_hour(value: bytes) -> bytes:
    """Return the hour of an access log in the form of ISO 8601; any other text stays as it is.

    >>> iso_hour(b"10/Oct/2000:13")
    b'2000-10-10T13'
    """
    found = _HOUR.fullmatch(value)
    if not found or found[2] not in _MONTHS:
        return value
    day, month, year, hour = found.groups()
    return b"%b-%02d-%bT%b" % (year, _MONTHS[month], day, hour)


@dataclass(frozen=True)
class ShapeMapper(TableMapper):
    """Counts lines of a ``shape`` by chosen values, and sums others; see the functions below.

    ``by`` and ``summed`` are the numbers of values, counted from 1, or their names. ``named`` has
    the names that all lines of the shape have. With ``header``, the first line of each input has
    the names. ``width`` is the number of values that a line must have. ``measures`` has one sum for
    each summed value, and ``titles`` one title for each column of the key; both have defaults.
    Raises ``ValueError`` for values that no line can have.
    """

    shape: Shape
    by: tuple[int | str, ...]
    summed: tuple[int | str, ...] = ()
    width: int | None = None
    header: bool = False
    named: tuple[tuple[str, Chosen], ...] = ()
    measures: tuple[Sum, ...] = ()
    titles: tuple[str, ...] = ()

    key_separator = JOINT
    column_separator = COLUMN

    def __post_init__(self) -> None:
        if not self.measures:
            sums = tuple(Sum(title(one), ABSENT) for one in self.summed)
            object.__setattr__(self, "measures", sums)
        if not self.titles:
            object.__setattr__(self, "titles", tuple(map(title, self.by)))
        if not self.needs_names:
            self.table()

    @property
    def needs_names(self) -> bool:
        """Whether the names of the values are not known before the first line of an input."""
        return self.header and any(isinstance(one, str) for one in (*self.by, *self.summed))

    @property
    def key_columns(self) -> int:  # type: ignore[override]
        """The number of values in a key."""
        return len(self.by)

    @property
    def odd(self) -> Odd:  # type: ignore[override]
        """How the values that the kernel cannot add stand behind a key."""
        return Odd(JOINT, len(self.by) - 1)

    @property
    def layout(self) -> str:  # type: ignore[override]
        """Which values of a line are counted, in words."""
        return f"{self.shape}: {', '.join(self.titles)}"

    @property
    def map_key(self) -> Callable[[bytes], bytes] | None:  # type: ignore[override]
        """The function that makes of a key what is shown; ``None`` if a key is shown as it is."""
        shows = tuple(self._show(one) for one in self.by)
        return ShownKey(shows) if any(shows) else None

    @property
    def looks_at(self) -> int:
        """Which new keys the combiner must see; of JSON, the kernel marks those to unescape."""
        return MARKED if isinstance(self.shape, JsonLines) else super().looks_at

    def table(self) -> kernel.Table:
        return shape_table(self.shape, self._keys, self._weights, self.width)

    def read_line(self, line: bytes, /) -> bytes | str:
        try:
            values = self.shape.split(line)
        except Misshapen as error:
            return str(error)
        cuts = [key if isinstance(key, Cut) else Cut(key) for key in self._keys]
        least = max(*(cut.field for cut in cuts), *self._weights, 0)
        if self.width is not None and len(values) != self.width:
            return f"{len(values)} fields where {self.width} are expected"
        if len(values) < least:
            return f"{len(values)} fields where at least {least} are expected"
        key = [cut.of(values[cut.field - 1]) for cut in cuts]
        return JOINT.join([*key, *(values[number - 1] for number in self._weights)])

    @property
    def skips_first_line(self) -> bool:  # type: ignore[override]
        """Whether the first line of each input is a header."""
        return self.header

    def for_first_line(self, line: bytes, /) -> Mapper:
        """Find the names in the header that the first line of an input is.

        Raises ``UsageError`` if the header does not have a name, or has it twice.
        """
        if not self.needs_names or not line:
            return self
        try:
            names = [name.decode("utf-8", "surrogateescape") for name in self.shape.split(line)]
        except Misshapen as error:
            raise UsageError(f"the header {error}") from error
        by, summed = (
            tuple(find_name(one, names) for one in ones) for ones in (self.by, self.summed)
        )
        found = zip((*self.by, *self.summed), (*by, *summed), strict=True)
        named = tuple((name, number) for name, number in found if isinstance(name, str))
        return replace(self, named=named)

    def for_columns(self, names: Sequence[str], /) -> tuple[tuple[str, ...], Mapper]:
        """Choose columns of a table that has columns ``names``; return them and their mapper."""
        if isinstance(self.shape, AccessLog):
            return super().for_columns(names)
        numbers = [one if isinstance(one, int) else find_name(one, names) for one in self._wanted]
        columns = tuple(names[number - 1] for number in numbers if number <= len(names))
        if len(columns) < len(numbers):
            raise UsageError(f"has no column {max(numbers)}; it has only {len(names)} columns")
        places = tuple(range(1, len(columns) + 1))
        columns = columns * 2 if len(columns) == 1 else columns
        by, summed = places[: len(self.by)], places[len(self.by) :]
        mapper = replace(
            self, shape=Plain(COLUMN), by=by, summed=summed, width=len(columns), header=False
        )
        return columns, mapper

    @property
    def _wanted(self) -> tuple[int | str, ...]:
        return (*self.by, *self.summed)

    @cached_property
    def _keys(self) -> tuple[Chosen, ...]:
        return tuple(self._find(one) for one in self.by)

    @cached_property
    def _weights(self) -> tuple[int, ...]:
        found = [(title(one), self._find(one)) for one in self.summed]
        parts = [name for name, chosen in found if isinstance(chosen, Cut)]
        if parts:
            raise ValueError(f"{parts[0]} is a part of a field, which cannot be summed")
        return tuple(chosen for _name, chosen in found if isinstance(chosen, int))

    def _find(self, one: int | str) -> Chosen:
        if isinstance(one, int):
            return one
        known = dict(self.named)
        if not known:
            header = f", or {named('header', True)} if the first line of each input has the names"
            hint = "" if isinstance(self.shape, Blanks) else header
            raise UsageError(f"these lines have no field {one!r}: give a number{hint}")
        if one not in known:
            raise ValueError(f"there is no {one!r}; the names are {', '.join(known)}")
        return known[one]

    def _show(self, one: int | str) -> Callable[[bytes], bytes] | None:
        if isinstance(self.shape, JsonLines):
            return unescape
        return iso_hour if one == "hour" and isinstance(self.shape, AccessLog) else None


@dataclass(frozen=True)
class ShownKey:
    """Makes of a key what is shown: it calls a function with each value that needs one."""

    shows: tuple[Callable[[bytes], bytes] | None, ...]

    def __call__(self, key: bytes, /) -> bytes:
        values = key.split(JOINT)
        return JOINT.join(
            show(value) if show else value for show, value in zip(self.shows, values, strict=True)
        )


def title(one: int | str) -> str:
    """Return the title of a column."""
    return one if isinstance(one, str) else f"Field{one}"


def find_name(one: int | str, names: Sequence[str]) -> int:
    """Return the number of the value with a name, as the names of a header say.

    Raises ``UsageError`` if there is none, or more than one.
    """
    if isinstance(one, int):
        return one
    stripped = [name.strip() for name in names]
    places = [n for n, name in enumerate(names, 1) if name == one] or [
        n for n, name in enumerate(stripped, 1) if name.casefold() == one.strip().casefold()
    ]
    if len(places) != 1:
        problem = "several columns" if places else "no column"
        shown = ", ".join(map(printable, names))
        raise UsageError(f"the header has {problem} {one!r}; it has {shown}")
    return places[0]


def access_log(
    *by: int | str, summed: Sequence[int | str] = (), width: int | None = None
) -> ShapeMapper:
    """Count the lines of an access log of Apache or nginx, in the common or the combined format.

    The names are those of ``ACCESS``: host, time, path, status, bytes, ...
    """
    return ShapeMapper(AccessLog(), by, tuple(summed), width, named=tuple(ACCESS.items()))


def blank_fields(
    *by: int | str, summed: Sequence[int | str] = (), width: int | None = None
) -> ShapeMapper:
    """Count lines by the numbers of fields between runs of blanks and tabs, as awk reads them."""
    return ShapeMapper(Blanks(), by, tuple(summed), width)


def csv_lines(
    *by: int | str,
    summed: Sequence[int | str] = (),
    delimiter: bytes = b",",
    header: bool = True,
    width: int | None = None,
) -> ShapeMapper:
    """Count the lines of CSV files, with quotes as in RFC 4180; each has its own header."""
    return ShapeMapper(Quoted(delimiter), by, tuple(summed), width, header)


def delimited_lines(
    *by: int | str,
    summed: Sequence[int | str] = (),
    delimiter: bytes = b" ",
    header: bool = True,
    width: int | None = None,
) -> ShapeMapper:
    """Count lines of fields between a delimiter of one byte or more; quotes mean nothing."""
    return ShapeMapper(Plain(delimiter), by, tuple(summed), width, header)


def json_lines(*by: str, summed: Sequence[str] = ()) -> ShapeMapper:
    """Count lines of JSON by the values at paths such as ``http.status`` or ``tags[0]``."""
    paths = tuple(dict.fromkeys((*by, *summed)))
    named = tuple((path, number) for number, path in enumerate(paths, start=1))
    shape = JsonLines(tuple(map(parse_path, paths)))
    sums = tuple(Sum(path, (b"", b"null")) for path in summed)
    return ShapeMapper(shape, by, tuple(summed), named=named, measures=sums)
