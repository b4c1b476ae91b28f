"""The plainest job: a table of keys. A job with tables of its own does not import this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mapreduce.job import Job
from mapreduce.mapping.mapper import Mapper
from mapreduce.outputs.table import Table
from mapreduce.reducing.table_view import ALL_ROWS, TableView
from mapreduce.reducing.totals import Totals


@dataclass(frozen=True)
class KeyCount(Job):
    """The plainest job: one table of keys with their counts and measures, the highest count first.

    ``header`` names the columns: one for each field of the key, one for the count, and one for each
    measure. A mapper of fields with names needs none. ``view`` says what is shown of the
    table; ``top=3`` is short for ``view=TableView(top=3)``. Raises ``ValueError`` if the header
    names more or fewer columns.
    """

    mapper: Mapper
    output: str
    header: tuple[str, ...] = ()
    side_inputs: Sequence[Path] = ()
    name: str = ""
    top: int | None = None
    view: TableView = ALL_ROWS
    outputs: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.mapper, Mapper):
            raise TypeError(f"{self.mapper!r:.60} is no mapper: make a LineMapper of a function")
        if not isinstance(self.view, TableView):
            raise TypeError(f"{self.view!r:.60} is no view: make a TableView")
        object.__setattr__(self, "outputs", (self.output,))
        if isinstance(self.header, str):
            raise TypeError(f"the header is the text {self.header!r}: write ({self.header!r}, ...)")
        if not self.header and self.mapper.titles:
            measured = [measure.title for measure in self.mapper.measures]
            object.__setattr__(self, "header", (*self.mapper.titles, "Count", *measured))
        columns, measures = self.mapper.key_columns, len(self.mapper.measures)
        if len(self.header) != columns + 1 + measures:
            raise ValueError(
                f"the header has {len(self.header)} columns: name {columns} for the key, 1 for the "
                f"count and {measures} for the measures"
            )
        if self.top is not None and self.view.top is not None:
            raise ValueError("top is given twice: leave out one of top= and view.top")
        self._view().checked(self.header, self.mapper.measures)

    def _view(self) -> TableView:
        return self.view if self.top is None else self.view._replace(top=self.top)

    @property
    def described(self) -> Mapping[str, object]:
        return self._view().described

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        several = self.mapper.key_columns > 1
        separator = self.mapper.key_separator if several else None
        view, measures = self._view(), self.mapper.measures
        return [view.table(self.output, self.header, totals, measures, split_at=separator)]
