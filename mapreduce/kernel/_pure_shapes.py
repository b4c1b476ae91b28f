"""The reference kernel for lines of any shape: it splits one line after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from mapreduce.kernel._pure import MARKED, ODD, Scan, are_numbers, check_lengths
from mapreduce.kernel.misshapen import Misshapen
from mapreduce.kernel.shapes import Chosen, Cut, Shape, check_chosen


class ShapeTable:
    r"""Counts lines of a ``shape`` by chosen values, and sums other values, over many blocks.

    The key of a line is its chosen values, ``keys``, with ``\n`` between them: no value can hold
    one. ``weights`` are the numbers of the values that are summed by key; a weight is a number of 1
    to 19 digits. If a line has anything else there, nothing is added to the sums, and ``\n`` and
    the text of each of its weights are appended to its key. A line is misshapen if it does not have
    the shape, if it lacks a chosen value or, with a ``width``, if it has another number of values.
    Raises ``ValueError`` for arguments that no line can satisfy.
    """

    def __init__(
        self,
        shape: Shape,
        keys: Sequence[Chosen],
        weights: Sequence[int] = (),
        width: int | None = None,
    ) -> None:
        check_chosen(keys, weights, width)
        self._shape, self._weights, self._width = shape, weights, width
        self._cuts = [key if isinstance(key, Cut) else Cut(key) for key in keys]
        self._least = max(*(cut.field for cut in self._cuts), *weights, 0)
        self._counts: Counter[bytes] = Counter()
        self._sums: list[Counter[bytes]] = [Counter() for _ in weights]

    def scan(self, block: memoryview, fresh: int = True, /) -> Scan:
        r"""Count a block of whole lines, each ended by ``\n``; a ``\r`` before it is dropped.

        New keys are listed only with ``fresh``; it may be ``MARKED``. Raises ``InputError`` for a
        key that is too long.
        """
        known = len(self._counts)
        lines = bytes(block).removesuffix(b"\n").split(b"\n") if len(block) else []
        outcomes = Counter(self._count_line(line.removesuffix(b"\r")) for line in lines)
        newest = [*islice(reversed(self._counts), len(self._counts) - known)]
        check_lengths(newest)
        fresh_keys = newest if fresh else []
        if fresh == MARKED:
            fresh_keys = [key for key in newest if self._is_marked(key)]
        return Scan(
            len(lines), outcomes["empty"], outcomes["misshapen"], fresh_keys, len(self._counts)
        )

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been counted; return the counts that they had."""
        for sums in self._sums:
            for key in keys:
                del sums[key]  # a Counter ignores a missing key
        return [self._counts.pop(key, 0) for key in keys]

    def drain(self) -> list[dict[bytes, int]]:
        """Return the counts and the sums, and set them to zero; the keys stay known."""
        drained = {key: count for key, count in self._counts.items() if count}
        sums = [{key: column[key] for key in drained} for column in self._sums]
        self._counts = Counter(dict.fromkeys(self._counts, 0))
        self._sums = [Counter() for _ in sums]
        return [drained, *sums]

    def _is_marked(self, key: bytes) -> bool:
        has_quote = bool(self._shape.native.paths) and b'"' in key
        return has_quote or key.count(ODD) >= len(self._cuts)

    def _count_line(self, line: bytes) -> str:
        """Count a line if it has its shape; return whether it is counted, empty or misshapen."""
        if not line:
            return "empty"
        try:
            values = self._shape.split(line)
        except Misshapen:
            return "misshapen"
        if not values:
            return "empty"
        if len(values) < self._least or (self._width and len(values) != self._width):
            return "misshapen"
        self._count_values(values)
        return "counted"

    def _count_values(self, values: Sequence[bytes]) -> None:
        key = ODD.join(cut.of(values[cut.field - 1]) for cut in self._cuts)
        texts = [values[number - 1] for number in self._weights]
        if are_numbers(texts):
            for sums, text in zip(self._sums, texts, strict=True):
                sums[key] += int(text)
        else:
            key = ODD.join([key, *texts])
        self._counts[key] += 1
