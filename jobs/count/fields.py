"""Read which fields to count by, as a person writes them on a command line."""

from __future__ import annotations

import codecs
import re
from typing import Final

from mapreduce import UsageError, named, printable

_PART: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_NUMBER: Final = re.compile("[0-9]{1,7}")


def parse_by(option: str, text: str) -> tuple[int | str, ...]:
    """Return the numbers and names that stand in a text, with commas between them.

    A name in quotes may hold commas, or be a number. Raises ``UsageError`` for an empty name and
    for quotes that are not closed.
    """
    parts = _PART.findall(text)
    if ",".join(parts) != text or not parts:
        raise UsageError(
            f"{named(option, printable(text))}: write names or numbers with commas between them"
        )
    return tuple(int(part) if _NUMBER.fullmatch(part) else part.strip() for part in parts)


def without_quotes(name: int | str) -> int | str:
    """Return a name without the quotes around it."""
    if isinstance(name, str) and len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1].replace('""', '"')
    return name


def parse_delimiter(text: str) -> bytes:
    r"""Return the delimiter that a text names: the text itself, or an escape such as ``\t``.

    A single ``\`` is not an escape but the delimiter itself.
    """
    try:
        byte = codecs.decode(text, "unicode_escape") if text[:1] == "\\" and text[1:] else text
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{named('delimiter', text)}: is not a valid escape; write \\t for a tab"
        ) from error
    return byte.encode("utf-8", "surrogateescape")


def parse_fields(text: str) -> tuple[int, ...]:
    """Return the field numbers that ``7,8``, ``2-4``, ``-2`` (1 to 2) or ``3-`` stand for.

    ``3-`` means all fields from 3 to the end of the line; it becomes -3 and must come last. Raises
    ``UsageError`` for any other text.
    """
    numbers: list[int] = []
    parts = text.split(",")
    for place, part in enumerate(parts, start=1):
        first, dash, last = part.partition("-")
        ends = [first or last, last or first]
        if not all(end.isascii() and end.isdigit() and len(end) < 8 for end in ends):
            raise UsageError(f"{named('fields', text)}: write numbers from 1, such as 7,8 or 2-4")
        start, stop = int(first or 1), int(last or first)
        if dash and not last:
            if place < len(parts):
                raise UsageError(f"{named('fields', text)}: {part} must be the last one")
            numbers.append(-start)
        elif stop < start or stop - start > 1000:
            raise UsageError(
                f"{named('fields', text)}: {part} is not a range: write the lower number "
                "first, and at most 1,000 fields"
            )
        else:
            numbers += range(start, stop + 1)
    return tuple(numbers)
