r"""Read a list: a file that holds the names of inputs, one a line. Only ``\n`` ends a name."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from typing import Final

from mapreduce.errors import UsageError, printable

LIST: Final = "@"
"""How the name of a list begins where inputs are named."""
_FOREIGN: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",  # which begins with that of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_list(path: str) -> Iterator[tuple[str, str]]:
    """Yield each name in a list and where it stands; skip empty lines.

    Raises ``UsageError`` for a list that cannot be read, and for one that is no UTF-8.
    """
    shown = f"{LIST}{printable(path)}"
    for number, name in enumerate(_lines(_text(path, shown)), start=1):
        where = f"{shown}, line {number}"
        if b"\0" in name:
            raise UsageError(
                f"{where}: has a NUL byte; names end with line ends, so convert the list first: "
                r"tr '\0' '\n'"
            )
        if name:
            yield os.fsdecode(name), where


def _text(path: str, shown: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a Path drops what is at its end
            text = file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise UsageError(f"{shown}: {reason}") from error
    for mark, encoding in _FOREIGN.items():
        if text.startswith(mark):
            raise UsageError(
                f"{shown}: is text in {encoding}; convert it first: iconv -f {encoding} -t UTF-8"
            )
    return text.removeprefix(codecs.BOM_UTF8)


def _lines(text: bytes) -> list[bytes]:
    r"""Return the lines of a list without their ends, which are ``\r\n`` if all lines end so.

    Otherwise a ``\r`` belongs to the name.
    """
    *ended, last = text.split(b"\n")
    if ended and all(line.endswith(b"\r") for line in ended):
        return [line.removesuffix(b"\r") for line in (*ended, last)]
    return [*ended, last]
