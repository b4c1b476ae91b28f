"""The job: count AWS VPC flow logs by tag, by destination port and protocol, or by any fields.

``records`` decides which records are counted, ``layout`` where their fields are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from mapreduce import FieldMapper, Job, Table, Totals, UsageError, named
from mapreduce.jobs.flowlogs.deliveries import ANY_LOG, DeliverySelector, parse_selection
from mapreduce.jobs.flowlogs.forms import Form, find_form
from mapreduce.jobs.flowlogs.layout import DEFAULT, KNOWN, PAIR, Layout, parse_format, shown
from mapreduce.jobs.flowlogs.lookup import OnConflict, Pair, read_lookup
from mapreduce.jobs.flowlogs.records import Question, mapper_of, parse_question
from mapreduce.jobs.flowlogs.tables import TAGS, make_tables
from mapreduce.jobs.flowlogs.times import parse_span

if TYPE_CHECKING:
    from mapreduce.jobs.flowlogs.lookup_rules import Rule

TAGGED: Final = Question()
_LOST: Final = "AWS could not capture all flows there, so the real numbers are higher"


@dataclass(frozen=True)
class FlowLogs(Job):
    """Counts flow logs; ``tags`` maps each (dstport, protocol number) to its tag.

    ``rules`` has the tags of port ranges and wildcards, for pairs that are not in ``tags``.
    Without a lookup, ``tags`` is ``None``, and there is no table of tags. ``layout`` is the layout
    of logs without a header. ``on_conflict`` says how the tags were read. With ``tag_column``, the
    table of the keys has a column for the tag.
    """

    tags: Mapping[Pair, str] | None
    side_inputs: Sequence[Path] = ()
    layout: Layout = DEFAULT
    question: Question = TAGGED
    selector: DeliverySelector = ANY_LOG
    on_conflict: OnConflict = "error"
    tag_column: bool = False
    rules: Sequence[Rule] = ()
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
        always = {
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
        if_asked = {
            "exclude_account": list(self.selector.excluded),
            "match_src": self.question.match_src,
            "tag_column": self.tag_column,
            **(self.question.span.described if self.question.span else {}),
        }
        return always | {name: value for name, value in if_asked.items() if value}

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
        return make_tables(
            totals,
            self.question,
            self.tags,
            self.outputs[-1],
            rules=self.rules,
            column=self.tag_column,
        )


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
    since: Annotated[
        str | None,
        "Read only logs whose path says that they were delivered at or after this time; for the "
        "times of the records see --from.",
    ] = None,
    until: Annotated[
        str | None, "Read only logs whose path says that they were delivered before this time."
    ] = None,
    from_: Annotated[
        str | None, "Count only records that end at or after this time; skip the others."
    ] = None,
    to: Annotated[
        str | None, "Count only records that start before this time; skip the others."
    ] = None,
    account: Annotated[
        list[str] | None, "Read only logs of this AWS account; may be repeated."
    ] = None,
    exclude_account: Annotated[
        list[str] | None, "Read no logs of this AWS account; may be repeated."
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
    tag_column: Annotated[bool, "Add a column for the tag to the table of the keys."] = False,
    match_src: Annotated[
        bool,
        "Where the destination has no tag, tag a record by its source port: replies have the "
        "service there.",
    ] = False,
) -> FlowLogs:
    """Count AWS VPC flow-log records by tag and by destination port and protocol."""
    accounts, regions = _listed("account", account), _listed("region", region)
    excluded = _listed("exclude_account", exclude_account)
    selector = parse_selection(since, until, accounts, regions, excluded)
    question = parse_question(_joined("by", by), _listed("measure", measure) or ["flows"], action)
    question = question._replace(match_src=match_src, span=parse_span(from_, to))
    for option, value in {"tag_column": tag_column, "match_src": match_src}.items():
        if value and (lookup is None or not question.is_tagged):
            raise UsageError(
                f"{named(option, value)} needs {named('lookup')}, and dstport and protocol in "
                f"{named('by')}"
            )
    layout = _layout_for(question, _joined("log_format", log_format, " "))
    tags = None if lookup is None else read_lookup(lookup, on_conflict=on_conflict)
    side_inputs = () if lookup is None else (Path(lookup),)
    rules = () if tags is None else tags.rules
    return FlowLogs(tags, side_inputs, layout, question, selector, on_conflict, tag_column, rules)


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
