r"""Let a regular expression search all lines of a block at once.

``re`` can search a block of lines as one text, and finds in each line what it finds in the line
alone, if no part of the pattern can match a line feed or can tell the end of a line from the end of
the text. ``at_once`` proves this from the text of the pattern. It knows the common parts only, and
rewrites some of them; whoever uses another part searches line by line.

The rest of a line is consumed with the match, so that each line has at most one match: the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_SAFE: Final = rb"dwbtSrfv"
"""Letters of escapes that match no line feed, and that see it as they see the end of a text."""
_REWRITTEN: Final = {
    b"\\s": rb"[ \t\r\f\v]",
    b"\\D": rb"[^0-9\n]",
    b"\\W": rb"[^a-zA-Z0-9_\n]",
}
_PART: Final = re.compile(
    rb"""
    (?P<escape> \\ [^\n] )
    | (?P<set> \[ \^? (?: \\. | [^]\\[] )+ \] )
    | (?P<group> \( (?: \?: | \?P<\w+> | (?!\?) ) )
    | (?P<repeat> (?: [*+?] | \{ [0-9]* (?:,[0-9]*)? \} ) \?? (?!\+) )
    | (?P<plain> [^][\\(){}*+?] | [)] )
    """,
    re.VERBOSE,
)
_IGNORE_CASE: Final = b"(?i)"


def at_once(pattern: bytes) -> re.Pattern[bytes] | None:
    r"""Return a pattern whose matches in a block are the first match of each line that has one.

    A line must end with ``\n``. Returns ``None`` if it is not certain that this can be had.
    """
    flags = re.MULTILINE
    if pattern.startswith(_IGNORE_CASE):
        pattern, flags = pattern.removeprefix(_IGNORE_CASE), flags | re.IGNORECASE
    rewritten, place = b"", 0
    while place < len(pattern):
        part = _PART.match(pattern, place)
        new = part and _rewrite(str(part.lastgroup), part[0])
        if part is None or new is None:
            return None
        rewritten += new
        place = part.end()
    return re.compile(b"(?:" + rewritten + rb").*\n", flags)


def _rewrite(kind: str, part: bytes) -> bytes | None:
    """Return a part so that it matches no line feed; ``None`` if that is not certain."""
    if any(byte < 0x20 for byte in part):
        return None
    rewrite: Callable[[bytes], bytes | None] | None
    rewrite = {"escape": _rewrite_escape, "set": _rewrite_set}.get(kind)
    return rewrite(part) if rewrite else part


def _rewrite_escape(part: bytes) -> bytes | None:
    if part in _REWRITTEN:
        return _REWRITTEN[part]
    return part if part[1] in _SAFE or not part[1:].isalnum() else None


def _rewrite_set(part: bytes) -> bytes | None:
    r"""Return a set in brackets without ``\n``. Ranges may have only printed characters."""
    inner, is_negated = part[1:-1], part[1:2] == b"^"
    inner = inner.removeprefix(b"^")
    if not inner:
        return None
    escapes = re.findall(rb"\\(.)", inner)
    if any(one.isalnum() and one not in (b"d", b"w", b"s", b"t") for one in escapes):
        return None
    if b"t" in escapes and b"-" in inner:
        return None  # a range from a tab may have a line feed in it
    if is_negated:
        return rb"[^\n" + (b"\\" if inner[:1] == b"-" else b"") + inner + b"]"
    return b"[" + re.sub(rb"(\\.)|.", _without_line_feed, inner) + b"]"


def _without_line_feed(part: re.Match[bytes]) -> bytes:
    return rb" \t\r\f\v" if part[0] == rb"\s" else part[0]
