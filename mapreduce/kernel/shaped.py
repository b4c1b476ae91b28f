"""Count lines of any shape, with the kernel in use.

It stands apart from ``kernel``, so that a run over plain fields does not import it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from mapreduce import kernel
from mapreduce.kernel import _pure_shapes
from mapreduce.kernel.shapes import Chosen, Cut, Shape


def shape_table(
    shape: Shape,
    keys: Sequence[Chosen],
    weights: Sequence[int] = (),
    width: int | None = None,
    *,
    name: str = "",
) -> kernel.Table:
    """Return an empty ``ShapeTable`` of the kernel in use, or of the one with this name.

    Raises ``UsageError`` if this machine does not have the kernel, and ``ValueError`` for values
    that no line can have.
    """
    chosen, _table = kernel.choose(name or os.environ.get("MAPREDUCE_KERNEL"))
    if chosen == "pure" or not _is_native(shape, keys):
        return _pure_shapes.ShapeTable(shape, keys, weights, width)
    from mapreduce.kernel import native_shapes  # noqa: PLC0415 - it may not be built

    return native_shapes.ShapeTable(shape, keys, weights, width, variant=chosen)


def _is_native(shape: Shape, keys: Sequence[Chosen]) -> bool:
    """Return whether the native kernel can count: it finds one byte, and cuts no plain fields."""
    name, delimiter, *_settings = shape.native
    cuts = name == "plain" and any(isinstance(key, Cut) for key in keys)
    return len(delimiter) == 1 and not cuts
