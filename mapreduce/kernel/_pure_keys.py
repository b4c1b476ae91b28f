"""The reference table of keys: it counts keys that Python code has made, and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, Final, NamedTuple, cast

from mapreduce.kernel._pure import Scan, check_lengths

SEPARATOR: Final = b"\n"
"""Stands between the columns of a key: no value of a line can contain it."""


class Added(NamedTuple):
    """What a table of keys has added: the number of lines that had a key.

    ``fresh`` lists the keys that are new to the table. ``known`` is the number of keys that the
    table knows now.
    """

    counted: int
    fresh: Sequence[bytes]
    known: int


class KeyTable:
    """Counts keys over many blocks."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()

    def add(self, found: list[Any], columns: int = 0, fresh: bool = True, /) -> Added:
        r"""Count what was found in lines, an item for each line.

        An item is ``bytes``, which is one key; a list of keys; or ``None``, which is no key. With 1
        ``columns``, every item must be ``bytes``. With more, it must be a tuple of so many bytes
        without a line feed; they become one key with ``\n`` between them. New keys are listed only
        with ``fresh``. Raises ``TypeError`` for any other item, before anything is counted, and
        ``InputError`` for a key of more than ``LONGEST_KEY`` bytes.
        """
        keys = [_keys_of(item, columns) for item in found]
        if None in keys:
            raise TypeError(f"item {keys.index(None)} is {_wanted(columns)}")
        known = len(self._counts)
        self._counts.update(chain.from_iterable(filter(None, keys)))
        return Added(sum(map(bool, keys)), self._newest(known, fresh), len(self._counts))

    def words(self, block: memoryview, fresh: bool = True, /) -> Scan:
        r"""Count each run of bytes that are not ASCII white space, in a block of whole lines.

        A line without a word is counted as empty. Raises ``InputError`` for a word of more than
        ``LONGEST_KEY`` bytes.
        """
        text, known = bytes(block), len(self._counts)
        self._counts.update(text.split())
        lines = text.count(b"\n")
        empty = sum(not line or line.isspace() for line in text.split(b"\n")[:-1])
        return Scan(lines, empty, 0, self._newest(known, fresh), len(self._counts))

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been counted; return the counts that they had."""
        return [self._counts.pop(key, 0) for key in keys]

    def drain(self) -> list[dict[bytes, int]]:
        """Return the counts and set them to zero; the keys stay known."""
        drained = self._counts
        self._counts = Counter(dict.fromkeys(drained, 0))
        return [{key: count for key, count in drained.items() if count}]

    def _newest(self, known: int, fresh: bool) -> list[bytes]:
        """Return the keys that have come after the first ``known`` ones, if they are wanted."""
        newest = islice(reversed(self._counts), len(self._counts) - known)
        check_lengths(keys := list(newest))
        return keys if fresh else []


def _keys_of(item: Any, columns: int) -> Sequence[bytes] | None:
    """Return the keys of an item; ``None`` if it is not what it must be."""
    if columns < 2 and type(item) is bytes:
        return (item,)
    if columns == 0 and item is None:
        return ()
    kind = tuple if columns else list
    if type(item) is not kind or any(type(each) is not bytes for each in item):
        return None
    if columns == 0:
        return cast("Sequence[bytes]", item)
    is_right = columns > 1 and len(item) == columns and not any(SEPARATOR in each for each in item)
    return (SEPARATOR.join(item),) if is_right else None


def _wanted(columns: int) -> str:
    """Return what an item must be, as the native kernel says it."""
    if columns > 1:
        return f"no tuple of {columns} bytes without line feeds"
    return "not bytes" if columns else "neither bytes nor None nor a list of bytes"
