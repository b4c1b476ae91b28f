"""Count the keys that a function returns for a block of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mapreduce.kernel import SEPARATOR
from mapreduce.mapping.keys import KeyCounter, KeyMap, MapKey, at_line_feeds, line_of_key, whole
from mapreduce.mapping.lines import lines_of
from mapreduce.mapping.mapper import Drained, KeyFailedError, Mapper, Tally


@dataclass(frozen=True)
class BlockMapper(Mapper):
    r"""Counts the keys that ``map_block`` returns for a block of lines.

    A block is ``bytes`` and consists of whole lines, each ended by ``\n``. A file may be cut into
    any blocks, so that the function must find the same keys in a block as in each of its lines
    alone. It returns a list with one key for each line that it counts, and skips all other lines. A
    key is ``bytes``; with several ``columns``, it is a tuple of so many bytes without a line feed.
    ``map_key`` is called once for each distinct key with its columns. ``key_columns`` is the number
    of columns of what it returns; 0 means as many as ``columns``.
    """

    map_block: Callable[[bytes], Iterable[bytes | tuple[bytes, ...]]]
    columns: int = 1
    map_key: MapKey | None = None
    key_columns: int = 0
    key_separator = SEPARATOR

    def __post_init__(self) -> None:
        if self.columns < 1:
            raise ValueError(f"a key has at least 1 column, not {self.columns}")
        if self.key_columns and not self.map_key:
            raise ValueError("key_columns needs a map_key: without it a key has its own columns")
        object.__setattr__(self, "key_columns", self.key_columns or self.columns)

    def start(self) -> BlockCombiner:
        return BlockCombiner(self)


class BlockCombiner:
    """Counts the keys of blocks in the kernel's table of one worker."""

    def __init__(self, mapper: BlockMapper) -> None:
        self._mapper = mapper
        fields_of = at_line_feeds if mapper.columns > 1 else whole
        key_map = KeyMap(mapper.map_key, mapper.key_columns, fields_of) if mapper.map_key else None
        self._counter = KeyCounter(key_map)

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        found, lines = self._keys_of(text := bytes(block)), text.count(b"\n")
        try:
            counted, malformed = self._counter.add(found, self._mapper.columns)
        except KeyFailedError as error:
            raise line_of_key(self._keys_by_line(block), error) from error
        except TypeError as error:
            raise TypeError(f"of the list that map_block returned, {error}") from error
        wanted = min(wanted, malformed)
        where = list(islice(self._counter.malformed(self._keys_by_line(block)), wanted))
        return Tally(lines, lines - counted - malformed, malformed, where, self._counter.keys)

    def drain(self) -> Drained:
        return self._counter.drain()

    def _keys_of(self, text: bytes) -> list[Any]:
        """Return the keys of a block; raise ``TypeError`` or ``ValueError`` for what cannot be."""
        found = self._mapper.map_block(text)
        if isinstance(found, (bytes, str)) or not isinstance(found, Iterable):
            raise TypeError(f"map_block returned {found!r:.60}, and must return a list of keys")
        keys, lines = list(found), text.count(b"\n")
        if len(keys) > lines:
            raise ValueError(f"map_block returned {len(keys)} keys for {lines} lines")
        return keys

    def _keys_by_line(self, block: memoryview) -> Iterator[tuple[int, bytes | None]]:
        r"""Yield each line's offset and raw key; a line keeps its ``\r``, as in the block."""
        text = bytes(block)
        for offset, line in lines_of(block):
            end = text.index(b"\n", offset + len(line)) + 1
            keys = self._keys_of(text[offset:end])
            columns = self._mapper.columns
            yield offset, None if not keys else keys[0] if columns == 1 else SEPARATOR.join(keys[0])
