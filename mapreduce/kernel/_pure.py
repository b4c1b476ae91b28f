"""The reference kernel: it counts fields with a few fast calls per block instead of per line.

In most blocks all lines have the same number of fields, the width. Then one ``split`` of the whole
block at the delimiter makes a flat list whose slices are the columns. The last field of a line and
the first field of the next line are one item of that list, a joint (``OK\\n2``). The joints prove
the shape of the lines: if every ``width - 1``-th item holds one newline, and there are no other
items and no other newlines, every line has ``width`` fields. A block that fails this proof is
counted line by line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple, TypeAlias

from mapreduce.errors import InputError

MAX_FIELDS: Final = 64
MAX_FIELD: Final = 1_000_000
MAX_WEIGHTS: Final = 8
DIGITS: Final = 19
"""The most digits of a weight that is summed; a longer one may not fit into 64 bits."""
LONGEST_KEY: Final = (1 << 31) - 1
"""Bytes of the longest key; a record of the native kernel has no room for a longer one."""
ODD: Final = b"\n"
"""Separates a key from weights that cannot be summed (see ``FieldTable``)."""
MARKED: Final = 2
"""Says to list only new keys that must be looked at: they have weights behind them or, if they are
from JSON, a value that begins with a quote."""
MAX_EXPECTED: Final = 7
"""Bytes of the longest expected field."""

Expected: TypeAlias = tuple[int, bytes]
"""The number of a field, and the bytes that it must hold in every line."""
NOTHING: Final[Expected] = (0, b"")
"""Says that no field must hold particular bytes."""


class Scan(NamedTuple):
    """The numbers of lines in a block: all of them, the empty ones and the misshapen ones.

    ``fresh`` lists the keys that are new to the table. ``known`` is the number of keys that the
    table knows now.
    """

    lines: int
    empty: int
    misshapen: int
    fresh: Sequence[bytes]
    known: int


def check_columns(
    delimiter: bytes,
    fields: Sequence[int],
    width: int | None,
    weights: Sequence[int] = (),
    expected: Expected = NOTHING,
) -> None:
    """Raise ``ValueError`` for arguments of ``FieldTable`` that no line can satisfy."""
    if len(delimiter) != 1 or delimiter in b"\r\n":
        raise ValueError(f"the delimiter must be one byte other than a line end: {delimiter!r}")
    if not fields or len(fields) > MAX_FIELDS:
        raise ValueError(f"choose 1 to {MAX_FIELDS} fields to count by, not {len(fields)}")
    if len(weights) > MAX_WEIGHTS:
        raise ValueError(f"choose at most {MAX_WEIGHTS} fields to sum, not {len(weights)}")
    if width is not None and not 1 <= width <= MAX_FIELD:
        raise ValueError(f"lines may have 1 to {MAX_FIELD} fields, not {width}")
    every = (*fields[:-1], abs(fields[-1]), *weights)
    last = MAX_FIELD if width is None else min(width, MAX_FIELD)
    if min(every) < 1 or max(every) > last:
        raise ValueError(f"the numbers of the fields must be 1 to {last}, not {every}")
    number, text = expected
    if number and not 1 <= number < (width or 0):
        raise ValueError(f"field {number} cannot be expected: it must not be the last one")
    if len(text) > MAX_EXPECTED or not {*text}.isdisjoint(delimiter + b"\r\n"):
        raise ValueError(
            f"{text!r} cannot be expected: it must be one field of at most {MAX_EXPECTED} bytes"
        )


class FieldTable:
    r"""Counts lines by the raw bytes of chosen fields, and sums other fields, over many blocks.

    The key of a line is made of its chosen fields. ``delimiter`` is one byte other than ``\n`` and
    ``\r``. ``fields`` are numbered from 1; the last one may be negative: -3 means field 3 and all
    fields behind it. A line is misshapen if it does not have exactly ``width`` fields or, where
    ``width`` is ``None``, if it lacks a chosen field. ``weights`` are the numbers of the fields
    that are summed by key; a weight is a number of 1 to 19 digits. If a line has anything else
    there, nothing is added to the sums, and ``ODD`` and the text of its weights are appended to its
    key. ``expected`` is the number of a field and the few bytes that it must hold; a line whose
    field holds others is misshapen. Raises ``ValueError`` for arguments that no line can satisfy.
    """

    def __init__(
        self,
        delimiter: bytes,
        fields: Sequence[int],
        width: int | None = None,
        weights: Sequence[int] = (),
        expected: Expected = NOTHING,
    ) -> None:
        check_columns(delimiter, fields, width, weights, expected)
        self._delimiter = delimiter
        self._columns = tuple(abs(number) - 1 for number in fields)
        self._to_end = fields[-1] < 0
        self._weights = tuple(number - 1 for number in weights)
        self._expected = expected
        self._least = max(*self._columns, *self._weights, 0) + 1
        self._width = width
        self._counts: Counter[bytes] = Counter()
        self._sums: list[Counter[bytes]] = [Counter() for _ in weights]

    def scan(self, block: memoryview, fresh: int = True, /) -> Scan:
        r"""Count a block of whole lines, each ended by ``\n``; a ``\r`` before it is dropped.

        New keys are listed only with ``fresh``; it may be ``MARKED``. Raises ``InputError`` for a
        key of more than ``LONGEST_KEY`` bytes.
        """
        text = bytes(block)
        lines, known = text.count(b"\n"), len(self._counts)
        if not lines:
            return Scan(0, 0, 0, [], known)
        at_once = self._chosen_at_once(text, lines)
        found, empty, misshapen = self._chosen_by_line(text) if at_once is None else (at_once, 0, 0)
        keys, *weights = found
        self._counts.update(self._weigh(list(keys), weights) if weights else keys)
        newest = len(self._counts) - known
        if len(text) * (MAX_FIELDS + MAX_WEIGHTS) > LONGEST_KEY:
            check_lengths(islice(reversed(self._counts), newest))
        newest_keys = list(islice(reversed(self._counts), newest if fresh else 0))
        if fresh == MARKED:
            newest_keys = [key for key in newest_keys if ODD in key]
        return Scan(lines, empty, misshapen, newest_keys, len(self._counts))

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been counted; return the counts that they had."""
        for sums in self._sums:
            for key in keys:
                del sums[key]  # a Counter ignores a missing key
        return [self._counts.pop(key, 0) for key in keys]

    def drain(self) -> list[dict[bytes, int]]:
        """Return the counts and the sums, and set them to zero; the keys stay known."""
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
        """Where weights are not numbers, append their text to the line's key and set them to 0."""
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
        """Return the keys and the columns of weights; ``None`` unless all lines have one shape."""
        width = self._width or text.partition(b"\n")[0].count(self._delimiter) + 1
        if width < self._least or width == 1 or self._to_end:
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

        number, wanted = self._expected
        if number == 1 and {flat[0], *(halves[j][1] for j in {*joints[:-1]})} != {wanted}:
            return None
        if number > 1 and {*flat[number - 1 :: stride]} != {wanted}:
            return None
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
            elif not self._is_well_shaped(fields):
                misshapen += 1
            else:
                chosen = [fields[number] for number in self._columns]
                behind = fields[self._columns[-1] + 1 :] if self._to_end else []
                found[0].append(self._delimiter.join([*chosen, *behind]))
                for column, number in zip(found[1:], self._weights, strict=True):
                    column.append(fields[number])
        return found, empty, misshapen

    def _is_well_shaped(self, fields: Sequence[bytes]) -> bool:
        number, text = self._expected
        if len(fields) != self._width if self._width else len(fields) < self._least:
            return False
        return not number or fields[number - 1] == text


def check_lengths(keys: Iterable[bytes]) -> None:
    """Raise ``InputError`` if a key is longer than the kernels can count."""
    if any(len(key) > LONGEST_KEY for key in keys):
        raise key_too_long(LONGEST_KEY)


def key_too_long(longest: int) -> InputError:
    """Return the error for a key of more than ``longest`` bytes."""
    return InputError(f"a key of more than {longest:,} bytes; count fewer or shorter fields")


def has_byte(block: memoryview, byte: int, /) -> bool:
    """Return whether a block contains a byte."""
    return bytes([byte]) in bytes(block)


def are_numbers(texts: Sequence[bytes]) -> bool:
    """Return whether each text consists of 1 to 19 digits."""
    joined = b"".join(texts)
    long = len(joined) > DIGITS and max(map(len, texts)) > DIGITS
    return not texts or (all(texts) and joined.isdigit() and not long)
