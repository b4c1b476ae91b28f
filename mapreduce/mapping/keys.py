"""Map keys: a function of the job gives each distinct raw key the key that the result shows.

A mapper finds raw keys in lines, and the kernel counts them. The function sees a raw key when it is
first counted in a worker, and not once for each line. It may also refuse it: then the key leaves
the table at once, so that refused keys never fill it, and its lines are skipped or malformed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias, cast

from mapreduce import kernel
from mapreduce.errors import Malformed, ReturnError
from mapreduce.kernel import SEPARATOR, Scan
from mapreduce.mapping.mapper import (
    SKIPPED,
    Drained,
    Judgement,
    KeyFailedError,
    LineFailedError,
    Verdict,
)
from mapreduce.reducing.totals import EMPTY, Totals

REMEMBERED: Final = 1 << 18
"""The largest number of mapped keys that are remembered, so that they take little memory."""
MAPPED_TOGETHER: Final = 1 << 17
"""The least number of raw keys in a table at which they are mapped, and the table begins anew."""

MapKey: TypeAlias = Callable[..., bytes | tuple[bytes, ...] | Verdict]
"""A function of the fields of a raw key. It returns the key, as ``bytes``, or as a tuple if the
result has several columns for it; or ``SKIPPED``; or it raises ``Malformed``."""


def whole(key: bytes) -> tuple[bytes]:
    """Take a raw key as the only argument."""
    return (key,)


def at_line_feeds(key: bytes) -> list[bytes]:
    """Cut a raw key into the columns that the kernel has joined."""
    return key.split(SEPARATOR)


@dataclass(frozen=True)
class KeyMap:
    r"""What to do with raw keys: ``fields_of`` cuts one into the arguments of ``function``.

    ``columns`` is the number of columns of a mapped key. Several are joined by a line feed.
    """

    function: MapKey
    columns: int = 1
    fields_of: Callable[[bytes], Sequence[bytes]] = whole


class KeyMapping:
    """The keys that one worker has mapped; it maps a key again only if it has forgotten it."""

    def __init__(self, key_map: KeyMap) -> None:
        self._map = key_map
        self._known: dict[bytes, bytes | Verdict] = {}
        self._kept = EMPTY

    def judge(self, key: bytes) -> Judgement:
        """Map a raw key; return ``None``, ``SKIPPED``, or the reason why it is malformed."""
        try:
            mapped = self._mapped(key)
        except Malformed as error:
            return str(error)
        return mapped if isinstance(mapped, Verdict) else None

    def refused(self, keys: Iterable[bytes]) -> dict[bytes, Judgement]:
        """Return those raw keys that are skipped or malformed, with their judgements."""
        judged = {key: self.judge(key) for key in keys}
        return {key: judgement for key, judgement in judged.items() if judgement is not None}

    def map_totals(self, totals: Totals) -> Totals:
        """Return totals of the mapped keys; raw keys that become equal are added up.

        No key of the totals may have been refused.
        """
        raw = totals.settled().columns()
        mapped: list[dict[bytes, Any]] = [{} for _ in raw]
        counts, measures = mapped[0], totals.measures
        for key, count in raw[0].items():
            new = cast(bytes, self._mapped(key))
            for column, values, measure in zip(mapped[1:], raw[1:], measures, strict=True):
                value = values[key]
                column[new] = measure.join(column[new], value) if new in column else value
            counts[new] = counts.get(new, 0) + count
        return Totals(mapped if measures else kernel.pack(counts), measures)

    @property
    def keys(self) -> int:
        """The number of mapped keys in the totals that are kept."""
        return len(self._kept)

    @property
    def most_raw_keys(self) -> int:
        """The number of raw keys in a table at which they are mapped, and the table begins anew.

        A table remembers all its keys. A raw key may be a time, and there is no end of times, so
        the memory of a worker would have no end either. The number grows with the mapped keys,
        so that these are not merged again and again.
        """
        return max(MAPPED_TOGETHER, self.keys)

    def keep(self, totals: Totals) -> None:
        """Map totals of raw keys, and keep them until ``take`` is called."""
        self._kept += self.map_totals(totals)
        self._known.clear()  # else it would be full, and cleared, before the next totals are mapped

    def take(self, totals: Totals) -> Totals:
        """Return the mapped totals together with those that were kept."""
        mapped, self._kept = self._kept + self.map_totals(totals), EMPTY
        return mapped

    def _mapped(self, key: bytes) -> bytes | Verdict:
        """Return the mapped key, or ``SKIPPED``. Raises ``Malformed`` or ``KeyFailedError``."""
        mapped = self._known.get(key)
        if mapped is None:
            try:
                mapped = self._checked(self._map.function(*self._map.fields_of(key)))
            except Malformed:
                raise
            except (Exception, SystemExit) as error:
                raise KeyFailedError(key, error) from error
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = mapped
        return mapped

    def _checked(self, mapped: object) -> bytes | Verdict:
        """Return what the function has returned, as one key. Raises ``ReturnError`` for no key."""
        columns = self._map.columns
        if mapped is None or mapped is SKIPPED:
            return SKIPPED
        if columns == 1 and type(mapped) is bytes:
            return mapped
        values = mapped if isinstance(mapped, tuple) else ()
        if len(values) == columns and all(type(value) is bytes for value in values):
            if columns == 1 or not any(SEPARATOR in value for value in values):
                return SEPARATOR.join(values)
            text = f"the function returned {mapped!r:.60}: a column has a line feed"
            raise ReturnError(text, self._map.function)
        wanted = f"a tuple of {columns} bytes" if columns > 1 else "bytes"
        hint = " (each column of the result needs a title)" if values else ""
        raise ReturnError(
            f"the function returned {mapped!r:.60}, and must return {wanted} or SKIPPED{hint}",
            self._map.function,
        )


class Refused(NamedTuple):
    """The numbers of lines of a block that were counted, and that were refused by their keys."""

    counted: int
    malformed: int


class KeyCounter:
    """Counts the keys of lines in the kernel's table of one worker, and maps them."""

    def __init__(self, key_map: KeyMap | None = None) -> None:
        self._table = kernel.KeyTable()
        self._mapping = KeyMapping(key_map) if key_map else None
        self._counted = 0
        self.keys = 0
        """The number of keys to count that are in the table, or that were mapped."""

    def add(self, found: list[Any], columns: int = 0) -> Refused:
        """Count what was found in lines; see ``KeyTable.add``, which raises ``TypeError``.

        A key that is refused refuses its line, so a line may have only one key if keys are mapped.
        Raises ``KeyFailedError`` if the function of the job fails.
        """
        added = self._table.add(found, columns, self._mapping is not None)
        refused = self._mapping.refused(added.fresh) if self._mapping else {}
        junk = [key for key, judgement in refused.items() if judgement is not SKIPPED]
        malformed = sum(self._table.forget(junk))
        skipped = sum(self._table.forget([*refused.keys() - junk]))
        self.keys = added.known - len(refused)
        counted = added.counted - skipped - malformed
        self._counted += counted
        if self._mapping:
            if added.known >= self._mapping.most_raw_keys:
                self._mapping.keep(Totals(self._table.drain()))
                self._table = kernel.KeyTable()
            self.keys = self._mapping.keys
        return Refused(counted, malformed)

    def words(self, block: memoryview) -> Scan:
        """Count the words of a block, except for those that the function of the job skips.

        Raises ``KeyFailedError`` if the function fails or refuses a word as malformed.
        """
        scan = self._table.words(block, self._mapping is not None)
        refused = self._mapping.refused(scan.fresh) if self._mapping else {}
        for word, judgement in refused.items():
            if judgement is not SKIPPED:
                raise KeyFailedError(word, Malformed(f"{judgement}; a word can only be skipped"))
        self._table.forget([*refused])
        self.keys = scan.known - len(refused)
        self._counted += scan.lines - scan.empty
        return scan

    def drain(self) -> Drained:
        """Return the mapped totals since the last drain."""
        totals = Totals(self._table.drain())
        counted, self._counted = self._counted, 0
        return Drained(self._mapping.take(totals) if self._mapping else totals, counted)

    def malformed(self, keys: Iterable[tuple[int, bytes | None]]) -> Iterator[tuple[int, str]]:
        """Yield the places whose raw keys are malformed, with the reasons."""
        mapping = self._mapping
        for place, key in keys if mapping else ():
            judgement = None if key is None or mapping is None else mapping.judge(key)
            if isinstance(judgement, str):
                yield place, judgement


def line_of_key(
    lines: Iterable[tuple[int, bytes | None]], error: KeyFailedError
) -> LineFailedError:
    """Return the error that names the first line whose raw key has failed."""
    offset = next(offset for offset, key in lines if key == error.key)
    return LineFailedError(offset, error.cause)
