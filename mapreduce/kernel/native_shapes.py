"""The Python side of the native kernel for lines of any shape."""

from __future__ import annotations

import os
from collections.abc import Sequence

import mapreduce.kernel._native as _native  # noqa: PLR0402 - "from" would hide that it is not built
from mapreduce.kernel.native import SEED_SIZE, LineTable
from mapreduce.kernel.shapes import Chosen, Cut, Shape, check_chosen


class ShapeTable(LineTable):
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
