"""Expressions: a field of a line, or a function of one. They are pure values and can be pickled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mapreduce.questions.functions import FUNCTIONS, Constant

Name: TypeAlias = int | str
"""The number of a field, its name, or a path into JSON, as a person writes it, quotes included."""


@dataclass(frozen=True)
class Field:
    """The value of a field as it is."""

    field: Name

    def of(self, value: bytes, /) -> bytes:
        """Return the value."""
        return value

    def __str__(self) -> str:
        return str(self.field)


@dataclass(frozen=True)
class Call:
    """A function of a field, or of what another function makes of it.

    >>> str(Call("hour", Field("time"))), Call("hour", Field("time")).of(b"2000-10-10T20:55")
    ('hour(time)', b'2000-10-10T20')
    """

    function: str
    argument: Expression
    constants: tuple[Constant, ...] = ()
    timezone: str = "UTC"

    @property
    def field(self) -> Name:
        """The field whose value the function takes."""
        return self.argument.field

    def of(self, value: bytes, /) -> bytes:
        """Return what the function makes of the field's value. Raises ``Malformed``."""
        function = FUNCTIONS[self.function]
        zone = (self.timezone,) if function.of_time else ()
        return function.call(self.argument.of(value), *self.constants, *zone)

    def __str__(self) -> str:
        numbers = (f"{number:f}" for number in self.constants)
        return f"{self.function}({','.join([str(self.argument), *numbers])})"


Expression: TypeAlias = Field | Call
