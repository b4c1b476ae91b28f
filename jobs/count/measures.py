"""What is measured for each key, as a person writes it on a command line."""

# Without "from __future__ import annotations": the command reads the annotations.
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import mapreduce
from mapreduce import UsageError, named
from mapreduce.jobs.count.fields import parse_by

if TYPE_CHECKING:  # it is imported only for a question that has measures
    from mapreduce import FieldMeasure

Fields = list[str] | None


class Measures(NamedTuple):
    """The fields to measure. As a parameter of a job's factory, it is these options."""

    min: Annotated[Fields, "Show the smallest number in this field, too; repeatable."] = None
    max: Annotated[Fields, "Show the largest number in this field, too; repeatable."] = None
    mean: Annotated[Fields, "Show the mean of the numbers in this field, too; repeatable."] = None
    distinct: Annotated[
        Fields, "Show how many distinct values this field has, too; repeatable."
    ] = None
    first: Annotated[Fields, "Show the first of the times in this field, too; repeatable."] = None
    last: Annotated[Fields, "Show the last of the times in this field, too; repeatable."] = None

    @property
    def of_times(self) -> bool:
        """Whether times are measured."""
        return bool(self.first or self.last)

    def fields(self) -> Iterator[tuple[str, int | str]]:
        """Yield the name of each measure with a field. Raises ``UsageError`` for other values."""
        for name, texts in self._asdict().items():
            if not (texts is None or isinstance(texts, list | tuple)) or not all(
                isinstance(text, str) for text in texts or ()
            ):
                raise UsageError(
                    f"{named(name, texts)}: must be a list of names or numbers, such as ['5']"
                )
            fields = [one for text in texts or () for one in parse_by(name, text)]
            if len(set(fields)) < len(fields):
                raise UsageError(f"{named(name)}: names a field twice")
            yield from ((name, field) for field in fields)


NO_MEASURES = Measures()


def make_measure(name: str, field: int | str, zone: str) -> "FieldMeasure":
    """Return the measure of a field that an option names."""
    kinds = {"min": "Smallest", "max": "Largest"}
    kind: Any = getattr(mapreduce, kinds.get(name, name.capitalize()))
    measure: FieldMeasure = kind(field, zone=zone) if name in {"first", "last"} else kind(field)
    return measure
