"""Count lines by the values of fields: ``cut | sort | uniq -c | sort -rn`` in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final

from mapreduce import ALL_ROWS, Job, Mapper, Table, TableView, Totals, UsageError, named
from mapreduce.jobs.count.measures import NO_MEASURES, Measures
from mapreduce.jobs.count.shapes import Question, make_mapper

FEW: Final = 10_000
"""The rows of a table that are searched for a column without any value."""


@dataclass(frozen=True)
class FieldCount(Job):
    """Counts the distinct values of chosen fields; ``view`` says what is shown of them."""

    mapper: Mapper
    question: Question
    view: TableView = ALL_ROWS
    outputs: Sequence[str] = ("counts.csv",)
    name: ClassVar[str] = "count"  # type: ignore[misc]

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return self.question.remedy

    @property
    def described(self) -> Mapping[str, object]:
        return {**self.question.described, "top": self.view.top, **self.view.described}

    @property
    def header(self) -> tuple[str, ...]:
        """The titles of the values, the count, the sums and the measures."""
        return (*self.mapper.titles, "Count", *(one.title for one in self.mapper.measures))

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        """Return a row for each combination of values that the view shows."""
        several = self.mapper.key_columns > 1
        separator = self.mapper.key_separator if several else None
        table = self.view.table(
            self.outputs[0],
            self.header,
            totals,
            self.mapper.measures,
            split_at=separator,
            what="distinct values",
        )
        if self.question.multiline:
            table = replace(table, rows=[tuple(map(_with_line_ends, row)) for row in table.rows])
        if self.question.shape == "json" and len(table.rows) == len(totals) <= FEW:
            table = _with_missing_paths(table, self.mapper.titles)
        return [table]


def _with_missing_paths(table: Table, paths: Sequence[str]) -> Table:
    """Say it in the note of a table if no line has a path: it may be misspelt."""
    places = {path: table.header.index(path) for path in paths}
    absent = [path for path, at in places.items() if not any(row[at] for row in table.rows)]
    if not absent or not table.rows:
        return table
    return replace(table, note=f"{table.note}; no line has {', '.join(absent)}")


def count(  # noqa: PLR0917 - each parameter is an option of the command
    fields: Annotated[
        str | None,
        "-F",
        "Fields to count by, numbered from 1 as in cut: 7,8 or 2-4 or 3- or -2.",
    ] = None,
    delimiter: Annotated[
        str | None,
        "-d",
        r"What separates fields; \t is a tab. [a blank, for CSV a comma]",
    ] = None,
    by: Annotated[
        str | None,
        "Names or numbers of what to count by, or functions of them: path,status or http.status or "
        "net(host,24),hour(time).",
    ] = None,
    where: Annotated[
        str | None,
        "Count only lines for which this is true, such as 'status>=500 and host!=\"health\"'.",
    ] = None,
    timezone: Annotated[
        str | None, "Time zone of hour(), minute() and day(), such as Europe/Berlin. [UTC]"
    ] = None,
    sum: Annotated[list[str] | None, "Sum this field for each key, too; repeatable."] = None,  # noqa: A002
    blanks: Annotated[bool, "Fields are separated by runs of blanks and tabs, as in awk."] = False,
    csv: Annotated[bool, "The lines are CSV, with quotes."] = False,
    tsv: Annotated[bool, "The lines are TSV: as CSV, with tabs."] = False,
    access_log: Annotated[
        bool, "The lines are an access log of Apache or nginx, common or combined."
    ] = False,
    json: Annotated[bool, "The lines are JSON; name paths such as http.status or tags[0]."] = False,
    words: Annotated[bool, "Count words: what stands between white space."] = False,
    regex: Annotated[
        str | None, "Count by the groups of this regular expression; named groups are fields."
    ] = None,
    header: Annotated[bool, "The first line of each input names the fields."] = False,
    fields_expected: Annotated[
        int | None, "Number of fields in a line; lines with more or fewer are malformed."
    ] = None,
    multiline: Annotated[
        bool, "Fields in quotes may hold line ends; then one process reads each input."
    ] = False,
    view: TableView = ALL_ROWS,
    measures: Measures = NO_MEASURES,
) -> FieldCount:
    """Count lines by the values of fields, and sum or measure other fields."""
    if sum is not None and not (isinstance(sum, list | tuple) and all(map(_is_text, sum))):
        raise UsageError(f"{named('sum', sum)}: must be a list of names or numbers, such as ['5']")
    if not isinstance(view, TableView):
        raise UsageError(f"{named('view', view)}: must be a TableView")
    shapes = {"blanks": blanks, "csv": csv, "tsv": tsv, "access_log": access_log, "json": json}
    shapes |= {"words": words, "regex": regex is not None}
    chosen = [name for name, wanted in shapes.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(f"{named(chosen[0])} and {named(chosen[1])}: choose one shape of lines")
    question = Question(
        fields,
        by,
        tuple(sum or ()),
        delimiter,
        chosen[0] if chosen else "",
        header,
        fields_expected,
        regex,
        multiline,
        where,
        timezone,
        measures,
    )
    job = FieldCount(make_mapper(question), question, view)
    view.checked(job.header, job.mapper.measures)
    return job


def _with_line_ends(value: str | float) -> str | float:
    """Return a value with its line ends, which a key of the mapper cannot have."""
    return value.replace("\0", "\n") if isinstance(value, str) else value


def _is_text(value: object) -> bool:
    return isinstance(value, str)
