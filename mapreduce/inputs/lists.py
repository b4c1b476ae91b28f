r"""Read a list: a file with the name of one input on each line. Only ``\n`` ends a name."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from typing import Final

from mapreduce.errors import UsageError, printable
from mapreduce.inputs.names import LIST_PREFIX

_OTHER_ENCODINGS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",  # must come first: it begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_list(path: str) -> Iterator[tuple[str, str]]:
    """Yield each name in a list, with the list and line it stands on. Skip empty lines.

    Raises ``UsageError`` if the list cannot be read or is not in UTF-8.
    """
    shown = f"{LIST_PREFIX}{printable(path)}"
    for number, name in enumerate(_lines(_text(path, shown)), start=1):
        where = f"{shown}, line {number}"
        if b"\0" in name:
            raise UsageError(
                f"{where}: has a NUL byte; newlines must end the names, so convert the list first: "
                r"tr '\0' '\n'"
            )
        if name:
            yield os.fsdecode(name), where


def _text(path: str, shown: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a Path drops a trailing slash
            text = file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise UsageError(f"{shown}: {reason}") from error
    for mark, encoding in _OTHER_ENCODINGS.items():
        if text.startswith(mark):
            raise UsageError(
                f"{shown}: is text in {encoding}; convert it first: iconv -f {encoding} -t UTF-8"
            )
    return text.removeprefix(codecs.BOM_UTF8)


def _lines(text: bytes) -> list[bytes]:
    r"""Return the lines of a list without their line ends.

    A ``\r`` before ``\n`` is part of the line end if all lines have one, else part of the name.
    """
    *ended, last = text.split(b"\n")
    if ended and all(line.endswith(b"\r") for line in ended):
        return [line.removesuffix(b"\r") for line in (*ended, last)]
    return [*ended, last]
