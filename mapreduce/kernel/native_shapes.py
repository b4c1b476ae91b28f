"""The Python side of the native kernel for lines of any shape."""

from __future__ import annotations

import os
from collections.abc import Sequence

import mapreduce.kernel._native as _native  # noqa: PLR0402 - "from" would hide that it is not built
from mapreduce.kernel._pure import Scan, key_too_long
from mapreduce.kernel.native import SEED_SIZE, PackedCounts
from mapreduce.kernel.shapes import Chosen, Cut, Shape, check_chosen


class ShapeTable:
    """The same as ``_pure_shapes.ShapeTable``, in C; ``variant`` names the instruction set."""

    def __init__(
        self,
        shape: Shape,
        keys: Sequence[Chosen],
        weights: Sequence[int] = (),
        width: int | None = None,
        *,
        variant: str,
    ) -> None:
        check_chosen(keys, weights, width)
        kind, delimiter, least, paths = shape.native
        cuts = [key if isinstance(key, Cut) else Cut(key) for key in keys]
        chosen = tuple((cut.field, cut.skip, cut.until, cut.length) for cut in cuts)
        seed = os.urandom(SEED_SIZE)
        self._table = _native.ShapeTable(
            kind, delimiter, paths, chosen, tuple(weights), least, width or 0, variant, seed
        )

    def scan(self, block: memoryview, fresh: int = True, /) -> Scan:
        try:
            return Scan(*self._table.scan(block, fresh))
        except OverflowError as error:
            raise key_too_long(_native.LONGEST_KEY) from error

    def forget(self, keys: list[bytes], /) -> list[int]:
        return self._table.forget(keys)

    def drain(self) -> PackedCounts:
        return PackedCounts(self._table.drain())
