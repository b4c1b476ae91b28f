"""Count lines by values that have names or numbers: the mapper of every shape of lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from typing import Final, Self, TypeAlias

from mapreduce import kernel
from mapreduce.errors import UsageError, named
from mapreduce.formats.format import FIRST_LINE
from mapreduce.kernel import MARKED
from mapreduce.kernel.misshapen import Misshapen
from mapreduce.kernel.shaped import shape_table
from mapreduce.kernel.shapes import Blanks, Chosen, Cut, Plain, Shape, check_chosen
from mapreduce.mapping.counting import TableMapper
from mapreduce.mapping.header import find_name, title
from mapreduce.mapping.keys import KeyMap, MapKey
from mapreduce.mapping.mapper import SKIPPED, Judgement, Mapper
from mapreduce.reducing.measures import ABSENT, Sum
from mapreduce.reducing.totals import Odd

JOINT: Final = b"\n"
"""Separates the values of a key; no value can hold it."""
COLUMN: Final = b"\x1f"
"""Separates the columns of a table that is not text; no value should hold it."""

Show: TypeAlias = Callable[[bytes], bytes]
"""A function that makes of a raw value what is shown."""


@dataclass(frozen=True)
class ShapeMapper(TableMapper):
    """Counts lines of a ``shape`` by chosen values, and sums others; see the functions below.

    ``by`` and ``summed`` are the numbers of values, counted from 1, or their names. ``named`` has
    the names that all lines of the shape have. With ``header``, the first line of each input has
    the names. ``width`` is the number of values that a line must have. ``measures`` has one sum for
    each summed value, and ``titles`` one title for each column of the key; both have defaults.
    ``shows`` has, for each value of a key, a function that makes of it what is shown, or ``None``.
    ``map_keys`` sets ``map_key`` and ``key_columns``. With ``multiline``, a field in quotes may
    hold line ends; a key has ``STAND_IN`` in their place. Raises ``ValueError`` for values that no
    line can have.
    """

    shape: Shape
    by: tuple[int | str, ...]
    summed: tuple[int | str, ...] = ()
    width: int | None = None
    header: bool = False
    named: tuple[tuple[str, Chosen], ...] = ()
    measures: tuple[Sum, ...] = ()
    titles: tuple[str, ...] = ()
    shows: tuple[Show | None, ...] = ()
    map_key: MapKey | None = None
    key_columns: int = 0
    multiline: bool = False

    key_separator = JOINT
    column_separator = COLUMN

    def __post_init__(self) -> None:
        if not self.measures:
            sums = tuple(Sum(title(one), ABSENT) for one in self.summed)
            object.__setattr__(self, "measures", sums)
        if self.key_columns not in {0, len(self.by)} and not self.map_key:
            raise ValueError("key_columns needs a map_key: without it a key has its own columns")
        if not self.titles and not self.key_columns:
            object.__setattr__(self, "titles", tuple(map(title, self.by)))
        object.__setattr__(self, "key_columns", self.key_columns or len(self.by))
        if self.needs_names and not self.named:
            check_chosen((1,) * len(self.by), (1,) * len(self.summed), self.width)
        else:
            self.table()

    @property
    def needs_names(self) -> bool:
        """Whether the names of the values are not known before the first line of an input."""
        return self.header and any(isinstance(one, str) for one in (*self.by, *self.summed))

    @property
    def odd(self) -> Odd:  # type: ignore[override]
        """How the values that the kernel cannot add stand behind a key."""
        return Odd(JOINT, len(self.by) - 1)

    @property
    def layout(self) -> str:  # type: ignore[override]
        """Which values of a line are counted, in words."""
        return f"{self.shape.native.name} lines: {', '.join(map(title, self.by))}"

    @property
    def key_map(self) -> KeyMap | None:  # type: ignore[override]
        """What is done with each distinct key: values are shown, then the job maps them."""
        if not self.map_key and not any(self.shows):
            return None
        return KeyMap(self.map_key or take_all, self.key_columns, ShownFields(self.shows))

    @property
    def looks_at(self) -> int:
        """Which new keys the combiner must see; of JSON, the kernel marks those to unescape."""
        is_shown = self.shape.native.paths and not self.map_key
        return MARKED if is_shown else super().looks_at

    def map_keys(self, function: MapKey, *titles: str) -> Self:
        """Return a mapper that gives each key to a function, once for each distinct key.

        The function takes the values of a key, and returns the key to count: ``bytes``, or a tuple
        of as many bytes as there are ``titles``. It may also return ``SKIPPED``, or raise
        ``Malformed``.
        """
        return replace(self, map_key=function, key_columns=len(titles), titles=titles)

    def table(self) -> kernel.Table:
        return shape_table(self.shape, self._keys, self._weights, self.width)

    def read_line(self, line: bytes, /) -> bytes | Judgement:
        try:
            values = self.shape.split(line)
        except Misshapen as error:
            return str(error)
        if not values:
            return SKIPPED
        cuts = [key if isinstance(key, Cut) else Cut(key) for key in self._keys]
        least = max(*(cut.field for cut in cuts), *self._weights, 0)
        if self.width is not None and len(values) != self.width:
            return f"{len(values)} fields where {self.width} are expected"
        if len(values) < least:
            return f"{len(values)} fields where at least {least} are expected"
        key = [cut.of(values[cut.field - 1]) for cut in cuts]
        return JOINT.join([*key, *(values[number - 1] for number in self._weights)])

    @property
    def skips_first_line(self) -> bool:  # type: ignore[override]
        """Whether the first line of each input is a header."""
        return self.header

    @property
    def record_delimiter(self) -> bytes | None:  # type: ignore[override]
        """What separates fields, if those in quotes may hold line ends."""
        return self.shape.native.delimiter if self.multiline else None

    def for_first_line(self, line: bytes, /) -> Mapper:
        """Find the names in the header that the first line of an input is.

        Raises ``UsageError`` if the header does not have a name, or has it twice.
        """
        if not self.needs_names:
            return self
        wanted = [one for one in self._wanted if isinstance(one, str)]
        if not line:  # the input has no line but empty ones, so any number will do
            return replace(self, named=tuple((name, 1) for name in wanted))
        names = self._names_in(line)
        return replace(self, named=tuple((name, find_name(name, names)) for name in wanted))

    def _names_in(self, line: bytes) -> Sequence[str]:
        """Return the names in a header. Raises ``UsageError`` if it cannot be read."""
        if len(line) >= FIRST_LINE:
            raise UsageError(f"the header has {FIRST_LINE:,} bytes or more; is this a table?")
        try:
            names = [name.decode("utf-8", "surrogateescape") for name in self.shape.split(line)]
        except Misshapen as error:
            raise UsageError(f"the header cannot be read: {error}") from error
        if self.width not in {None, len(names)}:
            raise UsageError(f"the header has {len(names)} columns, and not {self.width}")
        return names

    def for_columns(self, names: Sequence[str], /) -> tuple[tuple[str, ...], Mapper]:
        """Choose columns of a table that has columns ``names``; return them and their mapper."""
        if self.shape.native.name == "access":
            return super().for_columns(names)
        numbers = [one if isinstance(one, int) else find_name(one, names) for one in self._wanted]
        columns = tuple(names[number - 1] for number in numbers if number <= len(names))
        if len(columns) < len(numbers):
            raise UsageError(f"has no column {max(numbers)}; it has only {len(names)} columns")
        places = tuple(range(1, len(columns) + 1))
        columns = columns * 2 if len(columns) == 1 else columns
        by, summed = places[: len(self.by)], places[len(self.by) :]
        mapper = replace(
            self,
            shape=Plain(COLUMN),
            by=by,
            summed=summed,
            width=len(columns),
            header=False,
            multiline=False,
            shows=(),
        )
        return columns, mapper

    @property
    def _wanted(self) -> tuple[int | str, ...]:
        return (*self.by, *self.summed)

    @cached_property
    def _keys(self) -> tuple[Chosen, ...]:
        return tuple(self._find(one) for one in self.by)

    @cached_property
    def _weights(self) -> tuple[int, ...]:
        found = [(title(one), self._find(one)) for one in self.summed]
        parts = [name for name, chosen in found if isinstance(chosen, Cut)]
        if parts:
            raise ValueError(f"{parts[0]} is a part of a field, which cannot be summed")
        return tuple(chosen for _name, chosen in found if isinstance(chosen, int))

    def _find(self, one: int | str) -> Chosen:
        if isinstance(one, int):
            return one
        known = dict(self.named)
        if not known:
            header = f", or {named('header', True)} if the first line of each input has the names"
            hint = "" if isinstance(self.shape, Blanks) else header
            raise UsageError(f"these lines have no field {one!r}: give a number{hint}")
        if one not in known:
            raise ValueError(f"there is no field {one!r}; the names are {', '.join(known)}")
        return known[one]


@dataclass(frozen=True)
class ShownFields:
    """Cuts a raw key into its values as they are shown: it calls a function with some of them."""

    shows: tuple[Show | None, ...]

    def __call__(self, key: bytes, /) -> list[bytes]:
        values = zip_longest(self.shows, key.split(JOINT))
        return [show(value) if show else value for show, value in values]


def take_all(*values: bytes) -> tuple[bytes, ...]:
    """Return the values of a key as they are."""
    return values
