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
MAX_WEIGHTS: Final = 8
DIGITS: Final = 19
"""Of the longest weight that is summed as a number of 64 bits."""
ODD: Final = b"\n"
"""Stands between a key and weights that are no such numbers."""


class Scan(NamedTuple):
    """What one block held, every key that the table had not known, and how many it knows now."""

    lines: int
    empty: int
    misshapen: int
    fresh: Sequence[bytes]
    known: int


def check_columns(
    delimiter: bytes, fields: Sequence[int], width: int | None, weights: Sequence[int] = ()
) -> None:
    """Raise ``ValueError`` for columns that cannot be."""
    if len(delimiter) != 1 or delimiter in b"\r\n":
        raise ValueError(f"the delimiter must be one byte and not a line end: {delimiter!r}")
    if not fields or len(fields) > MAX_FIELDS:
        raise ValueError(f"between 1 and {MAX_FIELDS} fields can be chosen, not {len(fields)}")
    if len(weights) > MAX_WEIGHTS:
        raise ValueError(f"at most {MAX_WEIGHTS} fields can be summed, not {len(weights)}")
    if width is not None and not 1 <= width <= MAX_FIELD:
        raise ValueError(f"lines cannot be expected to have {width} fields")
    every, last = (*fields, *weights), MAX_FIELD if width is None else min(width, MAX_FIELD)
    if min(every) < 1 or max(every) > last:
        raise ValueError(f"fields {every} are not within 1 to {last}")


class FieldTable:
    r"""Counts of the raw bytes of chosen fields, and sums of others, kept across blocks.

    ``delimiter`` is one byte other than ``\n`` and ``\r``; ``fields`` are numbered from 1; a line
    is misshapen when it has not exactly ``width`` fields or, where ``width`` is ``None``, too few
    for the chosen ones. ``weights`` are numbers of fields that are summed by key, each 1 to 19
    digits. A line with anything else there adds nothing to the sums, and its key is followed by
    ``\n`` and what stands there. Raises ``ValueError`` for arguments that cannot be.
    """

    def __init__(
        self,
        delimiter: bytes,
        fields: Sequence[int],
        width: int | None = None,
        weights: Sequence[int] = (),
    ) -> None:
        check_columns(delimiter, fields, width, weights)
        self._delimiter = delimiter
        self._columns = tuple(number - 1 for number in fields)
        self._weights = tuple(number - 1 for number in weights)
        self._least = max(*self._columns, *self._weights, 0) + 1
        self._width = width
        self._counts: Counter[bytes] = Counter()
        self._sums: list[Counter[bytes]] = [Counter() for _ in weights]

    def scan(self, block: memoryview, fresh: bool = True, /) -> Scan:
        r"""Count a block of whole lines, each ended by ``\n``; a ``\r`` before it is dropped.

        Without ``fresh`` the keys that are new are not told.
        """
        text = bytes(block)
        lines, known = text.count(b"\n"), len(self._counts)
        at_once = self._chosen_at_once(text, lines)
        found, empty, misshapen = self._chosen_by_line(text) if at_once is None else (at_once, 0, 0)
        keys, *weights = found
        self._counts.update(self._weigh(list(keys), weights) if weights else keys)
        newest = len(self._counts) - known if fresh else 0
        newest_keys = list(islice(reversed(self._counts), newest))
        return Scan(lines, empty, misshapen, newest_keys, len(self._counts))

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been seen; return the counts that they had."""
        for sums in self._sums:
            for key in keys:
                del sums[key]  # of a Counter: nothing happens if it is not there
        return [self._counts.pop(key, 0) for key in keys]

    def drain(self) -> list[dict[bytes, int]]:
        """Return the counts and the sums since the last drain and start again, keys still known."""
        drained, sums = self._counts, self._sums
        self._counts = Counter(dict.fromkeys(drained, 0))
        self._sums = [Counter() for _ in sums]
        if 0 in drained.values():
            drained = Counter({key: count for key, count in drained.items() if count})
        return [drained, *({key: column[key] for key in drained} for column in sums)]

    def _weigh(self, keys: list[bytes], weights: Sequence[Iterable[bytes]]) -> Iterable[bytes]:
        """Add to the sums; return the keys by which the lines are counted."""
        texts = [list(column) for column in weights]
        if not all(map(are_numbers, texts)):
            keys, texts = self._set_apart(keys, texts)
        for sums, column in zip(self._sums, texts, strict=True):
            for key, weight in zip(keys, map(int, column), strict=True):
                sums[key] += weight
        return keys

    def _set_apart(
        self, keys: list[bytes], texts: list[list[bytes]]
    ) -> tuple[list[bytes], list[list[bytes]]]:
        """Return the keys of lines whose weights are no numbers with these, which become 0."""
        rows = []
        for key, *row in zip(keys, *texts, strict=True):
            if are_numbers(row):
                rows.append((key, *row))
            else:
                odd = key + ODD + self._delimiter.join(row)
                rows.append((odd, *[b"0"] * len(row)))
        whole, *columns = map(list, zip(*rows, strict=True))
        return whole, columns

    def _chosen_at_once(self, text: bytes, lines: int) -> Sequence[Iterable[bytes]] | None:
        """Return the keys and the columns of weights of a block of well-shaped lines."""
        width = self._width or text.partition(b"\n")[0].count(self._delimiter) + 1
        if width < self._least or width == 1:
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
        keys = (
            columns[0]
            if len(columns) == 1
            else map(self._delimiter.join, zip(*columns, strict=True))
        )
        return [keys, *map(column, self._weights)]

    def _chosen_by_line(self, text: bytes) -> tuple[Sequence[Iterable[bytes]], int, int]:
        found: list[list[bytes]] = [[] for _ in (self._columns, *self._weights)]
        empty = misshapen = 0
        for ended in text[:-1].split(b"\n"):
            line = ended.removesuffix(b"\r")
            fields = line.split(self._delimiter)
            if not line:
                empty += 1
            elif len(fields) != self._width if self._width else len(fields) < self._least:
                misshapen += 1
            else:
                found[0].append(self._delimiter.join([fields[n] for n in self._columns]))
                for column, number in zip(found[1:], self._weights, strict=True):
                    column.append(fields[number])
        return found, empty, misshapen


def are_numbers(texts: Sequence[bytes]) -> bool:
    """Return whether all of them have 1 to 19 digits and nothing else."""
    joined = b"".join(texts)
    long = len(joined) > DIGITS and max(map(len, texts)) > DIGITS
    return not texts or (all(texts) and joined.isdigit() and not long)
