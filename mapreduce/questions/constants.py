"""Read the constants of a condition: numbers, texts in quotes, networks and patterns."""

from __future__ import annotations

import re
import warnings
from decimal import Decimal
from ipaddress import ip_network
from typing import Final

from mapreduce.questions.conditions import ESCAPES, Constant, Network
from mapreduce.questions.reader import Reader

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?![\w.:/])", re.ASCII)
_NETWORK: Final = re.compile(
    r"(?:[0-9]+(?:\.[0-9]+){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)(?:/[0-9]+)?(?![\w.:/])", re.ASCII
)
_TEXT: Final = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_SLASHES: Final = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def read_number(reader: Reader) -> Decimal | None:
    """Read a number, if one comes next."""
    found = reader.take(_NUMBER)
    return Decimal(found[0]) if found else None


def read_text(reader: Reader) -> bytes | None:
    """Read a text in quotes, if one comes next."""
    found = reader.take(_TEXT)
    if not found:
        return None
    raw = found[1] if found[1] is not None else found[2]
    unknown = [one for one in _ESCAPE.findall(raw) if one not in ESCAPES]
    if unknown:
        raise reader.wrong(
            f"in a text, \\{unknown[0]} means nothing; a backslash is \\\\", found.start()
        )
    text = _ESCAPE.sub(lambda escape: ESCAPES[escape[1]], raw)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise reader.wrong("the text cannot be written as UTF-8", found.start()) from error


def read_network(reader: Reader) -> Network | None:
    """Read an address or a network, if one comes next."""
    found = reader.take(_NETWORK)
    if not found:
        return None
    try:
        return ip_network(found[0])
    except ValueError as error:
        raise reader.wrong(f"{error}", found.start()) from error


def read_constant(reader: Reader) -> Constant:
    """Read a number, a text or a network. Raises ``UsageError`` for anything else."""
    for read in (read_network, read_number, read_text):
        constant: Constant | None = read(reader)
        if constant is not None:
            return constant
    raise reader.wrong("a number, a text in quotes, or a network such as 10.0.0.0/8 is missing")


def read_regex(reader: Reader) -> str:
    r"""Read a regular expression between slashes or quotes. Raises ``UsageError`` for none.

    Backslashes belong to the expression, but for ``\/`` and, in quotes, the quote.
    """
    reader.skip_blanks()
    place = reader.place
    found = reader.take(_SLASHES) or reader.take(_TEXT)
    if not found:
        raise reader.wrong("a regular expression between slashes is missing")
    quote = found[0][0]
    raw = next(group for group in found.groups() if group is not None)
    pattern = _ESCAPE.sub(lambda one: one[1] if one[1] in {"/", quote} else one[0], raw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python warns of what it may read in another way later
            re.compile(pattern)
    except (re.error, Warning, RecursionError, OverflowError) as error:
        raise reader.wrong(f"the regular expression cannot be read: {error}", place) from error
    return pattern
