"""Paths into documents of JSON, and how a person writes them: ``http.status``, ``tags[0]``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

JsonPath: TypeAlias = tuple[str | int, ...]
"""The names of members and the indexes of elements, from the whole document to a value in it."""

MAX_DEPTH: Final = 1000
"""Arrays and objects that may stand within one another."""
MAX_PATHS: Final = 128
MAX_INDEX: Final = (1 << 32) - 2
_PLAIN: Final = re.compile(r'[^."\[\]]+')
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_INDEX: Final = re.compile(r"\[([0-9]{1,10})\]")


def parse_path(text: str) -> JsonPath:
    r"""Return the path that a text names.

    A dot stands between names, and an index in brackets behind what it is an index of. A name that
    contains a dot, a bracket or a quote is written as in JSON, in quotes. Raises ``ValueError`` for
    any other text.

    >>> parse_path('tags[0]."a.b".c')
    ('tags', 0, 'a.b', 'c')
    """
    steps: list[str | int] = []
    place = 0
    while place < len(text) or not steps:
        step, place = _parse_step(text, place, first=not steps)
        steps.append(step)
    return tuple(steps)


def _parse_step(text: str, place: int, *, first: bool) -> tuple[str | int, int]:
    """Return the step at a place, and where it ends."""
    if text.startswith("[", place):
        return _parse_index(text, place)
    if not first:
        if text[place] != ".":
            raise _wrong(text, place, "a dot or a bracket is missing")
        place += 1
    if text.startswith('"', place):
        return _parse_quoted(text, place)
    plain = _PLAIN.match(text, place)
    if plain is None:
        raise _wrong(text, place, "a name is missing")
    return plain[0], plain.end()


def _parse_index(text: str, place: int) -> tuple[int, int]:
    index = _INDEX.match(text, place)
    if index is None:
        raise _wrong(text, place, "an index is a number from 0 in brackets, like [0]")
    if int(index[1]) > MAX_INDEX:
        raise _wrong(text, place, f"the largest index is {MAX_INDEX}")
    return int(index[1]), index.end()


def _parse_quoted(text: str, place: int) -> tuple[str, int]:
    quoted = _QUOTED.match(text, place)
    if quoted is None:
        raise _wrong(text, place, "the quotes are not closed")
    try:
        return str(json.loads(quoted[0])), quoted.end()
    except ValueError:
        raise _wrong(text, place, "a name in quotes must be a string of JSON") from None


def _wrong(text: str, place: int, what: str) -> ValueError:
    return ValueError(f"`{text}` is no path into JSON: {what} at character {place + 1}")


def path_text(path: JsonPath) -> str:
    """Return how a person writes a path; ``parse_path`` reads it.

    >>> path_text(("tags", 0, "a.b", "c"))
    'tags[0]."a.b".c'
    """
    return "".join(map(_step_text, path)).removeprefix(".")


def _step_text(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f".{json.dumps(step, ensure_ascii=False)}"


def check_paths(paths: Sequence[JsonPath]) -> None:
    """Raise ``ValueError`` for paths that no document has, and for too many paths."""
    if len(paths) > MAX_PATHS:
        raise ValueError(f"choose at most {MAX_PATHS} paths, not {len(paths)}")
    for path in paths:
        if len(path) > MAX_DEPTH:
            raise ValueError(f"a path has at most {MAX_DEPTH:,} steps, not {len(path):,}")
        for step in path:
            if isinstance(step, int) and not 0 <= step <= MAX_INDEX:
                raise ValueError(f"an index is a number from 0 to {MAX_INDEX}, not {step}")
            if isinstance(step, str) and not _is_unicode(step):
                raise ValueError(f"the name {step!a} cannot be written as UTF-8")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
