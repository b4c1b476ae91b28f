"""Make the mapper that measures fields, from a mapper that counts by others.

>>> from mapreduce import Mean, csv_lines
>>> measured(csv_lines("city"), Mean("amount")).measures[0].title
'Mean(amount)'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from mapreduce.errors import Malformed
from mapreduce.kernel.json_lines import JsonLines, unescape
from mapreduce.kernel.json_path import parse_path
from mapreduce.mapping.counting import NO_KEY, accept
from mapreduce.mapping.fields import FieldMapper
from mapreduce.mapping.header import title
from mapreduce.mapping.keys import MapKey
from mapreduce.mapping.mapper import Judgement, Mapper
from mapreduce.mapping.measuring import MeasuringMapper, Reading, fields_of
from mapreduce.mapping.regex import RegexMapper
from mapreduce.mapping.shapes import ShapeMapper
from mapreduce.reducing.field_measures import FieldMeasure
from mapreduce.reducing.measures import ABSENT

NULL = b"null"


def measured(mapper: Mapper, *measures: FieldMeasure) -> MeasuringMapper:
    """Return a mapper that counts as ``mapper`` does, and measures fields for each key.

    ``mapper`` counts lines of any shape, or the groups of a regular expression. The columns of the
    measures stand behind its sums. Raises ``ValueError`` if the mapper has no such fields.
    """
    if isinstance(mapper, ShapeMapper) and mapper.shape.native.paths:
        measures = tuple(map(_without_null, measures))
    fields, places = fields_of(measures)
    reading = Reading(measures, places, len(fields))
    raw = with_fields(mapper, fields, reading)
    return MeasuringMapper(raw, reading, mapper.key_columns, mapper.titles)


def _without_null(measure: FieldMeasure) -> FieldMeasure:
    """Return a measure of lines of JSON, to which null is a missing value."""
    return measure if measure.absent != ABSENT else replace(measure, absent=(*ABSENT, NULL))


@singledispatch
def with_fields(mapper: Mapper, _fields: tuple[int | str, ...], _reading: Reading) -> Mapper:
    """Return a mapper whose raw keys begin with further fields, and which refuses bad ones."""
    raise ValueError(f"a {type(mapper).__name__} has no fields that can be measured")


@with_fields.register
def _of_shape(mapper: ShapeMapper, fields: tuple[int | str, ...], reading: Reading) -> Mapper:
    shape, named, shows = mapper.shape, mapper.named, mapper.shows
    if isinstance(shape, JsonLines):
        new = [str(one) for one in fields if one not in dict(named)]
        shape = JsonLines((*shape.paths, *map(parse_path, new)))
        named += tuple((path, number) for number, path in enumerate(new, len(named) + 1))
        shows = (*(unescape for _ in fields), *shows)
    elif shows:
        shows = (*(None for _ in fields), *shows)
    by, titles = (*fields, *mapper.by), (*map(title, fields), *mapper.titles)
    return replace(
        mapper,
        shape=shape,
        by=by,
        named=named,
        shows=shows,
        map_key=_map_key(reading, mapper.map_key),
        key_columns=len(fields) + mapper.key_columns,
        titles=titles,
    )


@with_fields.register
def _of_groups(mapper: RegexMapper, fields: tuple[int | str, ...], reading: Reading) -> Mapper:
    map_key = _map_key(reading, mapper.map_key)
    return replace(
        mapper,
        fields=(*fields, *mapper.fields),
        map_key=map_key,
        key_columns=len(fields) + mapper.key_columns if map_key else 0,
        titles=(),
    )


def _map_key(reading: Reading, then: MapKey | None) -> MapKey | None:
    """Return the function that reads raw keys, or ``None`` if none needs to be read."""
    function = replace(reading, then=then)
    return function if function.is_needed else None


@with_fields.register
def _of_fields(mapper: FieldMapper, fields: tuple[int | str, ...], reading: Reading) -> Mapper:
    numbers = [one for one in fields if isinstance(one, int)]
    if len(numbers) < len(fields) or mapper.names:
        raise ValueError(f"these fields have no names: {fields}; give numbers")
    numbers += mapper.fields
    if not reading.is_needed and mapper.judge is accept:
        return replace(mapper, fields=tuple(numbers), accepted=NO_KEY)
    judge = JudgeOfTexts(reading, mapper.delimiter, mapper.judge, mapper.accepted.fullmatch)
    return replace(mapper, fields=tuple(numbers), judge=judge, accepted=NO_KEY)


@dataclass(frozen=True)
class JudgeOfTexts:
    """Judges a raw key: first the fields that are counted, then those that are measured."""

    reading: Reading
    delimiter: bytes
    judge: Callable[[bytes], Judgement]
    is_accepted: Callable[[bytes], Any]

    def __call__(self, raw: bytes, /) -> Judgement:
        *texts, key = raw.split(self.delimiter, self.reading.width)
        judgement = None if self.is_accepted(key) else self.judge(key)
        if judgement is not None:
            return judgement
        try:
            self.reading.check(texts)
        except Malformed as error:
            return str(error)
        return None
