"""Records are selected by their own start and end, and told where they lie only partly within."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import WriteLogs, counts_nothing, run_or_refuse
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import UsageError, run
from mapreduce.errors import NothingCountedError
from mapreduce.jobs.flowlogs.job import FlowLogs, flowlogs
from mapreduce.jobs.flowlogs.layout import parse_format
from mapreduce.jobs.flowlogs.records import Question
from mapreduce.jobs.flowlogs.times import Span, parse_span

NAMES = ("start", "end", "dstport", "protocol", "action")
BYS = [("dstport", "protocol"), ("end", "dstport"), ("start", "end"), ("action",)]

times = st.sampled_from(["0", "9", "10", "0011", "12", "20", "21", "-", "x", "9" * 13])
rows = st.tuples(
    times,
    times,
    st.sampled_from(["443", "53", "x"]),
    st.sampled_from(["6", "17"]),
    st.sampled_from(["ACCEPT", "REJECT"]),
    st.sampled_from(["OK", "OK", "OK", "NODATA", "SKIPDATA"]),
)
limits = st.none() | st.sampled_from([0, 9, 10, 11, 12, 20, 100])


def second(text: str) -> int | None:
    return int(text) if text.isdigit() and len(text) < 13 else None


def verdict(row: dict[str, str], by: tuple[str, ...], action: str, span: Span) -> str:
    """Say of a record, by the plain rules, what becomes of it: counted, malformed, or a kind."""
    first, last = second(row["start"]), second(row["end"])
    known = first is not None and last is not None
    lies = known and not (
        (span.start is not None and (last or 0) < span.start)
        or (span.end is not None and (first or 0) >= span.end)
    )
    if row.get("log-status") in {"NODATA", "SKIPDATA"}:
        return row["log-status"] if lies or not known else "of another time"
    if action not in {"all", row["action"]}:
        return "of another action" if lies or not known else "of another time"
    if not known:
        return "malformed"
    if not lies:
        return "of another time"
    return "malformed" if "dstport" in by and row["dstport"] == "x" else "counted"


@promise(
    "Records are selected by their own start and end",
    broken_by=change("mapreduce.jobs.flowlogs.times:Span.meets", "last >= self.start", "True"),
)
@given(
    st.lists(rows, max_size=30),
    st.tuples(limits, limits, st.sampled_from(["all", "ACCEPT"]), st.booleans()),
    st.sampled_from(BYS),
    st.integers(20, 2000),
)
def test_records_are_selected_by_their_own_start_and_end(
    write_logs: WriteLogs,
    rows: list[tuple[str, ...]],
    asked: tuple[int | None, int | None, Any, bool],
    by: tuple[str, ...],
    size: int,
) -> None:
    start, end, action, has_status = asked
    span, names = Span(start, end), (*NAMES, *(["log-status"] if has_status else []))
    records = [dict(zip(names, row, strict=False)) for row in rows]
    text = "\n".join([" ".join(record.values()) for record in records])
    job = FlowLogs(
        None,
        layout=parse_format(" ".join(names)),
        question=Question(by, action=action, span=span),
    )
    found = run_or_refuse(job, write_logs(text.encode()), split_size=size)
    kinds = Counter(verdict(record, by, action, span) for record in records)
    counted, malformed = kinds.pop("counted", 0), kinds.pop("malformed", 0)
    if isinstance(found, NothingCountedError):
        assert counts_nothing(counted, kinds.total(), malformed)
        return
    stats = found.stats
    assert (stats.counted, stats.malformed, stats.skipped_kinds) == (counted, malformed, kinds)
    keys = Counter(
        tuple(key_part(record, name) for name in by)
        for record in records
        if verdict(record, by, action, span) == "counted"
    )
    assert {tuple(map(str, row[:-1])): row[-1] for row in found.tables[-1].rows} == keys


def key_part(record: dict[str, str], name: str) -> str:
    return {"6": "tcp", "17": "udp"}[record[name]] if name == "protocol" else record[name]


@promise(
    "Records that lie only partly within the time are told",
    broken_by=change("mapreduce.jobs.flowlogs.times:Span.holds", "last < self.end", "True"),
)
@pytest.mark.parametrize("match_src", [False, True])
def test_records_that_lie_only_partly_within_the_time_are_told(
    write_logs: WriteLogs, match_src: bool
) -> None:
    times = [(9, 9), (9, 10), (10, 19), (10, 20), (19, 25), (20, 25), (5, 40)]
    lines = [f"{first:04} {last} 80 443 6" for first, last in times]
    text = "\n".join(["start end srcport dstport protocol", *lines]).encode()
    question = Question(span=Span(10, 20), match_src=match_src)
    tags, ports = run(FlowLogs({(443, 6): "web"}, question=question), write_logs(text)).tables
    assert list(tags.rows) == [("web", 5), ("Untagged", 0)]
    assert ports.note == (
        "1 port/protocol pairs; 4 records lie only partly within the time, counted whole"
    )
    question = Question(span=Span(0, 50), match_src=match_src)
    result = run(FlowLogs({(443, 6): "web"}, question=question), write_logs(text))
    assert [table.note for table in result.tables[1:]] == ["1 port/protocol pairs"]


def test_times_are_read_only_if_they_are_asked_for(write_logs: WriteLogs) -> None:
    paths = write_logs(b"dstport protocol\n443 6\n")
    assert run(flowlogs(), paths).stats.counted == 1
    with pytest.raises(UsageError, match="has no field start and no field end"):
        run(flowlogs(to="2024-05-01"), paths)


def test_a_time_without_a_zone_is_utc_and_a_part_of_a_second_is_kept_apart() -> None:
    day = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp())
    assert parse_span("2024-05-01", None) == Span(day, None)
    assert parse_span(None, "2024-05-01T02:00+02:00") == Span(None, day)
    span = parse_span("2024-05-01T00:00:00.5", "2024-05-01T00:00:01.5")
    assert span == Span(day + 1, day + 2)
    assert parse_span("1969-12-31T23:59:58.5", None) == Span(-1, None)
    assert parse_span(None, None) is None


@pytest.mark.parametrize("limit", ["9999-12-31T23:59:59.9", "0001-01-01T00:00+14:00"])
def test_the_manifest_tells_any_time_that_is_asked_for(limit: str) -> None:
    assert set(flowlogs(from_=limit).described) - set(flowlogs().described) == {"from"}
    day = "2024-05-01T00:00:00+00:00"
    assert flowlogs(from_="2024-05-01", to="2024-05-02").described["from"] == day


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        ({"from_": "noon"}, "--from 'noon': write a day such as"),
        ({"to": ""}, "--to '': write a day"),
        ({"from_": "2024-05-02", "to": "2024-05-02"}, "--from 2024-05-02 is not before --to 2024"),
    ],
)
def test_times_that_cannot_be_are_refused_as_they_are_typed(
    tmp_path: Path, times: dict[str, Any], fault: str
) -> None:
    with pytest.raises(UsageError) as caught:
        flowlogs(**times)
    assert caught.value.for_command_line().startswith(fault)
