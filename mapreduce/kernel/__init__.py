"""The kernel counts fields of lines; this module chooses the implementation.

The pure kernel, in Python, is the reference. The native one, in C, is optional and has a variant
for each set of instructions; the best one that this processor can run is taken.
``MAPREDUCE_KERNEL`` (``pure``, ``portable``, ``avx2``, ``avx512``, ``neon``) forces one, here and
in all workers. ``NAME`` says which one is in use. ``BUILT`` says whether the native kernel can be
used; if not, ``MISSING`` says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from mapreduce.errors import UsageError, printable
from mapreduce.kernel import _pure
from mapreduce.kernel._pure import ODD, Scan
from mapreduce.kernel.pace import NATIVE, PYTHON
from mapreduce.outputs.table import Row

VARIANTS: list[str] = []
"""The variants of the native kernel that this processor can run, the best one first."""
MISSING = ""
"""Why there is no native kernel; empty if there is one."""
try:
    from mapreduce.kernel import native
except ModuleNotFoundError as error:
    if error.name != f"{__name__}._native":
        raise
    MISSING = "the native kernel is not built"
except ImportError as error:
    MISSING = printable(f"the native kernel does not load: {error}")
else:
    VARIANTS = native.variants()

__all__ = [
    "BUILT",
    "MISSING",
    "NAME",
    "ODD",
    "PACE",
    "VARIANTS",
    "FieldTable",
    "Packed",
    "Scan",
    "Table",
    "has_byte",
]

BUILT: Final = bool(VARIANTS)
has_byte = native.has_byte if BUILT else _pure.has_byte


class Packed(Protocol):
    """Counts, and sums if there are any, by key as bytes."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    def __len__(self) -> int:
        """Return the number of keys."""

    def total(self) -> int:
        """Return the sum of all counts."""

    def columns(self) -> Sequence[dict[bytes, int]]:
        """Return the counts, then each sum, as dictionaries of the same keys."""

    def merge(self, other: Any, /) -> Packed:
        """Return the sum of both, which are packed in the same way."""

    def ranked(self, split_at: bytes | None, top: int | None) -> Sequence[Row]:
        """Return the first ``top`` rows of a key and its count, the highest count first."""


class Table(Protocol):
    """Counts by the raw bytes of chosen fields, and sums of others; see ``_pure.FieldTable``."""

    def scan(self, block: memoryview, fresh: bool = True, /) -> Scan:
        """Count a block of whole lines; list the keys that are new if ``fresh`` is set."""

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been seen; return the counts that they had."""

    def drain(self) -> Packed | list[dict[bytes, int]]:
        """Return the counts and start again from zero; the keys stay known."""


def choose(wanted: str | None) -> tuple[str, Callable[..., Table]]:
    """Return the name of a kernel and its FieldTable: the one wanted, or else the best one.

    Raises ``UsageError`` if this machine does not have the one wanted.
    """
    here = [*VARIANTS, "pure"]
    name = wanted or here[0]
    if name not in here:
        why = f" ({MISSING})" if MISSING else ""
        raise UsageError(f"MAPREDUCE_KERNEL={name}: not here; there are {', '.join(here)}{why}")
    if name == "pure":
        return name, _pure.FieldTable
    return name, partial(native.FieldTable, variant=name)


def _refuse(error: UsageError, *_columns: object) -> Table:
    raise error


try:
    NAME, FieldTable = choose(os.environ.get("MAPREDUCE_KERNEL"))
except UsageError as error:  # raised when a job is built, which needs a table
    NAME, FieldTable = "none", partial(_refuse, error)

PACE: Final = NATIVE if NAME in VARIANTS else PYTHON
"""How fast the kernel in use is."""
