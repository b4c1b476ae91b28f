r"""Count the keys that a function returns for each line.

Such a function makes the simplest job. All lines of a block are mapped at once; if the function
raises, what it returned for the lines before tells which line it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from mapreduce.errors import Malformed, ReturnError
from mapreduce.kernel import SEPARATOR
from mapreduce.mapping.keys import KeyCounter, KeyMap, MapKey, Refused
from mapreduce.mapping.mapper import (
    Combiner,
    Drained,
    KeyFailedError,
    LineFailedError,
    Mapper,
    Tally,
)
from mapreduce.mapping.returned import no_keys, wrong_key
from mapreduce.reducing.measures import Measure

PLAIN: Final = (bytes, type(None), list, tuple, str)
"""What a line function returns that is no iterator."""


@dataclass(frozen=True)
class LineMapper(Mapper):
    r"""Counts the keys that ``map_line`` returns for each line (without ``\n`` or ``\r\n``).

    Keys are bytes. The function returns one key or a list of keys. ``None`` or ``[]`` skips the
    line; ``Malformed`` that the function raises refuses it. With ``measures`` it returns a list of
    tuples of a key and one value for each measure.

    With several ``columns`` it returns one key, a tuple of so many bytes without a line feed, or
    ``None``.

    ``map_key`` is called once for each distinct key. It returns the key to count, or ``SKIPPED``,
    or it raises ``Malformed``. Without measures a line then has at most one key. Both functions may
    be called more than once for the same line or key.
    """

    map_line: Callable[[bytes], Any]
    measures: tuple[Measure, ...] = ()
    map_key: MapKey | None = None
    columns: int = 1
    key_separator = SEPARATOR

    def __post_init__(self) -> None:
        for measure in self.measures:
            if not isinstance(measure, Measure):
                raise TypeError(
                    f"measures holds {measure!r:.60}: write an instance, like Largest()"
                )
        if self.columns < 1 or (self.columns > 1 and (self.measures or self.map_key)):
            raise ValueError("a key has 1 column, or more if there are no measures and no map_key")

    @property
    def key_columns(self) -> int:  # type: ignore[override]
        """The number of columns of a key."""
        return self.columns

    def start(self) -> Combiner:
        if not self.measures:
            return LineCombiner(self)
        from mapreduce.mapping.line_values import ValueCombiner  # noqa: PLC0415 - it needs this file

        return ValueCombiner(self)


class LineCombiner:
    """Counts the keys of lines in the kernel's table of one worker."""

    def __init__(self, mapper: LineMapper) -> None:
        self._map_line = mapper.map_line
        self._maps_keys = mapper.map_key is not None
        self._columns = mapper.columns if mapper.columns > 1 else int(self._maps_keys)
        self._counter = KeyCounter(KeyMap(mapper.map_key) if mapper.map_key else None)
        self._lists = self._maps_keys  # the kernel cannot count what the function returns as it is

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        found, bad = self._map_all(whole_lines(block), block)
        lines = len(found)
        refused = None if self._lists else self._add(found, block)
        if refused is None:
            found = self._list_all(found, bad, block)
            refused = self._add(found, block) or self._blame_line(found, block)
        malformed = len(bad) + refused.malformed
        skipped = lines - refused.counted - malformed
        where = self._locate(found, bad, block)[:wanted] if wanted and malformed else []
        return Tally(lines, skipped, malformed, where, self._counter.keys)

    def drain(self) -> Drained:
        return self._counter.drain()

    def _map_all(self, lines: list[bytes], block: memoryview) -> tuple[list[Any], dict[int, str]]:
        """Return what the function returns for each line, and why lines are malformed."""
        found, bad, rest = list[Any](), dict[int, str](), iter(lines)
        while len(found) < len(lines):
            try:
                found.extend(map(self._map_line, rest))  # keeps what came before an exception
            except Malformed as error:
                bad[len(found)] = str(error)
                found.append(None)
            except (Exception, SystemExit) as error:
                raise LineFailedError(_offsets(block)[len(found)], error) from error
            else:
                self._check_all_mapped(found, lines, block)
        return found, bad

    def _check_all_mapped(self, found: list[Any], lines: list[bytes], block: memoryview) -> None:
        if len(found) < len(lines):  # map takes it for its own end
            error = RuntimeError("the function raised StopIteration")
            raise LineFailedError(_offsets(block)[len(found)], error)

    def _list_all(self, found: list[Any], bad: dict[int, str], block: memoryview) -> list[Any]:
        """Return what the function has returned, with lists instead of iterators."""
        listed: list[Any] = []
        for number, item in enumerate(found):
            try:
                listed.append(self._listed(item))
            except Malformed as error:
                bad[number] = str(error)
                listed.append(None)
            except (Exception, SystemExit) as error:
                raise LineFailedError(_offsets(block)[number], error) from error
        return listed

    def _listed(self, item: Any) -> Any:
        """Return what the function has returned, with a list instead of any iterator."""
        if type(item) not in PLAIN:
            if not isinstance(item, Iterable):
                raise ReturnError(no_keys(item), self._map_line)
            item, self._lists = list(item), True
        if not self._maps_keys or type(item) not in (list, tuple):
            return item
        if len(item) > 1:
            raise ReturnError(
                f"{item!r:.60} is more than one key, and map_key takes one of each line",
                self._map_line,
            )
        return item[0] if item else None

    def _add(self, found: list[Any], block: memoryview) -> Refused | None:
        """Count the keys of lines; return ``None``, and count nothing, if they are not keys."""
        keys = [key for key in found if key is not None] if self._columns else found
        try:
            return self._counter.add(keys, self._columns)
        except TypeError:
            return None
        except KeyFailedError as error:
            offset = _offsets(block)[found.index(error.key)]
            raise LineFailedError(offset, error.cause) from error

    def _locate(
        self, found: list[Any], bad: dict[int, str], block: memoryview
    ) -> list[tuple[int, str]]:
        """Return the places of all malformed lines of a block, with the reasons."""
        reasons = bad | dict(self._counter.malformed(enumerate(found)))
        offsets = _offsets(block)
        return [(offsets[number], reasons[number]) for number in sorted(reasons)]

    def _blame_line(self, found: list[Any], block: memoryview) -> Refused:
        """Raise ``LineFailedError`` for the first line whose keys are not what they must be."""
        for number, item in enumerate(found):
            for key in item if isinstance(item, list) else [item]:
                if key is None and item is None:
                    continue
                if problem := wrong_key(key, 0, self._columns):
                    error = ReturnError(problem, self._map_line)
                    raise LineFailedError(_offsets(block)[number], error)
        raise AssertionError("the kernel has refused keys that are right")


def _offsets(block: memoryview) -> list[int]:
    """Return where each line of a block begins."""
    return [offset for offset, _line in lines_of(block)]


def whole_lines(block: memoryview) -> list[bytes]:
    r"""Return the lines of a block, without their ``\n`` or ``\r\n``."""
    text = bytes(block)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    lines = text.split(b"\n")
    lines.pop()  # what stands after the last line end: nothing
    return lines


def lines_of(block: memoryview) -> Iterator[tuple[int, bytes]]:
    r"""Yield (byte offset, line) for each line of a block, without its ``\n`` or ``\r\n``."""
    offset = 0
    for line in bytes(block)[:-1].split(b"\n"):
        yield offset, line.removesuffix(b"\r")
        offset += len(line) + 1
