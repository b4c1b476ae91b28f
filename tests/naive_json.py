"""What Python's own decoder finds in a line of JSON: the oracle for every kernel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

MISSING: Final = object()
"""What a path leads to that leads to nothing."""


class Number(str):
    """The text of a number."""

    __slots__ = ()


def find_in_json(line: bytes, paths: Sequence[Sequence[str | int]]) -> list[Any] | None:
    """Return what each path leads to; ``None`` if the line is not JSON or that is no scalar."""
    try:
        document = json.loads(
            line.decode(), parse_int=Number, parse_float=Number, parse_constant=_refuse
        )
    except ValueError:
        return None
    found = [_follow(document, path) for path in paths]
    return None if any(isinstance(value, dict | list) for value in found) else found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _follow(document: Any, path: Sequence[Any]) -> Any:
    for step in path:
        try:
            document = document[step] if isinstance(document, dict | list) else MISSING
        except (LookupError, TypeError):
            return MISSING
    return document


def is_text_of(value: bytes, expected: Any) -> bool:
    """Return whether the bytes of a value stand for what Python's decoder found."""
    if expected is MISSING:
        return value == b""
    if isinstance(expected, Number):
        return value == expected.encode()
    if isinstance(expected, str) and not value.startswith(b'"'):
        return value.decode() == expected not in ("", "null")
    if isinstance(expected, str):
        return json.loads(value) == expected and (b"\\" in value or value in (b'""', b'"null"'))
    return value == json.dumps(expected).encode()
