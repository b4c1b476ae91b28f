"""What is asked of flow logs: which fields of a record are its key, what is summed, what counts.

A record is counted if it has as many fields as its log's layout and the ports (0 to 65535) and the
protocol (0 to 255) of its key are numbers; skipped if it carries no flow (log-status NODATA or
SKIPDATA, ``-`` in these fields), is a header, or has not the action that is asked for; else
malformed. Source: the AWS documentation, "Flow log records".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, TypeAlias

from mapreduce import SKIPPED, FieldMapper, InputError, Judgement, Sum, UsageError, printable
from mapreduce.jobs.flowlogs.layout import (
    ACTION,
    CSV_HEADERS,
    FIELD_NAME,
    LOG_STATUS,
    PAIR,
    Layout,
    header_names,
)
from mapreduce.jobs.flowlogs.protocols import small_number

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
_TEXT: Final = r"(?![a-z-]*(?: |$))[^ \n]+"
"""A value that is no name of a field."""


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
            raise UsageError(f"--by: {printable(repr(name))} is no name of a field")
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

    ``status`` is the one that tells of records without a flow, ``quoted`` says that values may
    have the closing quote of a CSV.
    """

    names: tuple[str, ...]
    by: int
    status: str | None
    action: Action = "all"
    quoted: bool = False

    def __call__(self, key: bytes, /) -> Judgement:
        values = dict(zip(self.names, self._values(key), strict=True))
        if self._is_no_flow(values) or self._is_header(values):
            return SKIPPED
        if (judgement := self._judge_action(values)) is not None:
            return judgement
        for name, value in values.items():
            largest = NUMBERS.get(name) if name in self.names[: self.by] else None
            if largest is not None and small_number(value, largest) is None:
                status = (
                    f" (log-status {_shown(values[LOG_STATUS])})" if LOG_STATUS in values else ""
                )
                return f"{name} {_shown(value)} is not 0 to {largest}{status}"
        return None

    def _values(self, key: bytes) -> list[bytes]:
        values = key.split(b" ")
        return [value.removesuffix(b'"') for value in values] if self.quoted else values

    def _is_no_flow(self, values: dict[str, bytes]) -> bool:
        asked = self.names[: self.by]
        if self.status is None:
            return all(values[name] == b"-" for name in asked)
        absent = all(values[name] == b"-" for name in asked if name in NUMBERS)
        return absent and values[self.status] in _NO_FLOW[self.status]

    def _is_header(self, values: dict[str, bytes]) -> bool:
        line = b" ".join(values.values())
        if line == " ".join(self.names).encode():
            return True
        if len(header_names(line)) == len(values):
            raise InputError(
                f"a header of another layout in the middle ({line.decode()}); "
                "cut the file in two before it"
            )
        return False

    def _judge_action(self, values: dict[str, bytes]) -> Judgement:
        if self.action == "all" or values[ACTION] == self.action.encode():
            return None
        if values[ACTION] in {b"ACCEPT", b"REJECT", b"-"}:
            return SKIPPED
        return f"action {_shown(values[ACTION])} is neither ACCEPT nor REJECT"


def judge_of(layout: Layout, question: Question) -> Judge:
    """Return what judges the keys of a layout's records."""
    names = [*question.by]
    if question.action != "all" and ACTION not in names:
        names.append(ACTION)
    has_numbers = any(name in NUMBERS for name in question.by)
    tells = [LOG_STATUS] if has_numbers else [*_NO_FLOW]
    there = layout.names[1:] if layout.in_csv else layout.names  # see Layout.checked
    status = next((name for name in tells if name in there), None)
    if status and status not in names:
        names.append(status)
    return Judge(tuple(names), len(question.by), status, question.action, layout.in_csv)


@cache
def mapper_of(layout: Layout, question: Question) -> FieldMapper:
    """Return what counts the records of a layout, one object for all logs that have it."""
    judge = judge_of(layout, question)
    fields, summed = layout.numbers(judge.names), layout.numbers(question.weights)
    closing = b'"' if layout.in_csv else b""
    measures = tuple(Sum(name, (b"-",), signed=False, closing=closing) for name in question.weights)
    headers = CSV_HEADERS if layout.in_csv else ()
    names = (*judge.names, *question.weights)
    return FieldMapper(
        b" ", fields, layout.width, judge, _sure(judge), headers, summed, measures, names
    )


def _sure(judge: Judge) -> re.Pattern[bytes]:
    """Return what matches keys that surely count; the judge decides on the others."""
    asked = judge.names[: judge.by]
    has_numbers = any(name in NUMBERS for name in asked)
    parts = [_SURE.get(name, _TEXT) for name in asked]
    for name in judge.names[judge.by :]:
        if name == ACTION and judge.action != "all":
            parts.append(judge.action)
        else:
            parts.append(r"[^ \n]*" if has_numbers else "OK" if name == LOG_STATUS else _TEXT)
    for name in asked:
        if (name == ACTION and judge.action != "all") or (name == judge.status and not has_numbers):
            return re.compile(rb"(?!)")  # seldom asked: the judge sees every key
    return re.compile(" ".join(parts).encode())


def _shown(value: bytes) -> str:
    return repr(value[:20])[1:] + ("..." if len(value) > 20 else "")
