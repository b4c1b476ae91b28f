"""Conditions on the fields of a line. They are pure values and can be pickled.

Numbers are compared exactly. A value that is no number is neither equal to a number, nor smaller,
nor larger. A value that is no address is in no network. ``!=`` and ``not`` are true where what they
deny is false.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, TypeAlias, TypeVar

from mapreduce.questions.expressions import Expression, Name

Row: TypeAlias = Mapping[Name, bytes]
"""The values of a line, by the names that the condition gives them."""
Network: TypeAlias = IPv4Network | IPv6Network
Constant: TypeAlias = bytes | Decimal | Network
Ordered = TypeVar("Ordered", bytes, Decimal)

_NUMBER: Final = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}
"""What stands for a character in a text in quotes, behind a backslash."""
_SLASH: Final = re.compile(r"\\.|/", re.DOTALL)
_ESCAPED: Final = str.maketrans(
    {character: f"\\{letter}" for letter, character in ESCAPES.items() if letter != "'"}
)


def read_number(value: bytes) -> Decimal | None:
    """Return a number of any size exactly, or ``None`` for any other text."""
    return Decimal(value.decode("ascii")) if _NUMBER.fullmatch(value) else None


def constant_text(constant: Constant) -> str:
    """Return how a person writes a constant."""
    if isinstance(constant, bytes):
        return f'"{constant.decode("utf-8", "surrogateescape").translate(_ESCAPED)}"'
    return f"{constant:f}" if isinstance(constant, Decimal) else str(constant)


def is_equal(value: bytes, constant: Constant) -> bool:
    """Return whether a value is a text, is equal to a number, or is an address in a network."""
    if isinstance(constant, bytes):
        return value == constant
    if isinstance(constant, Decimal):
        return read_number(value) == constant
    try:
        return ip_address(value.decode("latin-1")) in constant
    except ValueError:  # it is no address
        return False


@dataclass(frozen=True)
class _OfOneValue:
    """A condition on one field, or on a function of it."""

    value: Expression

    def read(self, row: Row) -> bytes:
        """Return the value in a line. Raises ``Malformed`` if a function cannot read it."""
        return self.value.of(row[self.value.field])

    def expressions(self) -> Iterator[Expression]:
        """Yield the expressions of which the values are needed."""
        yield self.value


@dataclass(frozen=True)
class Compare(_OfOneValue):
    """``status >= 500``: a value is compared with a number, or byte by byte with a text."""

    operator: str
    constant: bytes | Decimal

    def holds(self, row: Row) -> bool:
        value = self.read(row)
        if self.operator in {"=", "!="}:
            return is_equal(value, self.constant) == (self.operator == "=")
        if isinstance(self.constant, bytes):
            return _in_order(value, self.operator, self.constant)
        number = read_number(value)
        return number is not None and _in_order(number, self.operator, self.constant)

    def __str__(self) -> str:
        return f"{self.value} {self.operator} {constant_text(self.constant)}"


def _in_order(left: Ordered, operator: str, right: Ordered) -> bool:
    if left == right:
        return operator.endswith("=")
    return (left < right) == operator.startswith("<")


@dataclass(frozen=True)
class Within(_OfOneValue):
    """``srcaddr in 10.0.0.0/8``: a value is equal to, or in, one of several constants."""

    constants: tuple[Constant, ...]

    def holds(self, row: Row) -> bool:
        value = self.read(row)
        return any(is_equal(value, constant) for constant in self.constants)

    def __str__(self) -> str:
        return f"{self.value} in ({', '.join(map(constant_text, self.constants))})"


@dataclass(frozen=True)
class HasText(_OfOneValue):
    """``path starts with "/api/"``: a value starts with, ends with, or contains a text."""

    how: str
    text: bytes

    def holds(self, row: Row) -> bool:
        value = self.read(row)
        if self.how == "contains":
            return self.text in value
        ends = value.endswith if self.how == "ends with" else value.startswith
        return ends(self.text)

    def __str__(self) -> str:
        return f"{self.value} {self.how} {constant_text(self.text)}"


@dataclass(frozen=True)
class Matches(_OfOneValue):
    """``agent ~ /bot|crawler/``: a regular expression matches somewhere in a value."""

    pattern: str

    def holds(self, row: Row) -> bool:
        text = self.read(row).decode("utf-8", "surrogateescape")
        return self._compiled.search(text) is not None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def __str__(self) -> str:
        return f"{self.value} ~ /{_SLASH.sub(_escape_slash, self.pattern)}/"


def _escape_slash(found: re.Match[str]) -> str:
    return r"\/" if found[0] == "/" else found[0]


@dataclass(frozen=True)
class Not:
    """``not ...``."""

    part: Test

    def holds(self, row: Row) -> bool:
        return not self.part.holds(row)

    def expressions(self) -> Iterator[Expression]:
        yield from self.part.expressions()

    def __str__(self) -> str:
        return f"not {_in_parentheses(self.part)}"


@dataclass(frozen=True)
class AllOf:
    """``... and ...``: it is read from the left, and no further once a part is false."""

    parts: tuple[Test, ...]

    def holds(self, row: Row) -> bool:
        return all(part.holds(row) for part in self.parts)

    def expressions(self) -> Iterator[Expression]:
        for part in self.parts:
            yield from part.expressions()

    def __str__(self) -> str:
        return " and ".join(map(_in_parentheses, self.parts))


@dataclass(frozen=True)
class AnyOf:
    """``... or ...``: it is read from the left, and no further once a part is true."""

    parts: tuple[Test, ...]

    def holds(self, row: Row) -> bool:
        return any(part.holds(row) for part in self.parts)

    def expressions(self) -> Iterator[Expression]:
        for part in self.parts:
            yield from part.expressions()

    def __str__(self) -> str:
        return " or ".join(map(_in_parentheses, self.parts))


Test: TypeAlias = Compare | Within | HasText | Matches | Not | AllOf | AnyOf


def _in_parentheses(part: Test) -> str:
    return f"({part})" if isinstance(part, AllOf | AnyOf) else str(part)


@dataclass(frozen=True)
class Condition:
    """What ``--where`` says. ``str`` gives it as text, from which it can be parsed again."""

    test: Test

    @cached_property
    def fields(self) -> tuple[Name, ...]:
        """The fields that it needs, in the order in which they are first named."""
        return tuple(dict.fromkeys(one.field for one in self.test.expressions()))

    def holds(self, values: Sequence[bytes], /) -> bool:
        """Return whether it is true of the values of its fields, in their order.

        Raises ``Malformed`` if a function cannot read its value.
        """
        return self.test.holds(dict(zip(self.fields, values, strict=True)))

    def __str__(self) -> str:
        return str(self.test)
