"""Make the mapper of each shape of lines: CSV, access logs, JSON, fields between a delimiter.

>>> access_log("path", "status", summed=("bytes",)).titles
('path', 'status')
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapreduce.kernel.json_lines import JsonLines, unescape
from mapreduce.kernel.json_path import parse_path
from mapreduce.kernel.shapes import AccessLog, Blanks, Chosen, Cut, Plain, Quoted
from mapreduce.mapping.shapes import ShapeMapper
from mapreduce.reducing.measures import ABSENT, Sum

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


def names_of(summed: int | str | Sequence[Any]) -> tuple[Any, ...]:
    """Return names or numbers as a tuple; a single one need not be in a list."""
    return (summed,) if isinstance(summed, int | str) else tuple(summed)


def access_log(
    *by: int | str, summed: int | str | Sequence[int | str] = (), width: int | None = None
) -> ShapeMapper:
    """Count the lines of an access log of Apache or nginx, in the common or the combined format.

    The names are those of ``ACCESS``: host, time, path, status, bytes, ...
    """
    named, shows = tuple(ACCESS.items()), tuple(iso_hour if one == "hour" else None for one in by)
    return ShapeMapper(AccessLog(), by, names_of(summed), width, named=named, shows=shows)


def blank_fields(
    *by: int | str, summed: int | str | Sequence[int | str] = (), width: int | None = None
) -> ShapeMapper:
    """Count lines by the numbers of fields between runs of blanks and tabs, as awk reads them."""
    return ShapeMapper(Blanks(), by, names_of(summed), width)


def csv_lines(
    *by: int | str,
    summed: int | str | Sequence[int | str] = (),
    delimiter: bytes = b",",
    header: bool = True,
    width: int | None = None,
    multiline: bool = False,
) -> ShapeMapper:
    r"""Count the lines of CSV files, with quotes as in RFC 4180; each has its own header.

    With ``multiline``, fields in quotes may hold line ends, each of which is ``\0`` in a key. One
    process then reads a file from its beginning to its end.
    """
    shape = Quoted(delimiter)
    return ShapeMapper(shape, by, names_of(summed), width, header, multiline=multiline)


def delimited_lines(
    *by: int | str,
    summed: int | str | Sequence[int | str] = (),
    delimiter: bytes = b" ",
    header: bool = True,
    width: int | None = None,
) -> ShapeMapper:
    """Count lines of fields between a delimiter of one byte or more; quotes mean nothing."""
    return ShapeMapper(Plain(delimiter), by, names_of(summed), width, header)


def json_lines(*by: str, summed: str | Sequence[str] = ()) -> ShapeMapper:
    """Count lines of JSON by the values at paths such as ``http.status`` or ``tags[0]``."""
    paths = tuple(dict.fromkeys((*by, *names_of(summed))))
    named = tuple((path, number) for number, path in enumerate(paths, start=1))
    shape = JsonLines(tuple(map(parse_path, paths)))
    sums = tuple(Sum(path, (*ABSENT, b"null")) for path in names_of(summed))
    shows = (unescape,) * len(by)
    return ShapeMapper(shape, by, names_of(summed), named=named, measures=sums, shows=shows)
