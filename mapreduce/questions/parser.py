r"""Parse what ``--by`` and ``--where`` say: by recursive descent, and never with ``eval``.

::

    by         = value { "," value }
    value      = FIELD | FUNCTION "(" value { "," NUMBER } ")"

    where      = both { "or" both }
    both       = negation { "and" negation }
    negation   = "not" negation | "(" where ")" | comparison
    comparison = value ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" ) ( NUMBER | TEXT )
               | value [ "not" ] "in" ( NETWORK | "(" constant { "," constant } ")" )
               | value ( "starts with" | "ends with" | "contains" ) TEXT
               | value "~" ( TEXT | "/" REGEX "/" )
    constant   = NUMBER | TEXT | NETWORK

A FIELD is a number, a name or a path into JSON; what could be mistaken stands in double quotes. A
TEXT stands in double or single quotes, where a backslash escapes a quote, a backslash, n, r and t.
A NETWORK is an address, or one with ``/`` and its bits. Words may be in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeVar

from mapreduce.errors import UsageError, named
from mapreduce.questions.conditions import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    HasText,
    Matches,
    Not,
    Test,
    Within,
)
from mapreduce.questions.conditions import read_number as number_in
from mapreduce.questions.constants import (
    read_constant,
    read_network,
    read_number,
    read_regex,
    read_text,
)
from mapreduce.questions.expressions import Call, Expression, Field
from mapreduce.questions.functions import FUNCTIONS
from mapreduce.questions.reader import Reader
from mapreduce.questions.times import find_zone

T = TypeVar("T")
MAX_DEPTH: Final = 50
"""Parentheses, functions and ``not`` that may stand within one another."""

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_NAME_IN_BY: Final = re.compile(rf'(?:[^,()"]|{_QUOTED})+', re.DOTALL)
_NAME_IN_WHERE: Final = re.compile(rf'(?:[^\s,()"\'=!<>~]|{_QUOTED})+', re.DOTALL)
_FIELD_NUMBER: Final = re.compile("[0-9]{1,7}")
_OPEN: Final = re.compile(r"\(")
_CLOSE: Final = re.compile(r"\)")
_COMMA: Final = re.compile(",")
_ORDER: Final = re.compile("==|=|!=|<=|<|>=|>")
_MATCHES: Final = re.compile("~")
_HAS_TEXT: Final = re.compile(r"(starts\s+with|ends\s+with|contains)\b", re.IGNORECASE)
_WORDS: Final = {"and", "or", "not", "in"}
_AND, _OR, _NOT, _IN, _NOT_IN = (
    re.compile(rf"{words}(?![\w.\[-])", re.IGNORECASE)
    for words in ("and", "or", "not", "in", r"not\s+in")
)
_OPERATORS: Final = (
    "an operator is missing: =, !=, <, <=, >, >=, in, not in, starts with, ends with, contains or ~"
)


def parse_by(text: str, timezone: str = "UTC", option: str = "by") -> tuple[Expression, ...]:
    """Return the fields and functions that stand in a text, with commas between them.

    Raises ``UsageError`` that points at the place where the text goes wrong.

    >>> parse_by("status,net(host,24)")
    (Field(field='status'), Call(function='net', argument=Field(field='host'), \
constants=(Decimal('24'),), timezone='UTC'))
    """
    parser = _Parser(Reader(option, text), timezone, _NAME_IN_BY)
    found = [parser.value()]
    while parser.reader.take(_COMMA):
        found.append(parser.value())
    parser.end("a comma is missing; a name with a parenthesis or a quote stands in quotes")
    return tuple(found)


def parse_where(text: str, timezone: str = "UTC", option: str = "where") -> Condition:
    """Return the condition that a text says.

    Raises ``UsageError`` that points at the place where the text goes wrong.

    >>> condition = parse_where("status >= 500 and host != 'health'")
    >>> condition.fields, condition.holds([b"503", b"www"])
    (('status', 'host'), True)
    """
    parser = _Parser(Reader(option, text), timezone, _NAME_IN_WHERE)
    test = parser.where()
    parser.end("and, or, or the end is missing")
    return Condition(test)


class _Parser:
    """Parses one text. Each method reads one rule of the grammar."""

    def __init__(self, reader: Reader, timezone: str, name: re.Pattern[str]) -> None:
        if not isinstance(timezone, str):
            raise UsageError(f"{named('timezone', timezone)}: must be a name, as Europe/Berlin")
        find_zone(timezone)
        self.reader = reader
        self._timezone, self._name, self._depth = timezone, name, 0

    def end(self, missing: str) -> None:
        """Raise ``UsageError`` if the text goes on."""
        if not self.reader.is_at_end:
            raise self.reader.wrong(missing)

    def where(self) -> Test:
        parts = [self._both()]
        while self.reader.take(_OR):
            parts.append(self._both())
        return AnyOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _both(self) -> Test:
        parts = [self._negation()]
        while self.reader.take(_AND):
            parts.append(self._negation())
        return AllOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _negation(self) -> Test:
        if self.reader.take(_NOT):
            return Not(self._deeper(self._negation))
        if self.reader.take(_OPEN):
            test = self._deeper(self.where)
            self._close()
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        value = self.value()
        if operator := self.reader.take(_ORDER):
            return self._compare(value, operator[0].replace("==", "="))
        if self.reader.take(_MATCHES):
            return Matches(value, read_regex(self.reader))
        if how := self.reader.take(_HAS_TEXT):
            text = read_text(self.reader)
            if text is None:
                raise self.reader.wrong("a text in quotes is missing")
            return HasText(value, " ".join(how[0].lower().split()), text)
        if self.reader.take(_NOT_IN):
            return Not(self._within(value))
        if self.reader.take(_IN):
            return self._within(value)
        raise self.reader.wrong(_OPERATORS)

    def _compare(self, value: Expression, operator: str) -> Test:
        self.reader.skip_blanks()
        place = self.reader.place
        constant: bytes | Decimal | None = read_number(self.reader)
        if constant is None:
            constant = read_text(self.reader)
        if constant is None:
            raise self.reader.wrong("a number or a text in quotes is missing")
        has_order = operator[0] in "<>"
        if has_order and isinstance(constant, bytes) and number_in(constant) is not None:
            raise self.reader.wrong("a number that is compared stands without quotes", place)
        return Compare(value, operator, constant)

    def _within(self, value: Expression) -> Test:
        network = read_network(self.reader)
        if network is not None:
            return Within(value, (network,))
        if not self.reader.take(_OPEN):
            raise self.reader.wrong(
                "a network such as 10.0.0.0/8, or a list in parentheses, is missing"
            )
        constants = [read_constant(self.reader)]
        while self.reader.take(_COMMA):
            constants.append(read_constant(self.reader))
        self._close()
        return Within(value, tuple(constants))

    def value(self) -> Expression:
        """Read a field, or a function of one."""
        self.reader.skip_blanks()
        place = self.reader.place
        found = self.reader.take(self._name)
        name = found[0].strip() if found else ""
        if not name or (self._name is _NAME_IN_WHERE and name.lower() in _WORDS):
            raise self.reader.wrong("the name or number of a field is missing", place)
        if not self.reader.take(_OPEN):
            return Field(int(name) if _FIELD_NUMBER.fullmatch(name) else name)
        return self._call(name, place)

    def _call(self, name: str, place: int) -> Expression:
        if name not in FUNCTIONS:
            raise self.reader.wrong(
                f"there is no function {name}; there are {', '.join(FUNCTIONS)}; a name of a field "
                "with a parenthesis stands in quotes",
                place,
            )
        argument = self._deeper(self.value)
        numbers = []
        while self.reader.take(_COMMA):
            numbers.append(self._number())
        self._close()
        function = FUNCTIONS[name]
        if fault := function.fault(tuple(numbers)):
            raise self.reader.wrong(f"{name} {fault}, as in {function.example}", place)
        timezone = self._timezone if function.of_time else "UTC"
        return Call(name, argument, tuple(numbers), timezone)

    def _number(self) -> Decimal:
        number = read_number(self.reader)
        if number is None:
            raise self.reader.wrong("a number is missing")
        return number

    def _close(self) -> None:
        if not self.reader.take(_CLOSE):
            raise self.reader.wrong("a closing parenthesis is missing")

    def _deeper(self, read: Callable[[], T]) -> T:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.reader.wrong(
                f"more than {MAX_DEPTH} parentheses and not stand within one another"
            )
        found = read()
        self._depth -= 1
        return found
