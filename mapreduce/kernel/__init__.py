"""The kernel counts fields of lines; this module chooses its implementation.

The pure kernel, in Python, is the reference. The native kernel, in C, is optional. It has a variant
for each instruction set, and the best variant that this processor can run is used. The environment
variable ``MAPREDUCE_KERNEL`` (``pure``, ``portable``, ``avx2``, ``avx512`` or ``neon``) chooses
another one, in this process and in all workers. ``NAME`` is the name of the kernel in use.
``BUILT`` says whether the native kernel can be used; if not, ``MISSING`` says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn, Protocol

from mapreduce.errors import UsageError, printable
from mapreduce.kernel import _pure, _pure_keys
from mapreduce.kernel._pure import MARKED, ODD, Scan
from mapreduce.kernel._pure_keys import SEPARATOR, Added
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
    "MARKED",
    "MISSING",
    "NAME",
    "ODD",
    "PACE",
    "SEPARATOR",
    "VARIANTS",
    "Added",
    "FieldTable",
    "KeyTable",
    "Keys",
    "Packed",
    "Scan",
    "Table",
    "find_lines",
    "has_byte",
    "pack",
]

BUILT: Final = bool(VARIANTS)
has_byte = native.has_byte if BUILT else _pure.has_byte
if BUILT:
    find_lines = native.find_lines
else:
    from mapreduce.kernel._pure_finding import find_lines


class Packed(Protocol):
    """Counts, and sums if there are any, of each key; packed into bytes."""

    @property
    def data(self) -> bytes:
        """The packed bytes."""

    def __len__(self) -> int:
        """Return the number of keys."""

    def total(self) -> int:
        """Return the sum of all counts."""

    def sums(self) -> Sequence[int]:
        """Return the sum of all counts, then the sum of each sum."""

    def columns(self) -> Sequence[dict[bytes, int]]:
        """Return the counts, then each sum, as dictionaries of the same keys."""

    def merge(self, other: Any, /) -> Packed:
        """Add up both; they must have the same sums."""

    def ranked(
        self,
        split_at: bytes | None,
        top: int | None,
        by: int | None = 0,
        descending: bool = True,
    ) -> Sequence[Row]:
        """Return rows of a key, its count and its sums: the first ``top`` rows, or all.

        They are ordered by the count (0), a sum (from 1) or the key (``None``). Rows with equal
        values are in the ascending order of their keys.
        """


class Table(Protocol):
    """Counts lines by the raw bytes of chosen fields, and sums other fields by the same key.

    ``_pure.FieldTable`` describes it in full.
    """

    def scan(self, block: memoryview, fresh: int = True, /) -> Scan:
        """Count a block of whole lines; with ``fresh``, list new keys: all, or the ``MARKED``."""

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been counted; return the counts that they had."""

    def drain(self) -> Packed | list[dict[bytes, int]]:
        """Return the counts and set them to zero; the keys stay known."""


class Keys(Protocol):
    """Counts the keys of lines, which Python code has made, and words.

    ``_pure_keys.KeyTable`` describes it in full.
    """

    def add(self, found: list[Any], columns: int = 0, fresh: bool = True, /) -> Added:
        """Count what was found in lines; with ``fresh``, list the keys that are new."""

    def words(self, block: memoryview, fresh: bool = True, /) -> Scan:
        """Count the words of a block of whole lines; with ``fresh``, list those that are new."""

    def forget(self, keys: list[bytes], /) -> list[int]:
        """Drop keys as if they had never been counted; return the counts that they had."""

    def drain(self) -> Packed | list[dict[bytes, int]]:
        """Return the counts and set them to zero; the keys stay known."""


def choose_keys(name: str) -> Callable[[], Keys]:
    """Return the KeyTable of a kernel that this machine has."""
    return _pure_keys.KeyTable if name == "pure" else partial(native.KeyTable, variant=name)


def choose(wanted: str | None) -> tuple[str, Callable[..., Table]]:
    """Return the name and the FieldTable of the wanted kernel, or else of the best one.

    Raises ``UsageError`` if this machine does not have the wanted kernel.
    """
    here = [*VARIANTS, "pure"]
    name = wanted or here[0]
    if name not in here:
        why = f" ({MISSING})" if MISSING else ""
        raise UsageError(
            f"MAPREDUCE_KERNEL={name}: this machine has no such kernel; choose one of "
            f"{', '.join(here)}{why}"
        )
    if name == "pure":
        return name, _pure.FieldTable
    return name, partial(native.FieldTable, variant=name)


def _refuse(error: UsageError, *_columns: object) -> NoReturn:
    raise error


KeyTable: Callable[[], Keys]
try:
    NAME, FieldTable = choose(os.environ.get("MAPREDUCE_KERNEL"))
    KeyTable = choose_keys(NAME)
except UsageError as error:  # raise it when a job makes a table, where it is reported properly
    NAME, FieldTable = "none", partial(_refuse, error)
    KeyTable = partial(_refuse, error)

PACE: Final = NATIVE if NAME in VARIANTS else PYTHON
"""How fast the kernel in use is."""


def pack(counts: dict[bytes, int]) -> Packed | list[dict[bytes, int]]:
    """Return counts in the form in which the kernel in use merges and ranks them."""
    return native.PackedCounts.of(counts) if NAME in VARIANTS else [counts]
