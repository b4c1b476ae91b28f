"""Measure fields by key: what the kernel cannot keep is computed from the distinct raw keys.

The raw key of a line begins with the fields that are measured, so the kernel counts how often each
of their texts stands beside each key. When a combiner is drained, the pairs of a key and a text are
folded into the values of the measures. So Python sees a pair once, and not each line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mapreduce.kernel import SEPARATOR
from mapreduce.kernel.pace import Pace
from mapreduce.mapping.keys import MapKey
from mapreduce.mapping.mapper import Combiner, Drained, Mapper, Tally, Verdict
from mapreduce.reducing.field_measures import FieldMeasure
from mapreduce.reducing.measures import Measure
from mapreduce.reducing.totals import EMPTY, Totals

MOST_RAW_KEYS: Final = 1 << 20
"""More distinct raw keys than that are folded before the next block, so that they do not fill the
memory."""


@dataclass(frozen=True)
class Reading:
    """Refuses raw keys whose texts a measure cannot read. ``places`` has the place of each text.

    The first ``width`` columns of a raw key are measured; the function ``then``, if there is one,
    maps the others. It comes first, so that no text of a line that it skips is read.
    """

    measured: tuple[FieldMeasure, ...]
    places: tuple[int, ...]
    width: int
    then: MapKey | None = None

    def __call__(self, *columns: bytes) -> tuple[bytes, ...] | Verdict:
        texts, key = columns[: self.width], columns[self.width :]
        mapped = self.then(*key) if self.then else key
        if isinstance(mapped, Verdict):
            return mapped
        self.check(texts)
        return (*texts, *(mapped if isinstance(mapped, tuple) else (mapped,)))

    @property
    def is_needed(self) -> bool:
        """Whether raw keys must be looked at: some could be refused, or are mapped."""
        return self.then is not None or any(measure.refuses for measure in self.measured)

    def check(self, texts: Sequence[bytes]) -> None:
        """Raise ``Malformed`` if a measure cannot read its text."""
        for measure, place in zip(self.measured, self.places, strict=True):
            measure.check(texts[place])


@dataclass(frozen=True)
class MeasuringMapper(Mapper):
    """Counts by the keys of another mapper without their first columns, which are measured.

    ``reading`` says what is measured; the ``mapper`` has been made to refuse what it refuses.
    ``key_columns`` and ``titles`` are those of the keys that remain.
    """

    mapper: Mapper
    reading: Reading
    key_columns: int
    titles: tuple[str, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:  # type: ignore[override]
        """The measures of the other mapper, then those of the fields."""
        return (*self.mapper.measures, *self.reading.measured)

    @property
    def key_separator(self) -> bytes:  # type: ignore[override]
        """The byte between the columns of a key."""
        return self.mapper.key_separator or SEPARATOR

    @property
    def column_separator(self) -> bytes | None:  # type: ignore[override]
        """The byte between the columns of a table that is no text."""
        return self.mapper.column_separator

    @property
    def pace(self) -> Pace:  # type: ignore[override]
        """How fast the other mapper counts."""
        return self.mapper.pace

    @property
    def layout(self) -> str:  # type: ignore[override]
        """How lines are read, and what is measured, in words."""
        titles = ", ".join(measure.title for measure in self.reading.measured)
        return f"{self.mapper.layout}; {titles}"

    @property
    def skips_first_line(self) -> bool:  # type: ignore[override]
        """Whether the first line of each input is a header."""
        return self.mapper.skips_first_line

    @property
    def record_delimiter(self) -> bytes | None:  # type: ignore[override]
        """What separates fields, if those in quotes may hold line ends."""
        return self.mapper.record_delimiter

    def start(self) -> Combiner:
        return MeasuringCombiner(self)

    def for_first_line(self, line: bytes, /) -> Mapper:
        return replace(self, mapper=self.mapper.for_first_line(line))

    def for_columns(self, names: Sequence[str], /) -> tuple[tuple[str, ...], Mapper]:
        columns, mapper = self.mapper.for_columns(names)
        return columns, replace(self, mapper=mapper)


class MeasuringCombiner:
    """Counts raw keys with the combiner of the other mapper, and folds them into values."""

    def __init__(self, mapper: MeasuringMapper) -> None:
        self._mapper = mapper
        self._raw = mapper.mapper.start()
        self._folded = Drained(EMPTY, 0)

    def map_block(self, block: memoryview, wanted: int, /) -> Tally:
        tally = self._raw.map_block(block, wanted)
        if tally.keys > MOST_RAW_KEYS:
            self._fold()
            self._raw = self._mapper.mapper.start()  # a drained combiner still knows its keys
        return replace(tally, keys=len(self._folded.totals))

    def drain(self) -> Drained:
        self._fold()
        drained, self._folded = self._folded, Drained(EMPTY, 0)
        return drained

    def _fold(self) -> None:
        raw, so_far = self._raw.drain(), self._folded
        self._folded = Drained(
            so_far.totals + fold(raw.totals, self._mapper),
            so_far.counted + raw.counted,
            so_far.skipped + raw.skipped,
            so_far.notes | raw.notes,
        )


def fold(totals: Totals, mapper: MeasuringMapper) -> Totals:
    """Return totals in which the first columns of the keys have become values of measures."""
    raw_counts, *raw_sums = totals.settled().columns()
    reading, separator = mapper.reading, mapper.key_separator
    rows: dict[bytes, list[tuple[list[bytes], int]]] = {}
    counts: dict[bytes, int] = {}
    sums: list[dict[bytes, Any]] = [{} for _ in raw_sums]
    for raw, lines in raw_counts.items():
        *texts, key = raw.split(separator, reading.width)
        rows.setdefault(key, []).append((texts, lines))
        counts[key] = counts.get(key, 0) + lines
        for column, values in zip(sums, raw_sums, strict=True):
            column[key] = column.get(key, 0) + values[raw]
    columns = [
        {key: measure.value_of(_texts(found, place)) for key, found in rows.items()}
        for measure, place in zip(reading.measured, reading.places, strict=True)
    ]
    return Totals([counts, *sums, *columns], mapper.measures)


def _texts(rows: Iterable[tuple[list[bytes], int]], place: int) -> list[tuple[bytes, int]]:
    return [(texts[place], lines) for texts, lines in rows]


def fields_of(measured: Sequence[FieldMeasure]) -> tuple[tuple[int | str, ...], tuple[int, ...]]:
    """Return the fields of measures, each once, and the place of each measure's field in them.

    Raises ``ValueError`` if there are no measures, or twice the same.
    """
    if not measured or len(set(measured)) < len(measured):
        raise ValueError(f"name one measure or more, and none twice: {[*measured]}")
    fields = tuple(dict.fromkeys(measure.field for measure in measured))
    return fields, tuple(fields.index(measure.field) for measure in measured)
