"""Lines of JSON: the values at chosen paths. The native kernel's scan (_json.h) does the same.

A value is bytes without a newline. A number, ``true``, ``false`` and ``null`` are their text in the
line. A string is what stands between its quotes, as long as that cannot be mistaken: a string that
has a backslash, is empty or is ``null`` keeps its quotes. A value that is missing is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mapreduce.kernel.json_path import MAX_DEPTH, JsonPath, check_paths, path_text
from mapreduce.kernel.misshapen import Misshapen
from mapreduce.kernel.shapes import Native

_FEW: Final = 100
"""Brackets of a line that Python's decoder may read: it recurses, and the stack has an end."""
_PLAIN: Final = rb'[^"\\\x00-\x1f]*+'
_ESCAPE: Final = rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_ANY_ESCAPE: Final = re.compile(rb'\\(["\\/bfnrt]|u[0-9a-fA-F]{4}|)')
_NAME_WITH_ESCAPE: Final = re.compile(rb'\\.[^"\\]*"[ \t\r]*:')
_STRING: Final = rb'"' + _PLAIN + rb"(?:" + _ESCAPE + _PLAIN + rb")*+"
_NUMBER: Final = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?"
_TOKEN: Final = re.compile(
    rb"[ \t\r]*+([\[\]{}:,]|" + _STRING + rb'"|' + _NUMBER + rb"|true|false|null)"
)
_BLANKS: Final = re.compile(rb"[ \t\r]*+")
_BROKEN_STRING: Final = re.compile(_STRING)

_VALUE: Final = b'{["-0123456789tfn'
_ALLOWED: Final = {
    "a value": _VALUE,
    "a value or ]": _VALUE + b"]",
    "a name in quotes": b'"',
    "a name in quotes or }": b'"}',
    "a colon": b":",
    "a comma or ]": b",]",
    "a comma or }": b",}",
    "the end of the line": b"",
}
"""What may come next, and the first bytes that it can have."""


@dataclass(frozen=True)
class JsonLines:
    """Lines that are a document of JSON each (RFC 8259), and the paths to their values.

    Of members with the same name, the last one counts. Names are compared after their escapes are
    resolved. A path that leads to nothing gives an empty value.

    >>> JsonLines((("http", "status"), ("tags", 0))).split(b'{"http": {"status": 200}}')
    [b'200', b'']
    """

    paths: tuple[JsonPath, ...]

    def __post_init__(self) -> None:
        check_paths(self.paths)

    @property
    def native(self) -> Native:
        return Native("json", least=len(self.paths), paths=self.paths)

    def split(self, line: bytes, /) -> list[bytes]:
        """Return the value at each path.

        Raises ``Misshapen`` if the line is no document of JSON, or if a path leads to an object or
        an array.
        """
        document = _decode(line)
        return [_value_at(document, path) for path in self.paths]


def unescape(value: bytes) -> bytes:
    r"""Return how a value is shown.

    A string that kept its quotes is shown as its text. It stays JSON in quotes where its text could
    be mistaken for something else: if it is empty or ``null``, begins with a quote, or has a
    control character or half of a surrogate pair.

    >>> unescape(rb'"caf\u00e9"').decode(), unescape(b'"null"'), unescape(b"null")
    ('café', b'"null"', b'null')
    """
    if not value.startswith(b'"'):
        return value
    text: str = json.loads(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        return json.dumps(text).encode()
    if text in ("", "null") or text[0] == '"' or min(text) < " ":
        return json.dumps(text, ensure_ascii=False).encode()
    return text.encode()


class _Number(str):
    """The text of a number."""

    __slots__ = ()


def _refuse(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


_decoder: Final = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse)


def _decode(line: bytes) -> Any:
    """Return the document of a line.

    A scalar in it is bytes, its text in the line, or what Python's decoder makes of it. That one is
    fast, but its reasons are not ours, and it resolves escapes; so they are escaped first.
    """
    if line.count(b"[") + line.count(b"{") <= _FEW and not _NAME_WITH_ESCAPE.search(line):
        try:
            return _decoder.decode(_ANY_ESCAPE.sub(_escape_twice, line).decode())
        except ValueError:
            return _parse(line)  # which says why
    return _parse(line)


def _escape_twice(escape: re.Match[bytes]) -> bytes:
    """Return an escape that stands for the text of an escape."""
    if not escape[1]:
        raise ValueError("an unknown escape")
    return b"\\\\" + (b"\\" + escape[1] if escape[1] in b'\\"' else escape[1])


def _value_at(document: Any, path: JsonPath) -> bytes:
    """Return the value that a path leads to, or an empty one if there is nothing."""
    here = document
    for step in path:
        if isinstance(step, str):
            if not isinstance(here, dict) or step not in here:
                return b""
        elif not isinstance(here, list) or step >= len(here):
            return b""
        here = here[step]
    if isinstance(here, dict):
        raise Misshapen(f"{_place_text(path)} is an object; name a path inside it")
    if isinstance(here, list):
        raise Misshapen(f"{_place_text(path)} is an array; name an element of it, like [0]")
    return _scalar_text(here)


def _place_text(path: JsonPath) -> str:
    return f"`{path_text(path)}`" if path else "the whole line"


def _scalar_text(scalar: bytes | str | bool | None) -> bytes:
    if isinstance(scalar, _Number):
        return scalar.encode()
    if scalar is None or isinstance(scalar, bool):
        return {None: b"null", True: b"true", False: b"false"}[scalar]
    text = scalar if isinstance(scalar, bytes) else b'"%b"' % scalar.encode()
    if not text.startswith(b'"') or text in (b'""', b'"null"') or b"\\" in text:
        return text
    return text[1:-1]


def _parse(line: bytes) -> Any:
    """Return the document of a line, in which a scalar is its text in the line."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise _invalid("the bytes are not UTF-8", error.start) from None
    root: list[Any] = []
    around: list[Any] = [root]
    expected, name = "a value", ""
    for token, place in _tokens(line):
        if token[0] not in _ALLOWED[expected]:
            raise _invalid(f"{expected} was expected", place)
        if expected.startswith("a name") and token != b"}":
            name, expected = json.loads(token), "a colon"
        elif token == b":":
            expected = "a value"
        elif token == b",":
            expected = "a value" if isinstance(around[-1], list) else "a name in quotes"
        else:
            _take(token, around, name)
            if len(around) > MAX_DEPTH + 1:
                raise _invalid(f"more than {MAX_DEPTH:,} brackets are open", place)
            expected = _after(token, around)
    if expected != "the end of the line":
        raise _invalid(f"{expected} was expected", len(line))
    return root[0]


def _take(token: bytes, around: list[Any], name: str) -> None:
    """Add a value to the innermost array or object, or close that."""
    if token in b"]}":
        around.pop()
        return
    value: Any = {b"{": {}, b"[": []}.get(token, token)
    if isinstance(around[-1], list):
        around[-1].append(value)
    else:
        around[-1][name] = value
    if token in b"[{":
        around.append(value)


def _after(token: bytes, around: list[Any]) -> str:
    """Return what is expected after a value, or after a bracket."""
    if token in b"[{":
        return "a value or ]" if token == b"[" else "a name in quotes or }"
    if len(around) == 1:
        return "the end of the line"
    return "a comma or ]" if isinstance(around[-1], list) else "a comma or }"


def _tokens(line: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the tokens of a line, and where they are."""
    place = 0
    while token := _TOKEN.match(line, place):
        yield token[1], token.start(1)
        place = token.end()
    blanks = _BLANKS.match(line, place)
    place = blanks.end() if blanks else place
    if place == len(line):
        return
    if line[place : place + 1] != b'"':
        raise _invalid("a value, a bracket, a comma or a colon was expected", place)
    broken = _BROKEN_STRING.match(line, place)
    place = broken.end() if broken else place
    if place == len(line):
        raise _invalid("the quotes of a string are not closed", place)
    escape = line[place : place + 1] == b"\\"
    raise _invalid(
        f"a string has {'an unknown escape' if escape else 'a control character'}", place
    )


def _invalid(what: str, place: int) -> Misshapen:
    return Misshapen(f"is not valid JSON: {what} at byte {place + 1}")
