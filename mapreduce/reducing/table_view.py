"""What a table shows of its keys: which rows, in which order, with which shares and sums.

What is not shown is never cut in silence: a row ``Others`` adds it up, or the note says how much it
is.

>>> totals = Totals.of({b"a": 1, b"b": 6, b"c": 2})
>>> view = TableView(top=1, percent=True, others=True, total=True)
>>> for row in view.table("t.csv", ("Key", "Count"), totals).rows:
...     print(*row, sep=",")
1,b,6,66.67
Others,,3,33.33
Total,,9,100.00
"""

# Without "from __future__ import annotations": a start would compile each of them from its text.
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

from mapreduce.errors import UsageError, named
from mapreduce.outputs.table import ROWS, Row, Table
from mapreduce.reducing.measures import Measure, Sum
from mapreduce.reducing.totals import Order, Totals

OTHERS: Final = "Others"
TOTAL: Final = "Total"
_WAYS: Final = {"asc": False, "desc": True}


class Percent(float):
    """A percentage, rounded to hundredths; its text always has two decimals."""

    __slots__ = ()

    @classmethod
    def of(cls, part: int, whole: int) -> "Percent":
        """Return how much of a whole a part is, computed in whole numbers; a half is rounded up."""
        return cls((20_000 * part + whole) // (2 * whole) / 100)

    def __str__(self) -> str:
        return f"{float(self):.2f}"


class TableView(NamedTuple):
    """What is shown of a table of keys.

    As a parameter of a job's factory, it is these options of the command. ``order`` is ``count``,
    ``key`` or the title of a column, with ``:asc`` or ``:desc`` behind it. ``others`` and ``total``
    add a first column ``Row``, which has the number of each row, or ``Others`` or ``Total``. So no
    key can be taken for one of these, whatever its name is.
    """

    top: Annotated[int | None, "Write only this many rows, the first ones of the order."] = None
    order: Annotated[
        str,
        "Order the rows by count, by key, or by a column such as 'Sum(bytes)': the highest number, "
        "or the lowest key first. :asc or :desc behind it says otherwise.",
    ] = "count"
    percent: Annotated[bool, "Add a column: how many percent of the total each row has."] = False
    cumulative: Annotated[bool, "Add a column: the percentage of all rows up to this one."] = False
    others: Annotated[bool, "Add a row: what the rows that are not written add up to."] = False
    total: Annotated[bool, "Add a row: what all rows add up to."] = False

    @property
    def described(self) -> Mapping[str, object]:
        """The options that are not as they are by default, for the manifest."""
        defaults = self._field_defaults
        return {key: value for key, value in self._asdict().items() if value != defaults[key]}

    def checked(self, header: Sequence[str], measures: Sequence[Measure] = ()) -> Order:
        """Return the order of the rows. Raises ``UsageError`` for a view that no table can have."""
        whole = isinstance(self.top, int) and not isinstance(self.top, bool)
        if self.top is not None and not (whole and self.top >= 1):
            raise UsageError(f"{named('top', self.top)}: must be at least 1")
        if self.others and self.top is None:
            raise UsageError(
                f"{named('others', True)}: without {named('top')}, all rows are written"
            )
        order = _parse_order(self.order, header[-1 - len(measures) :])
        if self.percent or self.cumulative:
            _check_share(order, header, measures)
        return order

    def table(
        self,
        name: str,
        header: Sequence[str],
        totals: Totals,
        measures: Sequence[Measure] = (),
        *,
        split_at: bytes | None = None,
        what: str = "keys",
    ) -> Table:
        """Return the table: ``header`` names its keys, the count and the measures, in this order.

        ``split_at`` cuts a key into columns, and ``what`` says what the keys are.
        """
        order = self.checked(header, measures)
        ranked = totals.rows(split_at=split_at, top=self.top, order=order)
        shown = _Shown(self, tuple(header), totals, tuple(measures), order, ranked)
        return Table(name, shown.titles(), shown.rows(), shown.note(what))


ALL_ROWS: Final = TableView()
"""Every row, the highest count first, and nothing else."""


def _parse_order(text: object, titles: Sequence[str]) -> Order:
    """Return the order that a text names; ``titles`` are those of the count and the measures."""
    if not isinstance(text, str):
        raise UsageError(f"{named('order', text)}: must be a text, such as 'count' or 'key'")
    name, _, way = text.rpartition(":")
    if text in titles or way not in _WAYS:
        name, way = text, ""
    if name in titles:
        return Order(titles.index(name), _WAYS.get(way, True))
    if name == "count":
        return Order(0, _WAYS.get(way, True))
    if name == "key":
        return Order(None, _WAYS.get(way, False))
    columns = ", ".join(title for title in titles[1:])
    raise UsageError(
        f"{named('order', text)}: write count, key{columns and ', '}{columns}; "
        ":asc or :desc behind it chooses the direction"
    )


def _check_share(order: Order, header: Sequence[str], measures: Sequence[Measure]) -> None:
    """Raise ``UsageError`` if the rows are ordered by values that do not add up to a total."""
    if order.value and type(measures[order.value - 1]) is not Sum:
        kind = type(measures[order.value - 1]).__name__
        title = header[len(header) - len(measures) - 1 + order.value]
        raise UsageError(
            f"{named('order', title)}: percentages are of counts and sums, and this is {kind}"
        )


class _Shown(NamedTuple):
    """A view of certain totals."""

    view: TableView
    header: tuple[str, ...]
    totals: Totals
    measures: tuple[Measure, ...]
    order: Order
    ranked: Sequence[Row]

    @property
    def first(self) -> int:
        """The number of the columns before the count."""
        return len(self.header) - 1 - len(self.measures)

    @property
    def share(self) -> int:
        """Which value the percentages are of: the one that orders the rows, or the count."""
        return self.order.value or 0

    @property
    def numbered(self) -> bool:
        return self.view.others or self.view.total

    @property
    def hidden(self) -> int:
        """How many keys are not shown."""
        return 0 if self.view.top is None else max(len(self.totals) - self.view.top, 0)

    def titles(self) -> tuple[str, ...]:
        title = self.header[self.first + self.share]
        view = self.view
        more = [("Percent", view.percent), ("Cumulative", view.cumulative)]
        shares = [f"{name}({title})" for name, wanted in more if wanted]
        return (*["Row"][: self.numbered], *self.header, *shares)

    def rows(self) -> Sequence[Row]:
        view = self.view
        if not (view.percent or view.cumulative or self.numbered):
            return self.ranked
        total = self._total()
        whole = 0 if self._no_share() else total[self.share]
        made = [*self._marked(whole)]
        if view.others and self.hidden:
            others = self._others(total)
            made.append(self._last(OTHERS, others, others[self.share], whole, whole))
        if view.total:
            made.append(self._last(TOTAL, total, total[self.share], None, whole))
        return made

    def _marked(self, whole: int) -> Iterator[Row]:
        """Yield each row with its number and its shares."""
        at, running = self.first + self.share, 0
        for number, row in enumerate(_read(self.ranked), start=1):
            running += row[at]
            yield (*[number][: self.numbered], *row, *self._shares(row[at], running, whole))

    def _last(
        self, label: str, values: Sequence[Any], part: int, running: int | None, whole: int
    ) -> Row:
        count, *measured = values
        shown = [one.show(value) for one, value in zip(self.measures, measured, strict=True)]
        return (label, *[""] * self.first, count, *shown, *self._shares(part, running, whole))

    def _shares(self, part: int, running: int | None, whole: int) -> Iterator[Percent | str]:
        """Yield the wanted percentages; they are empty if the whole is 0."""
        for value, wanted in ((part, self.view.percent), (running, self.view.cumulative)):
            if wanted:
                yield Percent.of(value, whole) if whole and value is not None else ""

    def _total(self) -> list[Any]:
        """Return the count and the measures of all keys together."""
        if not len(self.totals):
            return [0, *(measure.nothing for measure in self.measures)]
        return self.totals.overall()

    def _others(self, total: Sequence[Any]) -> list[Any]:
        """Return the count and the measures of the keys that are not shown."""
        if all(type(measure) is Sum for measure in self.measures):
            columns = range(self.first, len(self.header))
            shown = [0] * len(columns)
            for row in _read(self.ranked):
                shown = [value + row[at] for value, at in zip(shown, columns, strict=True)]
            return [whole - value for whole, value in zip(total, shown, strict=True)]
        return self.totals.overall(self.totals.ranking(self.order)[len(self.ranked) :])

    def _no_share(self) -> str:
        """Return why there are no percentages, or an empty text."""
        title = self.header[self.first + self.share]
        if not (self.view.percent or self.view.cumulative) or not len(self.totals):
            return ""
        if self.totals.has_negative(self.share):
            return f"no percentages, because {title} has negative values"
        return "" if self._total()[self.share] else f"no percentages, because {title} is 0"

    def note(self, what: str) -> str:
        """Return how much is shown, and what is not."""
        shown, every = len(self.totals) - self.hidden, len(self.totals)
        what = what.removesuffix("s") if every == 1 else what
        parts = [f"{shown:,} of {every:,} {what}" if self.hidden else f"{every:,} {what}"]
        if self.hidden and not self.view.others:
            title = self.header[self.first]
            lines = self.totals.lines - sum(row[self.first] for row in _read(self.ranked))
            parts.append(f"{title} {lines:,} of {self.totals.lines:,} is not shown")
        return "; ".join(filter(None, [*parts, self._no_share(), *self.totals.notes()]))


def _read(rows: Sequence[Row]) -> Iterator[Any]:
    """Yield the rows; they are read some at a time, because reading single ones is slow."""
    for start in range(0, len(rows), ROWS):
        yield from rows[start : start + ROWS]
