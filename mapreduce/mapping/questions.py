"""Count lines by functions of their fields, and only those for which a condition is true.

The raw key of a line has every field that a function or the condition needs. Both are evaluated
once for each distinct raw key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mapreduce.formats.records import STAND_IN
from mapreduce.mapping.mapper import SKIPPED, Verdict
from mapreduce.mapping.shapes import ShapeMapper
from mapreduce.questions.conditions import Condition
from mapreduce.questions.expressions import Expression, Field, Name


@dataclass(frozen=True)
class MapByQuestion:
    """Makes the key that the result shows of the values of ``fields``.

    A line for which the condition is false is skipped. The condition is evaluated first, so a
    function need not be able to read the values of a line that is skipped. With ``multiline``, both
    see the line ends of a value, and the key has ``STAND_IN`` in their place.
    """

    fields: tuple[Name, ...]
    by: tuple[Expression, ...]
    where: Condition | None = None
    multiline: bool = False

    def __call__(self, *values: bytes) -> tuple[bytes, ...] | Verdict:
        if self.multiline:
            values = tuple([value.replace(STAND_IN, b"\n") for value in values])
        row = dict(zip(self.fields, values, strict=True))
        if self.where and not self.where.holds([row[field] for field in self.where.fields]):
            return SKIPPED
        key = [one.of(row[one.field]) for one in self.by]
        return tuple([one.replace(b"\n", STAND_IN) for one in key] if self.multiline else key)


def question_mapper(
    make: Callable[..., ShapeMapper], by: Sequence[Expression], where: Condition | None = None
) -> ShapeMapper:
    """Return a mapper that counts by expressions the lines for which a condition is true.

    ``make`` takes the names of fields and returns a mapper of their values: ``access_log``, or one
    of the others. If there is nothing but fields, this mapper is returned.

    >>> from mapreduce import access_log, parse_by, parse_where
    >>> question_mapper(access_log, parse_by("path,hour(time)"), parse_where("status=404")).titles
    ('path', 'hour(time)')
    """
    if where is None and all(isinstance(one, Field) for one in by):
        return make(*(one.field for one in by))
    needed = where.fields if where else ()
    fields = tuple(dict.fromkeys([*(one.field for one in by), *needed]))
    mapper = make(*fields)
    shown = dict(zip(fields, mapper.titles, strict=True))
    titles = [shown[one.field] if isinstance(one, Field) else str(one) for one in by]
    multiline = isinstance(mapper, ShapeMapper) and mapper.multiline
    return mapper.map_keys(MapByQuestion(fields, tuple(by), where, multiline), *titles)
