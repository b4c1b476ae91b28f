"""Measures of a field of times: the first and the last of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mapreduce.errors import Malformed
from mapreduce.questions.times import find_zone, moment_of
from mapreduce.reducing.field_measures import FieldMeasure


@dataclass(frozen=True)
class _EndOfTimes(FieldMeasure):
    """The times of a field are compared as moments, to the last digit, in whatever form they are.

    A time without a zone is one of ``zone``. A table shows a time as the line has it. Of texts for
    the same moment, it shows the first or the last one by their bytes.
    Raises ``UsageError`` if this machine knows no such zone.
    """

    zone: str = "UTC"

    def __post_init__(self) -> None:
        find_zone(self.zone)

    def of(self, text: bytes, _count: int, /) -> Any:
        try:
            return moment_of(text, self.zone), text
        except Malformed as error:
            raise Malformed(f"{self.name} {error}") from error

    def show_present(self, value: Any, /) -> Any:
        _moment, text = value
        return text.decode(errors="surrogateescape")


class First(_EndOfTimes):
    """The first of the times of a field."""

    def merge(self, left: Any, right: Any, /) -> Any:
        return min(left, right)


class Last(_EndOfTimes):
    """The last of the times of a field."""

    def merge(self, left: Any, right: Any, /) -> Any:
        return max(left, right)
