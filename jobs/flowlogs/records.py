"""Decide which fields of a record make its key, which are summed, and which records are counted.

A record is skipped if it carries no flow (its log-status is NODATA or SKIPDATA, whatever else it
holds), if it is a header, or if it has another action than the wanted one. Any other record is
counted if it has as many fields as the layout of its log and the ports (0 to 65535) and the
protocol (0 to 255) in its key are numbers; otherwise it is malformed. Source: the AWS
documentation, "Flow log records".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from mapreduce import SKIPPED, Judgement, Sum, UsageError, named, printable
from mapreduce.jobs.flowlogs.forms import Form
from mapreduce.jobs.flowlogs.layout import (
    ACTION,
    FIELD_NAME,
    KNOWN,
    LOG_STATUS,
    PAIR,
    Layout,
    excerpt,
    header_names,
    shown,
)
from mapreduce.jobs.flowlogs.mapping import RecordMapper
from mapreduce.jobs.flowlogs.protocols import small_number
from mapreduce.jobs.flowlogs.rewriting import Rewriter
from mapreduce.jobs.flowlogs.times import LATEST, TIMES, Span

MEASURES: Final = {"flows": "Count", "packets": "Packets", "bytes": "Bytes"}
"""The measures and the titles of their columns, in the order of the columns."""
NUMBERS: Final = {"srcport": 65535, "dstport": 65535, "protocol": 255}
"""Fields of a key that must be numbers, and the largest number of each."""
SRCPORT: Final = "srcport"
MAX_BY: Final = 60
"""The most fields to count by; the kernel takes a few more, for log-status and action."""

Action: TypeAlias = Literal["ACCEPT", "REJECT", "all"]

_NO_FLOW: Final = {LOG_STATUS: (b"NODATA", b"SKIPDATA"), ACTION: (b"-",), "protocol": (b"-",)}
"""The values by which a field says that a record carries no flow."""
_PORT: Final = r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3})"
_SURE: Final = {"srcport": _PORT, "dstport": _PORT, "protocol": "[0-9]{1,2}"}
_TEXT: Final = r"(?=[^ \t\n]*[0-9])[^ \t\n]+"
"""A value with a digit in it, which no name of a known field has."""
_SURE_BESIDE: Final = {LOG_STATUS: "OK", ACTION: "(?:ACCEPT|REJECT)", "protocol": "[0-9]{1,2}"}


class Question(NamedTuple):
    """What to count: by which fields, with which of ``MEASURES``, records of which action.

    With ``match_src``, the source port may tag a record, too. With a ``span``, only records of its
    time are counted.
    """

    by: tuple[str, ...] = PAIR
    measures: tuple[str, ...] = ("flows",)
    action: Action = "all"
    match_src: bool = False
    span: Span | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The fields to count by, and those that are needed to tag the records."""
        more = (SRCPORT,) if self.match_src and SRCPORT not in self.by else ()
        return (*self.by, *more)

    @property
    def ports(self) -> tuple[str, ...]:
        """The fields that decide about the tag of a record."""
        return (*PAIR, SRCPORT) if self.match_src else PAIR

    @property
    def weights(self) -> tuple[str, ...]:
        """The fields that are summed."""
        return tuple(name for name in self.measures if name != "flows")

    @property
    def needed(self) -> tuple[str, ...]:
        """The fields that a log must have."""
        return tuple(dict.fromkeys((*self.key, *self.weights, *self.judged)))

    @property
    def judged(self) -> tuple[str, ...]:
        """The fields of the key, and those that decide whether a record is counted."""
        action = () if self.action == "all" else (ACTION,)
        times = TIMES if self.span else ()
        return tuple(dict.fromkeys((*self.key, *action, *times)))

    @property
    def is_tagged(self) -> bool:
        """Whether the key has both fields that a tag belongs to."""
        return set(PAIR) <= set(self.by)


def parse_question(by: str, measures: Sequence[str], action: str) -> Question:
    """Return the question that comma-separated names ask; raise ``UsageError`` for other names."""
    fields, by_option = tuple(by.split(",")), named("by", printable(by))
    for name in fields:
        if not FIELD_NAME.fullmatch(name):
            raise UsageError(
                f"{by_option}: {printable(repr(name))} is not the name of a field; the fields are "
                f"{shown(KNOWN)}"
            )
    if len(fields) > MAX_BY:
        raise UsageError(f"{by_option}: {len(fields)} fields are too many; name at most {MAX_BY}")
    asked = ",".join(measures).split(",")
    measure_option = named("measure", printable(",".join(asked)))
    for name in asked:
        if name not in MEASURES:
            known = ", ".join(MEASURES)
            raise UsageError(f"{measure_option}: {printable(repr(name))} is not one of {known}")
    for option, names in ((by_option, fields), (measure_option, asked)):
        if len(set(names)) < len(names):
            raise UsageError(f"{option}: names a field twice")
    return Question(fields, tuple(name for name in MEASURES if name in asked), _action(action))


def _action(text: str) -> Action:
    """Return the action that a text names in any letter case."""
    actions: dict[str, Action] = {one.lower(): one for one in get_args(Action)}
    if not isinstance(text, str) or text.lower() not in actions:
        known = ", ".join(actions.values())
        raise UsageError(f"{named('action', printable(str(text)))}: choose one of {known}")
    return actions[text.lower()]


@dataclass(frozen=True)
class Judge:
    """Decides by its key whether a record is counted, skipped or malformed.

    ``names`` are the fields of the key; the first ``by`` of them are those of the question.
    ``status`` is the field that marks records without a flow. A key that looks like a header is
    malformed, unless it is the key of the log's own header and ``skips_header`` is set. A key with
    a tab after the ``last`` field of a line is malformed, too. In both cases the whole line is
    judged again (see ``mapping``).
    """

    names: tuple[str, ...]
    by: int
    status: str | None
    action: Action = "all"
    skips_header: bool = True
    last: str = ""
    span: Span | None = None

    def __call__(self, key: bytes, /) -> Judgement:
        values = dict(zip(self.names, key.split(b" "), strict=True))
        if values.get(self.last, b"").endswith(b"\t"):
            return f"{self.last} has a tab behind it"
        if self._is_no_flow(values):
            return SKIPPED
        if header_names(key):
            own = self.skips_header and key == " ".join(self.names).encode()
            return SKIPPED if own else f"{excerpt(key)} looks like names of fields"
        if judgement := self._judge_action(values) or self._judge_times(values):
            return judgement
        for name in self.names[: self.by]:
            largest = NUMBERS.get(name)
            if largest is not None and small_number(values[name], largest) is None:
                status = values.get(LOG_STATUS)
                told = "" if status is None else f" (log-status {excerpt(status)})"
                return f"{name} {excerpt(values[name])} is not 0 to {largest}{told}"
        return None

    def kind_of(self, key: bytes, /) -> str:
        """Return why a record is skipped: its time, log-status or action; nothing for a header."""
        values = dict(zip(self.names, key.split(b" "), strict=True))
        if self._judge_times(values) is SKIPPED:
            return "of another time"
        if self._is_no_flow(values):
            return values[LOG_STATUS].decode() if self.status == LOG_STATUS else "without a flow"
        return "" if header_names(key) else "of another action"

    def _is_no_flow(self, values: dict[str, bytes]) -> bool:
        if self.status is None:
            return all(values[name] == b"-" for name in self.names[: self.by])
        return values[self.status] in _NO_FLOW[self.status]

    def _judge_action(self, values: dict[str, bytes]) -> Judgement:
        if self.action == "all" or values[ACTION] == self.action.encode():
            return None
        if values[ACTION] in {b"ACCEPT", b"REJECT", b"-"}:
            return SKIPPED
        return f"action {excerpt(values[ACTION])} is neither ACCEPT nor REJECT"

    def _judge_times(self, values: dict[str, bytes]) -> Judgement:
        if self.span is None:
            return None
        first, last = (small_number(values[name], LATEST) for name in TIMES)
        if first is None or last is None:
            name = TIMES[0] if first is None else TIMES[1]
            return f"{name} {excerpt(values[name])} is not a time in seconds"
        return None if self.span.meets(first, last) else SKIPPED


def judge_of(layout: Layout, question: Question) -> Judge:
    """Return the judge of the records of a layout.

    The log-status tells whether a record carries a flow. In a layout without it, a ``-`` does: in
    all fields to count by if a port or the protocol is among them, otherwise in another field.
    """
    names = [*question.judged]
    has_numbers = any(name in NUMBERS for name in question.key)
    tells = [LOG_STATUS] if has_numbers else [*_NO_FLOW]
    status = next((name for name in tells if name in layout.names), None)
    if status and status not in names:
        names.append(status)
    by, skips_header = len(question.key), not question.weights
    last = layout.names[-1]
    return Judge(tuple(names), by, status, question.action, skips_header, last, question.span)


@cache
def mapper_of(form: Form, question: Question) -> RecordMapper:
    """Return the mapper of a form; all logs of the same form share one object."""
    judge = judge_of(form.layout, question)
    needed = (*judge.names, *question.weights)
    rewriter = Rewriter(form, tuple(dict.fromkeys(needed)))
    layout = form.layout
    if form.columns and not form.columns.has_records:
        layout = Layout(rewriter.needed)  # rows are rewritten in this layout
    return RecordMapper(
        b" ",
        layout.numbers(judge.names),
        layout.width,
        judge,
        _sure(judge),
        summed=layout.numbers(question.weights),
        measures=tuple(Sum(name, (b"-",), signed=False) for name in question.weights),
        names=needed,
        expected=layout.expected,
        rewriter=rewriter,
    )


def _sure(judge: Judge) -> re.Pattern[bytes]:
    """Return a pattern of keys that are certainly counted; the judge decides about the others."""
    if judge.span:
        return re.compile(rb"(?!)")  # a pattern cannot compare times
    parts = [_SURE.get(name, _TEXT) for name in judge.names[: judge.by]]
    for name in judge.names[judge.by :]:
        asked = name == ACTION and judge.action != "all"
        parts.append(judge.action if asked else _SURE_BESIDE[name])
    for name in judge.names[: judge.by]:
        if name == LOG_STATUS or (name == ACTION and judge.action != "all"):
            return re.compile(rb"(?!)")  # a rare question: let the judge see every key
    return re.compile(" ".join(parts).encode())
