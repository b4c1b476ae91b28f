"""The job: count AWS VPC flow logs by tag, by destination port and protocol, or by any fields.

``records`` decides which records are counted, ``layout`` where their fields are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Annotated, ClassVar, Final, TypeAlias, TypeVar

from mapreduce import FieldMapper, Job, Row, Table, Totals, UsageError, named
from mapreduce.jobs.flowlogs.deliveries import ANY_LOG, DeliverySelector, parse_selection
from mapreduce.jobs.flowlogs.forms import Form, find_form
from mapreduce.jobs.flowlogs.layout import DEFAULT, KNOWN, PAIR, Layout, parse_format, shown
from mapreduce.jobs.flowlogs.lookup import UNTAGGED, OnConflict, Pair, read_lookup
from mapreduce.jobs.flowlogs.protocols import protocol_name
from mapreduce.jobs.flowlogs.records import (
    MEASURES,
    NUMBERS,
    Question,
    mapper_of,
    parse_question,
)

TAGS: Final = "tag2count.csv"
TAGGED: Final = Question()
_LOST: Final = "AWS could not capture all flows there, so the real numbers are higher"
_NO_LOOKUP: Final = "; no tags, because there is no lookup"

Key = TypeVar("Key")
Values: TypeAlias = tuple[int | str, ...]
"""The fields of a key: numbers and text."""


@dataclass(frozen=True)
class FlowLogs(Job):
    """Counts flow logs; ``tags`` maps each (dstport, protocol number) to its tag.

    Without a lookup, ``tags`` is ``None``, and there is no table of tags. ``layout`` is the layout
    of logs without a header. ``on_conflict`` says how the tags were read.
    """

    tags: Mapping[Pair, str] | None
    side_inputs: Sequence[Path] = ()
    layout: Layout = DEFAULT
    question: Question = TAGGED
    selector: DeliverySelector = ANY_LOG
    on_conflict: OnConflict = "error"
    outputs: Sequence[str] = field(init=False)
    name: ClassVar[str] = "flowlogs"  # type: ignore[misc]
    remedy: ClassVar[str] = (  # type: ignore[misc]
        "If these are flow logs of another layout, name their fields in order with "
        f"{named('log_format')}."
    )
    mapper: FieldMapper = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", self._outputs())
        object.__setattr__(self, "mapper", self._mapper())

    @property
    def described(self) -> Mapping[str, object]:
        since, until = self.selector.since, self.selector.until
        return {
            "by": list(self.question.by),
            "measure": list(self.question.measures),
            "action": self.question.action,
            "log_format": " ".join(self.layout.names),
            "on_conflict": self.on_conflict,
            "since": since and since.isoformat(),
            "until": until and until.isoformat(),
            "account": list(self.selector.accounts),
            "region": list(self.selector.regions),
        }

    def _outputs(self) -> Sequence[str]:
        """Return the names of the tables: that of the tags, if there are tags, and of the keys."""
        keys = "portprotocolcount.csv" if self.question.by == PAIR else "counts.csv"
        return (TAGS, keys) if self._is_tagged else (keys,)

    @property
    def _is_tagged(self) -> bool:
        return self.tags is not None and self.question.is_tagged

    def _mapper(self) -> FieldMapper:
        """Return the mapper of a log without a header, as if the log had all needed fields."""
        missing = [name for name in self.question.needed if name not in self.layout.names]
        layout = self.layout._replace(names=(*self.layout.names, *missing))
        return mapper_of(Form(layout), self.question)

    def mapper_for(self, name: str, first_line: bytes) -> FieldMapper:
        """Choose the mapper of the log ``name`` by its first line."""
        form = find_form(name, first_line, self.layout)
        form.layout.checked(name, self.question.needed)
        return mapper_of(form, self.question)

    def notes_on_skipped(self, kinds: Mapping[str, int], /) -> Sequence[str]:
        """Say how many records tell that AWS has lost flows."""
        lost = kinds.get("SKIPDATA", 0)
        records = "1 record is" if lost == 1 else f"{lost:,} records are"
        return [f"{records} SKIPDATA: {_LOST}"] if lost else []

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        """Return the measures of each tag and of each key; both tables sum to the same totals."""
        by, measures = self.question.by, self.question.measures
        keys, measured = _keys_and_measures(totals, self.question)
        sums = [_summed(keys, values) for values in measured]
        untold = self.tags is None and self.question.is_tagged
        tables = [_key_table(self.outputs[-1], by, measures, sums, _NO_LOOKUP if untold else "")]
        if self.tags is None or not self.question.is_tagged:
            return tables
        if by != PAIR:
            pair = itemgetter(*map(by.index, PAIR))
            keys = [pair(key) for key in keys]
            sums = [_summed(keys, values) for values in measured]
        return [_tag_table(self.tags, measures, sums), *tables]


def _keys_and_measures(totals: Totals, question: Question) -> tuple[list[Values], list[list[int]]]:
    """Return the keys as tuples of numbers and text, and a column of values for each measure."""
    nothing: list[dict[bytes, int]] = [{} for _ in ("flows", *question.weights)]
    columns = totals.columns() if len(totals) else nothing
    written, numbers = [*columns[0]], [[*column.values()] for column in columns]
    measured = numbers if "flows" in question.measures else numbers[1:]
    asked = len(question.by)
    width = asked + (question.action != "all" and "action" not in question.by) + 1
    flat = b" ".join(written).split(b" ") if written else []
    if len(flat) != width * len(written):  # some logs have no log-status
        flat = [part for key in written for part in [*key.split(b" "), b"", b""][:width]]
    fields = [_read(name, flat[i::width]) for i, name in enumerate(question.by)]
    return list(zip(*fields, strict=True)), measured


def _read(name: str, texts: Sequence[bytes]) -> Iterable[int | str]:
    """Return the values of a field as numbers or text; a number may have leading zeros."""
    if name not in NUMBERS:
        return [text.decode(errors="surrogateescape") for text in texts]
    digits = len(str(NUMBERS[name]))  # the rest are zeros; int() refuses more than 4300 of them
    if name != "protocol":
        return [int(text[-digits:]) for text in texts]
    values = {text: int(text[-digits:]) for text in set(texts)}  # few different ones
    return map(values.__getitem__, texts)


def _summed(keys: Sequence[Key], values: Sequence[int]) -> dict[Key, int]:
    """Return the sum of the values of each key; keys that were written differently may be equal."""
    sums = dict(zip(keys, values, strict=True))
    if len(sums) < len(keys):
        sums = dict.fromkeys(sums, 0)
        for key, value in zip(keys, values, strict=True):
            sums[key] += value
    return sums


def _tag_table(
    tags: Mapping[Pair, str],
    measures: Sequence[str],
    sums: Sequence[Mapping[Values, int]],
) -> Table:
    tagged: dict[str, list[int]] = {}
    for pair in sums[0].keys() & tags.keys():
        totals = tagged.setdefault(tags[pair], [0] * len(sums))  # type: ignore[index]  # a Pair
        for number, values in enumerate(sums):
            totals[number] += values[pair]
    rest = [sum(values.values()) for values in sums]
    for totals in tagged.values():
        rest = [left - total for left, total in zip(rest, totals, strict=True)]
    rows = [*_ordered(((tag, *totals) for tag, totals in tagged.items()), len(sums))]
    what = measures[0].replace("flows", "records")
    note = f"{len(tagged):,} tags, {rest[0]:,} {what} untagged"
    return Table(TAGS, ("Tag", *_titles(measures)), [*rows, (UNTAGGED, *rest)], note)


def _key_table(
    name: str,
    by: Sequence[str],
    measures: Sequence[str],
    sums: Sequence[Mapping[Values, int]],
    remark: str,
) -> Table:
    names = [protocol_name(number) for number in range(256)]
    fields = [[key[at] for key in sums[0]] for at in range(len(by))]
    if "protocol" in by:
        at = by.index("protocol")
        fields[at] = [names[int(number)] for number in fields[at]]
    rows = [*zip(*fields, *(values.values() for values in sums), strict=True)]
    what, titles = ("port/protocol pairs", ("Port", "Protocol")) if by == PAIR else ("keys", by)
    note = f"{len(rows):,} {what}{remark}"
    return Table(name, (*titles, *_titles(measures)), _ordered(rows, len(sums)), note)


def _titles(measures: Iterable[str]) -> Iterable[str]:
    return map(MEASURES.__getitem__, measures)


def _ordered(rows: Iterable[Row], measures: int) -> list[Row]:
    """Sort by the first measure, the highest first, then by the columns before it."""
    # The sort is stable, so that rows with equal measures stay in the order of the inner sort.
    return sorted(sorted(rows), key=itemgetter(-measures), reverse=True)


def flowlogs(
    lookup: Annotated[
        Path | None,
        "-l",
        "CSV file with the columns dstport, protocol and tag. Without it, nothing is tagged.",
    ] = None,
    *,
    by: Annotated[
        str,
        "Fields to count by. Tags are counted if dstport and protocol are among them. The fields "
        f"of AWS are {shown(KNOWN)}.",
    ] = ",".join(PAIR),
    measure: Annotated[
        list[str] | None, "Columns to write: flows, packets or bytes, or several [default: flows]."
    ] = None,
    action: Annotated[
        str, "Count only records with this action, ACCEPT or REJECT in any case; skip the others."
    ] = "all",
    since: Annotated[str | None, "Read only logs delivered at or after this time."] = None,
    until: Annotated[str | None, "Read only logs delivered before this time."] = None,
    account: Annotated[
        list[str] | None, "Read only logs of this AWS account; may be repeated."
    ] = None,
    region: Annotated[list[str] | None, "Read only logs of this region; may be repeated."] = None,
    log_format: Annotated[
        str, "Fields of logs without a header: 'version ...' or '${version} ...'."
    ] = " ".join(DEFAULT.names),
    on_conflict: Annotated[
        OnConflict,
        "What to do if the lookup has two tags for one port and protocol: stop with an error, or "
        "use the first or the last tag.",
    ] = "error",
) -> FlowLogs:
    """Count AWS VPC flow-log records by tag and by destination port and protocol."""
    accounts, regions = _listed("account", account), _listed("region", region)
    selector = parse_selection(since, until, accounts, regions)
    question = parse_question(_joined("by", by), _listed("measure", measure) or ["flows"], action)
    layout = _layout_for(question, _joined("log_format", log_format, " "))
    tags = None if lookup is None else read_lookup(lookup, on_conflict=on_conflict)
    side_inputs = () if lookup is None else (Path(lookup),)
    return FlowLogs(tags, side_inputs, layout, question, selector, on_conflict)


def _layout_for(question: Question, log_format: str) -> Layout:
    """Return the layout of logs without a header; one that the user names has all needed fields."""
    layout = parse_format(log_format)
    return layout if layout == DEFAULT else layout.checked(named("log_format"), question.needed)


def _joined(option: str, value: object, separator: str = ",") -> str:
    """Return the texts of an option, which a caller may also pass as a list, as one text."""
    return value if isinstance(value, str) else separator.join(_listed(option, value))


def _listed(option: str, value: object) -> list[str]:
    """Return the texts of an option that takes a list; a single text becomes a list of one."""
    texts = [value] if isinstance(value, str) else value or ()
    if isinstance(texts, Iterable) and not isinstance(texts, bytes):
        texts = [*texts]
        if all(isinstance(text, str) for text in texts):
            return texts
    raise UsageError(f"{option}: {value!r} is neither a text nor a list of texts")
