"""Find fields by the names in a header."""

from __future__ import annotations

from collections.abc import Sequence

from mapreduce.errors import UsageError, printable


def title(one: int | str) -> str:
    """Return the title of a column."""
    return one if isinstance(one, str) else f"Field{one}"


def find_name(one: int | str, names: Sequence[str]) -> int:
    """Return the number of the value with a name, as the names of a header say.

    Raises ``UsageError`` if there is none, or more than one.
    """
    if isinstance(one, int):
        return one
    stripped = [name.strip() for name in names]
    places = [n for n, name in enumerate(names, 1) if name == one] or [
        n for n, name in enumerate(stripped, 1) if name.casefold() == one.strip().casefold()
    ]
    if len(places) != 1:
        problem = "several columns" if places else "no column"
        shown = ", ".join(map(printable, names))
        raise UsageError(f"the header has {problem} {one!r}; it has {shown}")
    return places[0]
