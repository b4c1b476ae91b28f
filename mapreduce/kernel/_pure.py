"""The reference kernel: count fields with a handful of C-speed calls per block, not per line.

Most blocks hold only lines of one width. Then one ``split`` of the whole block at the delimiter
makes a flat list whose slices are the columns. It joins the last field of each line to the first of
the next (``OK\\n2``), and these joints prove the shape: where every ``width - 1``-th item holds one
newline, and there are no more items and no more newlines, every line has ``width`` fields. A block
that fails the proof is counted line by line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

NAME: Final = "pure"

MAX_FIELDS: Final = 64
MAX_FIELD: Final = 1_000_000


class Scan(NamedTuple):
    """What one block held, every key that the table had not known, and how many it knows now."""

    lines: int
    empty: int
    misshapen: int
    fresh: Sequence[bytes]
    known: int


def check_columns(delimiter: bytes, fields: Sequence[int], width: int | None) -> None:
    """Raise ``ValueError`` for columns that cannot be."""
    if len(delimiter) != 1 or delimiter in b"\r\n":
        raise ValueError(f"the delimiter must be one byte and not a line end: {delimiter!r}")
    if not fields or len(fields) > MAX_FIELDS:
        raise ValueError(f"between 1 and {MAX_FIELDS} fields can be chosen, not {len(fields)}")
    if width is not None and not 1 <= width <= MAX_FIELD:
        raise ValueError(f"lines cannot be expected to have {width} fields")
    if min(fields) < 1 or max(fields) > (MAX_FIELD if width is None else min(width, MAX_FIELD)):
        raise ValueError(f"fields {tuple(fields)} are not within 1 to {width or MAX_FIELD}")


class FieldTable:
    r"""Counts of the raw bytes of chosen fields, kept across blocks.

    ``delimiter`` is one byte other than ``\n`` and ``\r``; ``fields`` are numbered from 1; a line
    is misshapen when it has not exactly ``width`` fields or, where ``width`` is ``None``, too few
    for the chosen ones. Raises ``ValueError`` for arguments that cannot be.
    """

    def __init__(self, delimiter: bytes, fields: Sequence[int], width: int | None = None) -> None:
        check_columns(delimiter, fields, width)
        self._delimiter = delimiter
        self._columns = tuple(number - 1 for number in fields)
        self._width = width
        self._counts: Counter[bytes] = Counter()

    def scan(self, block: memoryview, fresh: bool = True, /) -> Scan:
        r"""Count a block of whole lines, each ended by ``\n``; a ``\r`` before it is dropped.

        Without ``fresh`` the keys that are new are not told.
        """
        text = bytes(block)
        lines, known = text.count(b"\n"), len(self._counts)
        keys = self._keys_at_once(text, lines)
        empty = misshapen = 0
        if keys is None:
            keys, empty, misshapen = self._keys_by_line(text)
        self._counts.update(keys)
        newest = len(self._counts) - known if fresh else 0
        newest_keys = list(islice(reversed(self._counts), newest))
        return Scan(lines, empty, misshapen, newest_keys, len(self._counts))

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been seen; return the counts that they had."""
        return [self._counts.pop(key) for key in keys]

    def drain(self) -> Counter[bytes]:
        """Return the counts since the last drain and start again from zero, keys still known."""
        drained = self._counts
        self._counts = Counter(dict.fromkeys(drained, 0))
        if 0 in drained.values():
            drained = Counter({key: count for key, count in drained.items() if count})
        return drained

    def _keys_at_once(self, text: bytes, lines: int) -> Iterable[bytes] | None:
        width = self._width or text.partition(b"\n")[0].count(self._delimiter) + 1
        if width <= max(self._columns) or width == 1:
            return None
        flat, stride = text.split(self._delimiter), width - 1
        joints = flat[stride::stride]
        halves = {joint: joint.split(b"\n") for joint in set(joints)}
        if len(flat) != lines * stride + 1 or any(len(pair) != 2 for pair in halves.values()):
            return None

        def column(number: int) -> Iterable[bytes]:
            if number == 0:
                return chain(flat[:1], (halves[joint][1] for joint in islice(joints, lines - 1)))
            if number == stride:
                ends = {joint: pair[0].removesuffix(b"\r") for joint, pair in halves.items()}
                return map(ends.__getitem__, joints)
            return flat[number::stride]

        columns = [column(number) for number in self._columns]
        return (
            columns[0]
            if len(columns) == 1
            else map(self._delimiter.join, zip(*columns, strict=True))
        )

    def _keys_by_line(self, text: bytes) -> tuple[list[bytes], int, int]:
        keys, empty, misshapen = [], 0, 0
        least = max(self._columns) + 1
        for ended in text[:-1].split(b"\n"):
            line = ended.removesuffix(b"\r")
            fields = line.split(self._delimiter)
            if not line:
                empty += 1
            elif len(fields) != self._width if self._width else len(fields) < least:
                misshapen += 1
            else:
                keys.append(self._delimiter.join([fields[column] for column in self._columns]))
        return keys, empty, misshapen
