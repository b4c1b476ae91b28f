"""Guess what a malformed line is, for an error message that says what to do."""

from __future__ import annotations

import re
from typing import Final

_LOOKS: Final = (
    (rb"\s*[\[{].*[\]},]?\s*", "JSON"),
    (rb'(?:"[^"]*",)+.*|[^,\s]+(?:,[^,]*){2,}', "CSV: its fields stand between commas"),
    (rb"[^\t]*(?:\t[^\t]*)+", "fields between tabs"),
    (rb'\S+ \S+ \S+ \[[^\]]+\] ".*', "a web server's access log"),
    (rb"[^;]+(?:;[^;]*){2,}", "fields between semicolons"),
    (rb"(?:[\w.-]+=(?:\"[^\"]*\"|\S*)\s*){2,}", "logfmt: key=value pairs"),
    (rb"<[?!a-zA-Z].*", "XML or HTML"),
    (rb"[^|]+(?:\|[^|]*){2,}", "fields between bars (|)"),
)


def looks_like(line: bytes) -> str:
    """Return what a line looks like and perhaps what to do, or an empty text if it is unknown.

    >>> looks_like(b'{"dstport": 443}')
    'JSON'
    """
    line = line[:4096]
    return next((what for shape, what in _LOOKS if re.fullmatch(shape, line, re.DOTALL)), "")
