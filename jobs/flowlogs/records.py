"""What is asked of flow logs: which fields of a record are its key, what is summed, what counts.

A record is skipped if it carries no flow, which its log-status NODATA or SKIPDATA says whatever
else stands there, if it is a header, or if it does not have the action that is asked for. Another
record is counted if it has as many fields as the layout of its log, and the ports (0 to 65535) and
the protocol (0 to 255) of its key are numbers; else it is malformed. Source: the AWS documentation,
"Flow log records".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, TypeAlias

from mapreduce import SKIPPED, Judgement, Sum, UsageError, printable
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
from mapreduce.jobs.flowlogs.protocols import small_number
from mapreduce.jobs.flowlogs.rewriting import RecordMapper, Rewriter

MEASURES: Final = {"flows": "Count", "packets": "Packets", "bytes": "Bytes"}
"""What can be measured, in the order of the columns that they give."""
NUMBERS: Final = {"srcport": 65535, "dstport": 65535, "protocol": 255}
"""Fields of a key that must be numbers, and their largest."""
MOST: Final = 60
"""Fields of a key; the kernels take a few more, which is what else has to be known."""

Action: TypeAlias = Literal["ACCEPT", "REJECT", "all"]

_NO_FLOW: Final = {LOG_STATUS: (b"NODATA", b"SKIPDATA"), ACTION: (b"-",), "protocol": (b"-",)}
"""What says that a record carries no flow, by the field that says it."""
_PORT: Final = r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3})"
_SURE: Final = {"srcport": _PORT, "dstport": _PORT, "protocol": "[0-9]{1,2}"}
_TEXT: Final = r"(?=[^ \t\n]*[0-9])[^ \t\n]+"
"""A value with a digit in it: no name of a field that is known has one."""
_SURE_BESIDE: Final = {LOG_STATUS: "OK", ACTION: "(?:ACCEPT|REJECT)", "protocol": "[0-9]{1,2}"}


@dataclass(frozen=True)
class Question:
    """Count by these fields; measure these of ``MEASURES``; only records of this action."""

    by: tuple[str, ...] = PAIR
    measures: tuple[str, ...] = ("flows",)
    action: Action = "all"

    @property
    def weights(self) -> tuple[str, ...]:
        """The fields that are summed."""
        return tuple(name for name in self.measures if name != "flows")

    @property
    def needed(self) -> tuple[str, ...]:
        """The fields that a log must have."""
        filtered = () if self.action == "all" else (ACTION,)
        return tuple(dict.fromkeys((*self.by, *self.weights, *filtered)))

    @property
    def is_tagged(self) -> bool:
        """Whether the key has what gives a tag."""
        return set(PAIR) <= set(self.by)


def parse_question(by: str, measures: Sequence[str], action: Action) -> Question:
    """Return what is asked by names with commas between them; raise ``UsageError`` for others."""
    fields = tuple(by.split(","))
    for name in fields:
        if not FIELD_NAME.fullmatch(name):
            raise UsageError(
                f"--by: {printable(repr(name))} is no name of a field; there are {shown(KNOWN)}"
            )
    if len(fields) > MOST:
        raise UsageError(f"--by: {len(fields)} fields, more than {MOST}")
    named = ",".join(measures).split(",")
    for name in named:
        if name not in MEASURES:
            known = ", ".join(MEASURES)
            raise UsageError(f"--measure: {printable(repr(name))} is none of {known}")
    for option, names in (("--by", fields), ("--measure", named)):
        if len(set(names)) < len(names):
            raise UsageError(f"{option}: names one twice")
    return Question(fields, tuple(name for name in MEASURES if name in named), action)


@dataclass(frozen=True)
class Judge:
    """Judges a key, whose fields have these ``names``; the first ``by`` of them are asked for.

    ``status`` is the field that tells of records without a flow. A key that looks like a header is
    malformed, unless it is that of the log's own header and ``skips_header``; and so is one with a
    tab behind the ``last`` field of a line. Then the whole line decides (see ``rewriting``).
    """

    names: tuple[str, ...]
    by: int
    status: str | None
    action: Action = "all"
    skips_header: bool = True
    last: str = ""

    def __call__(self, key: bytes, /) -> Judgement:
        values = dict(zip(self.names, key.split(b" "), strict=True))
        if values.get(self.last, b"").endswith(b"\t"):
            return f"{self.last} has a tab behind it"
        if self._is_no_flow(values):
            return SKIPPED
        if header_names(key):
            own = self.skips_header and key == " ".join(self.names).encode()
            return SKIPPED if own else f"{excerpt(key)} looks like names of fields"
        if (judgement := self._judge_action(values)) is not None:
            return judgement
        for name in self.names[: self.by]:
            largest = NUMBERS.get(name)
            if largest is not None and small_number(values[name], largest) is None:
                status = values.get(LOG_STATUS)
                told = "" if status is None else f" (log-status {excerpt(status)})"
                return f"{name} {excerpt(values[name])} is not 0 to {largest}{told}"
        return None

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


def judge_of(layout: Layout, question: Question) -> Judge:
    """Return what judges the keys of a layout's records.

    Its log-status tells of a record whether it carries a flow. Where there is none, the ``-`` in
    the ports and the protocol does, if they are asked for, or else that in another field.
    """
    names = [*question.by]
    if question.action != "all" and ACTION not in names:
        names.append(ACTION)
    has_numbers = any(name in NUMBERS for name in question.by)
    tells = [LOG_STATUS] if has_numbers else [*_NO_FLOW]
    status = next((name for name in tells if name in layout.names), None)
    if status and status not in names:
        names.append(status)
    by, skips_header = len(question.by), not question.weights
    return Judge(tuple(names), by, status, question.action, skips_header, layout.names[-1])


@cache
def mapper_of(form: Form, question: Question) -> RecordMapper:
    """Return what counts the records of a form, one object for all logs that have it."""
    judge = judge_of(form.layout, question)
    needed = (*judge.names, *question.weights)
    rewriter = Rewriter(form, tuple(dict.fromkeys(needed)))
    layout = form.layout
    if form.columns and not form.columns.has_records:
        layout = Layout(rewriter.needed)  # as a row is rewritten
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
    """Return what matches keys that surely count; the judge decides on the others."""
    parts = [_SURE.get(name, _TEXT) for name in judge.names[: judge.by]]
    for name in judge.names[judge.by :]:
        asked = name == ACTION and judge.action != "all"
        parts.append(judge.action if asked else _SURE_BESIDE[name])
    for name in judge.names[: judge.by]:
        if name == LOG_STATUS or (name == ACTION and judge.action != "all"):
            return re.compile(rb"(?!)")  # seldom asked: the judge sees every key
    return re.compile(" ".join(parts).encode())
