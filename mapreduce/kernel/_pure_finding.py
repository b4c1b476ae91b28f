"""The reference of the search for lines: by how they end, by their number of fields, or by words.

A caller that must look at some lines of a block again need not look at all of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

_MANY: Final = 3
"""A line with so many of the words is found, whatever else it holds."""
_KELVIN_SIGN: Final = "\N{KELVIN SIGN}".encode()
"""The only character outside ASCII whose small letter is in ASCII: k."""
_IGNORED: Final = b"-_${}\\"
_WORD: Final = re.compile(rb"[a-z0-9]+")
_NO_HEADER: Final = re.compile(rb"(?:^|[ \t,;|])[0-9!%&()*+./:<=>?\[\]^~]")
"""A word that begins as no word of a header does."""


def find_lines(
    block: memoryview,
    delimiter: bytes,
    *,
    widths: Sequence[int] = (),
    words: Collection[bytes] = (),
    before: int = 0,
) -> list[int]:
    r"""Return the offsets of the lines that may need a second look.

    These lines end with a blank or a tab, or have one of ``widths`` fields, or have some of
    ``words`` (in small letters) after the first ``before`` fields: three of them, or one if no word
    of the line begins with a digit or a sign such as ``[``. A line with a digit directly after
    these fields is not searched for words. A word may have capitals, and any of the characters
    ``-_${}\\`` in it. The native kernel compares hashes of words, so that it may find a line too
    many.
    """
    found, offset, known = [], 0, frozenset(words)
    for ended in bytes(block).removesuffix(b"\n").split(b"\n"):
        line = ended.removesuffix(b"\r")
        if line.endswith((b" ", b"\t")) or (line and line.count(delimiter) + 1 in widths):
            found.append(offset)
        else:
            rest = line.split(delimiter, before)[before:]
            if rest and not rest[0][:1].isdigit() and _has_words(rest[0], known):
                found.append(offset)
        offset += len(ended) + 1
    return found


def _has_words(text: bytes, words: frozenset[bytes]) -> bool:
    plain = text.replace(_KELVIN_SIGN, b"k").lower().translate(None, _IGNORED)
    found = sum(word in words for word in _WORD.findall(plain))
    return found >= _MANY or (found > 0 and not _NO_HEADER.search(text))
