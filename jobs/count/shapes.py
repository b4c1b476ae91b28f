"""Choose the mapper for a question: what to count by, in which shape of lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import mapreduce
from mapreduce import FieldMapper, Mapper, RegexMapper, Sum, UsageError, named
from mapreduce.jobs.count.fields import parse_by, parse_delimiter, parse_fields, without_quotes
from mapreduce.jobs.count.measures import NO_MEASURES, Measures, make_measure

if TYPE_CHECKING:  # they are imported only for a question that has one
    from mapreduce import Expression, FieldMeasure

Names = tuple[int | str, ...]
_WIDE_CLASS: Final = re.compile(r"(?<!\\)\[\^?\]?(?:[^\]\\]|\\.)*[^\x00-\x7f]")
"""The beginning of a bracketed set of a pattern, up to a letter that is not ASCII."""
FIXED: Final = ("blanks", "access_log", "json", "words", "regex")
"""Shapes of lines in which no delimiter can be chosen, and the first line is no header."""
_OF_TIME: Final = re.compile(r"\b(hour|minute|day)\s*\(")
DELIMITERS: Final = {"": b" ", "csv": b",", "tsv": b"\t"}


@dataclass(frozen=True)
class Question:
    """What to count, as the options of the command say it; ``shape`` is the name of an option."""

    fields: str | None
    by: str | None
    summed: tuple[str, ...]
    delimiter: str | None
    shape: str
    header: bool
    fields_expected: int | None
    pattern: str | None = None
    multiline: bool = False
    where: str | None = None
    timezone: str | None = None
    measures: Measures = NO_MEASURES

    @property
    def has_expressions(self) -> bool:
        """Whether more than names and numbers of fields is asked for."""
        return self.where is not None or "(" in (self.by or "")

    @property
    def described(self) -> Mapping[str, object]:
        """The question for the manifest."""
        by = map(_shown, _expressions(self)) if self.has_expressions else _by(self)
        return {
            "fields": list(by),
            "sum": list(_summed(self)),
            **_described(self),
            "lines": self.shape or "fields",
            "delimiter": None if self.shape in FIXED else _delimiter(self).decode("latin-1"),
            "header": self.header,
            "fields_expected": self.fields_expected,
            **({"pattern": self.pattern} if self.pattern is not None else {}),
            **({"multiline": True} if self.multiline else {}),
            **(
                {"where": self.where, "timezone": self.timezone or "UTC"}
                if self.has_expressions or self.measures.of_times
                else {}
            ),
        }

    @property
    def remedy(self) -> str:
        """What to try if no line could be counted."""
        if self.shape:
            return f"Perhaps the lines have another shape than {named(self.shape)} says."
        return (
            f"Perhaps another byte is between the fields ({named('delimiter')}), or the lines have "
            f"another shape ({named('csv')}, {named('blanks')}, {named('json')}, ...)."
        )


def make_mapper(question: Question) -> Mapper:
    """Return the mapper for a question. Raises ``UsageError`` for one that no line can answer."""
    _check(question)
    try:
        mapper = _counting_mapper(question)
        measures = _measures(question)
        return mapreduce.measured(mapper, *measures) if measures else mapper
    except ValueError as error:
        raise UsageError(f"{error}") from error


def _counting_mapper(question: Question) -> Mapper:
    """Return the mapper for a question without its measures."""
    if question.has_expressions:
        return _question_mapper(question)
    if not question.shape and not question.header and len(_delimiter(question)) == 1:
        return _plain_mapper(question)
    return _shape_mapper(question, _by(question), _summed(question))


def _measures(question: Question) -> list[FieldMeasure]:
    """Return the measures of fields, in the order of their columns."""
    zone, measures = question.timezone or "UTC", []
    for name, field in question.measures.fields():
        chosen = _paths((field,))[0] if question.shape == "json" else without_quotes(field)
        measures.append(make_measure(name, chosen, zone))
    return measures


def _described(question: Question) -> Mapping[str, list[int | str]]:
    """Return the fields that each measure has, for the manifest."""
    fields: dict[str, list[int | str]] = {}
    for name, field in question.measures.fields():
        fields.setdefault(name, []).append(field)
    return fields


def _check(question: Question) -> None:
    for name in ("fields", "by", "delimiter", "where", "timezone"):
        text = getattr(question, name)
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{named(name, text)}: must be a text, such as '7,8' or ','")
    asked = question.fields or question.by or question.summed or question.where is not None
    asked = asked or any(question.measures)
    if question.shape == "words" and asked:
        raise UsageError(f"{named('words')}: counts whole words; there are no fields to name")
    is_optional = question.shape in {"words", "regex"} and question.fields is None
    if (question.fields is None) == (question.by is None) and not is_optional:
        both = f"{named('fields')} or {named('by')}"
        raise UsageError(f"{both} says what to count by: give one of them")
    of_times = _OF_TIME.search(f"{question.by} {question.where}") or question.measures.of_times
    if question.timezone is not None and not of_times:
        raise UsageError(
            f"{named('timezone', question.timezone)}: no function of a time is asked for: hour(), "
            f"minute() or day(), {named('first')} or {named('last')}"
        )
    width = question.fields_expected
    if width is not None and (not isinstance(width, int) or isinstance(width, bool)):
        raise UsageError(f"{named('fields_expected', width)}: must be a whole number")
    _check_shape(question)


def _check_shape(question: Question) -> None:
    shape = question.shape
    if question.header and shape in FIXED:
        raise UsageError(
            f"{named('header')} and {named(shape)}: only CSV, TSV and delimited lines have a header"
        )
    if question.multiline and shape not in {"csv", "tsv"}:
        raise UsageError(
            f"{named('multiline', True)}: only fields of {named('csv')} and {named('tsv')} may "
            "hold line ends"
        )
    if question.delimiter is not None and shape in {*FIXED, "tsv"}:
        raise UsageError(
            f"{named('delimiter', question.delimiter)} and {named(shape)}: such lines have their "
            "own delimiter"
        )
    for name in ("fields", "fields_expected"):
        if shape == "regex" and name == "fields_expected" and question.fields_expected:
            raise UsageError(f"{named(name)} and {named('regex')}: groups are no fields of a line")
        if shape == "json" and getattr(question, name) is not None:
            raise UsageError(
                f"{named(name)} and {named('json')}: JSON has no numbered fields; name paths with "
                f"{named('by')}"
            )


def _delimiter(question: Question) -> bytes:
    if question.delimiter is None:
        return DELIMITERS[question.shape]
    return parse_delimiter(question.delimiter)


def _by(question: Question) -> Names:
    """Return the fields to count by, if there is nothing but fields."""
    if question.fields is not None:
        return parse_fields(question.fields)
    return () if question.by is None else parse_by("by", question.by)


def _summed(question: Question) -> Names:
    """Return the fields to sum."""
    summed = tuple(one for text in question.summed for one in parse_by("sum", text))
    if len(set(summed)) < len(summed):
        raise UsageError(f"{named('sum')}: names a field twice")
    return summed


def _expressions(question: Question) -> tuple[Expression, ...]:
    """Return what to count by: fields, and functions of them."""
    if question.by is not None:
        return mapreduce.parse_by(question.by, question.timezone or "UTC")
    by = _by(question)
    if question.shape == "regex" and not by:
        by = _regex_mapper(question.pattern or "", (), ()).fields
    return tuple(map(mapreduce.Field, by))


def _shown(expression: Expression) -> int | str:
    return expression.field if isinstance(expression, mapreduce.Field) else str(expression)


def _question_mapper(question: Question) -> Mapper:
    """Return the mapper of functions of fields, and of the lines for which a condition is true."""
    summed = _summed(question)

    def make(*fields: int | str) -> Any:
        return _shape_mapper(question, fields, summed)

    where = question.where
    condition = None if where is None else mapreduce.parse_where(where, question.timezone or "UTC")
    return mapreduce.question_mapper(make, _expressions(question), condition)


def _plain_mapper(question: Question) -> Mapper:
    """Return the mapper of fields between one byte, which have no names."""
    by, summed = _by(question), _summed(question)
    fields, sums = (tuple(one for one in ones if isinstance(one, int)) for ones in (by, summed))
    for one in (*by, *summed, *(field for _name, field in question.measures.fields())):
        if isinstance(one, str):
            raise UsageError(
                f"there is no field {one!r}: give its number, or the shape of the lines "
                f"({named('header')}, {named('csv')}, {named('access_log')}, {named('json')})"
            )
    measures = tuple(Sum(f"Field{number}", (b"", b"-")) for number in sums)
    return FieldMapper(
        _delimiter(question), fields, question.fields_expected, summed=sums, measures=measures
    )


def _shape_mapper(question: Question, by: Names, summed: Names) -> Mapper:
    """Return the mapper of another shape of lines."""
    if any(isinstance(one, int) and one < 1 for one in by):
        raise UsageError(
            f"{named('fields', question.fields)}: fields to the end of a line can be counted only "
            f"between a {named('delimiter')} of one byte, without {named('header')} and "
            f"{named('where')}"
        )
    width = question.fields_expected
    if question.shape == "json":
        return mapreduce.json_lines(*_paths(by), summed=_paths(summed))
    by, summed = (tuple(map(without_quotes, ones)) for ones in (by, summed))
    if question.shape == "words":
        return mapreduce.WordMapper()
    if question.shape == "regex":
        return _regex_mapper(question.pattern or "", by, summed)
    if question.shape == "access_log":
        return mapreduce.access_log(*by, summed=summed, width=width)
    if question.shape == "blanks":
        return mapreduce.blank_fields(*by, summed=summed, width=width)
    more: dict[str, Any] = {"multiline": question.multiline} if question.shape else {}
    make: Any = mapreduce.csv_lines if question.shape else mapreduce.delimited_lines
    more |= {"delimiter": _delimiter(question), "header": question.header}
    mapper: Mapper = make(*by, summed=summed, width=width, **more)
    return mapper


def _regex_mapper(pattern: str, by: Names, summed: Names) -> RegexMapper:
    """Return the mapper of a regular expression; without names, by all its named groups, or all."""
    measures = tuple(Sum(str(one), (b"", b"-")) for one in summed)
    if _WIDE_CLASS.search(pattern):
        raise UsageError(
            f"{named('regex', pattern)}: the pattern is matched with bytes, and a letter that is "
            "not ASCII is several of them: write (?:ü|ö) and not [üö]"
        )
    raw = pattern.encode("utf-8", "surrogateescape")
    try:
        mapper = mapreduce.RegexMapper(raw, by, summed, measures=measures)
    except ValueError as error:
        raise UsageError(f"{named('regex', pattern)}: {error}") from error
    names = tuple(mapper.compiled().groupindex)
    return mapper if by or not names else replace(mapper, fields=names, key_columns=0, titles=())


def _paths(names: Names) -> list[str]:
    """Return paths into JSON. Raises ``UsageError`` for a number."""
    for one in names:
        if isinstance(one, int):
            name = f'"{one}"'
            raise UsageError(f"{one}: JSON has no numbered fields; a member of that name is {name}")
    return [str(one) for one in names]
