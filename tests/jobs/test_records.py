"""Keys, measures, actions: what is asked of logs in any form is answered as the oracle does."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from conftest import LOOKUP, WriteLogs, counts_nothing, record, run_or_refuse
from hypothesis import given
from hypothesis import strategies as st
from naive_logs import ask, text_of
from promises import becomes, change, promise

from mapreduce import Result, UsageError, run
from mapreduce.errors import NothingCountedError
from mapreduce.jobs.flowlogs.job import FlowLogs, flowlogs
from mapreduce.jobs.flowlogs.layout import parse_format
from mapreduce.jobs.flowlogs.protocols import protocol_number
from mapreduce.jobs.flowlogs.records import Action, Question, parse_question
from mapreduce.kernel.pace import Pace

VALUES = {
    "srcport": ["443", "0", "65535", "007", "-", "65536", "x"],
    "dstport": ["443", "53", "80", "0443", "-", "70000", ""],
    "protocol": ["6", "17", "1", "006", "-", "256", "tcp"],
    "packets": ["1", "20", "007", "-", "x", "9" * 19, "1" + "0" * 19, "9" * 40],
    "bytes": ["0", "840", "-", "-5", "1e3", "9" * 19, "9" * 20, "123456789012345678901234567890"],
    "action": ["ACCEPT", "ACCEPT", "REJECT", "-", "Accept"],
    "log-status": ["OK", "OK", "OK", "NODATA", "SKIPDATA"],
    "srcaddr": ["10.0.0.1", "10.0.0.2", "2001:db8::1", "-"],
    "vpc-id": ["vpc-0a1", "-"],
    "flow-direction": ["ingress", "egress", "-"],
}
PLAIN = {name: values[:3] for name, values in VALUES.items()}
names_of = st.lists(st.sampled_from(sorted(VALUES)), min_size=3, unique=True)


def zstd(data: bytes) -> bytes:
    backport = pytest.importorskip("backports.zstd", reason="backports.zstd is not installed")
    return bytes(backport.compress(data))


def parquet(data: bytes) -> bytes:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet as pq

    names, *rows = [line.split(" ") for line in data.decode().splitlines()]
    nulls = [[None if value == "-" else value for value in row] for row in rows]
    columns = {n.replace("-", "_"): [r[i] for r in nulls] for i, n in enumerate(names)}
    file = io.BytesIO()
    pq.write_table(pa.table({n: pa.array(c, pa.string()) for n, c in columns.items()}), file)
    return file.getvalue()


def behind(before: str, lines: list[bytes]) -> list[bytes]:
    return [before.encode() + line for line in lines]


def csv_of(rows: Iterable[Iterable[bytes]], quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=quoting, lineterminator="\n")
    writer.writerows([value.decode() for value in row] for row in rows)
    return file.getvalue().encode()


def athena(lines: list[bytes]) -> bytes:
    names, *rows = [line.split(b" ") for line in lines]
    values = [[b"" if value == b"-" else value for value in row] for row in rows]
    return csv_of([[name.replace(b"-", b"_") for name in names], *values], csv.QUOTE_ALL)


def insights(lines: list[bytes]) -> bytes:
    names, *rows = [[b"1", *line.split(b" ")] for line in lines]
    camel = [re.sub(rb"-(.)", lambda found: found[1].upper(), name) for name in names[1:]]
    return csv_of([[b"@timestamp", *camel], *rows])


ZONED = "2024-05-01T12:00:00.123000+00:00 eni-0a1-all "
EXPORTS: dict[str, Callable[[list[bytes]], bytes]] = {
    "stamped": lambda lines: b"\n".join(behind("2024-05-01T12:00:00.000Z ", lines)),
    "tail short": lambda lines: b"\n".join(behind("2024-05-01T12:00:00 ", lines)),
    "tail detailed": lambda lines: b"\n".join(behind(ZONED, lines)),
    "blanks behind": lambda lines: b" \t\n".join([*lines, b""]),
    "blank lines before": lambda lines: b"\r\n\n" + b"\n".join(lines),
    "loose header": lambda lines: b"\n".join(
        [b"  ".join(lines[0].title().replace(b"-", b"_").split(b" ")), *lines[1:]]
    ),
    "CSV": lambda lines: csv_of(
        [[b"timestamp", b"message"], *([b"1", line] for line in lines[1:])]
    ),
    "quoted CSV": lambda lines: csv_of(
        [[b"@timestamp", b"@message"], *([b"1", line] for line in lines[1:])], csv.QUOTE_ALL
    ),
    "three columns": lambda lines: csv_of(
        [
            [b"timestamp", b"message", b"logStreamName"],
            *([b"1", line, b"eni-0a1-all"] for line in lines[1:]),
        ]
    ),
    "athena": athena,
    "insights": insights,
}
"""A log with a header, in the forms in which CloudWatch, Athena and people write it."""
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "parquet": parquet,
}
FORMS = [*EXPORTS, *PACKED]


def formed(data: bytes, form: str) -> bytes:
    """Return a log with a header in another form."""
    return EXPORTS[form](data.split(b"\n")) if form in EXPORTS else PACKED[form](data)


@st.composite
def logs(draw: st.DrawFn) -> tuple[tuple[str, ...], bytes]:
    """Return the names of the fields, and a log with a header, mostly of sound records."""
    names = tuple(draw(names_of))
    values = draw(st.sampled_from([VALUES, PLAIN]))
    rows = draw(
        st.lists(st.tuples(*(st.sampled_from(values[name]) for name in names)), max_size=25)
    )
    return names, "\n".join([" ".join(row) for row in (names, *rows)]).encode()


def found_keys(result: Result, by: tuple[str, ...]) -> dict[tuple[Any, ...], list[int]]:
    """Return the last table as the oracle gives it: protocols by number."""
    rows = {}
    for row in result.tables[-1].rows:
        key: list[Any] = list(row[: len(by)])
        if "protocol" in by:
            key[by.index("protocol")] = protocol_number(str(row[by.index("protocol")]))
        rows[tuple(key)] = [int(value) for value in row[len(by) :]]
    return rows


@promise(
    "Any question to a log of any form is answered as the oracle does",
    broken_by=becomes("mapreduce.jobs.flowlogs.records:Judge._is_no_flow", "return False"),
)
@given(st.data(), logs(), st.sampled_from(FORMS), st.sampled_from(get_args(Action)))
def test_any_question_to_a_log_of_any_form_is_answered_as_the_oracle_does(
    write_logs: WriteLogs,
    data: st.DataObject,
    log: tuple[tuple[str, ...], bytes],
    form: str,
    action: Action,
) -> None:
    names, text = log
    by = tuple(data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)))
    weights = tuple(name for name in ("packets", "bytes") if name in names)
    action = action if "action" in names else "all"
    job = FlowLogs(
        LOOKUP, (), parse_format(" ".join(names)), Question(by, ("flows", *weights), action)
    )
    whole = formed(text, form)
    paths, size = write_logs(whole, whole), data.draw(st.integers(20, 4000))
    found = run_or_refuse(job, paths, split_size=size)
    expected = ask([whole, whole], by, weights, action, names)
    if isinstance(found, NothingCountedError):
        assert counts_nothing(expected.counted, expected.skipped, expected.malformed)
        assert found.malformed == expected.malformed
        return
    assert found_keys(found, by) == expected.keys
    stats = found.stats
    figures = (stats.lines, stats.counted, stats.skipped, stats.malformed)
    assert figures == (expected.lines, expected.counted, expected.skipped, expected.malformed)
    assert stats.skipped_kinds == +expected.kinds
    assert len(found.rejects) == min(10, expected.malformed)
    if {"dstport", "protocol"} <= set(by):
        totals = [sum(column) for column in zip(*expected.keys.values(), strict=True)]
        tagged = [list(row[1:]) for row in found.tables[0].rows]
        assert [sum(column) for column in zip(*tagged, strict=True)] == (
            totals or [0] * (1 + len(weights))
        )


def lines(*records: tuple[str, ...]) -> bytes:
    """Return records of (srcaddr, dstport, protocol, packets, bytes, action, log-status)."""
    header = "srcaddr dstport protocol packets bytes action log-status"
    return "\n".join([header, *map(" ".join, records), ""]).encode()


LOG = lines(
    ("10.0.0.1", "443", "6", "2", "100", "ACCEPT", "OK"),
    ("10.0.0.2", "443", "6", "1", "900", "REJECT", "OK"),
    ("10.0.0.1", "53", "17", "9", "50", "ACCEPT", "OK"),
    ("10.0.0.3", "9", "6", "1", "7000", "ACCEPT", "OK"),
    ("-", "-", "-", "-", "-", "-", "NODATA"),
)


def tables(write_logs: WriteLogs, log: bytes = LOG, **question: Any) -> list[list[tuple[Any, ...]]]:
    job = FlowLogs(LOOKUP, question=Question(**question))
    return [[table.header, *table.rows] for table in run(job, write_logs(log)).tables]


def test_several_measures_are_several_columns_the_count_first(write_logs: WriteLogs) -> None:
    question = parse_question("dstport,protocol", ["bytes,packets", "flows"], "all")
    assert tables(write_logs, by=question.by, measures=question.measures) == [
        [
            ("Tag", "Count", "Packets", "Bytes"),
            ("web", 2, 3, 1000),
            ("names", 1, 9, 50),
            ("Untagged", 1, 1, 7000),
        ],
        [
            ("Port", "Protocol", "Count", "Packets", "Bytes"),
            (443, "tcp", 2, 3, 1000),
            (9, "tcp", 1, 1, 7000),
            (53, "udp", 1, 9, 50),
        ],
    ]


def test_one_measure_is_one_column_and_orders_the_rows(write_logs: WriteLogs) -> None:
    assert tables(write_logs, measures=("bytes",)) == [
        [("Tag", "Bytes"), ("web", 1000), ("names", 50), ("Untagged", 7000)],
        [("Port", "Protocol", "Bytes"), (9, "tcp", 7000), (443, "tcp", 1000), (53, "udp", 50)],
    ]


@promise(
    "Records of another action are skipped, and counted as such",
    broken_by=change(
        "mapreduce.mapping.counting:TableCombiner.drain",
        "Drained(totals, lines, skipped, kinds=kinds)",
        "Drained(totals, lines, 0, kinds=kinds)",
    ),
)
def test_records_of_another_action_are_skipped(write_logs: WriteLogs) -> None:
    job = FlowLogs(LOOKUP, question=Question(action="REJECT"))
    found = run(job, write_logs(LOG))
    assert list(found.tables[0].rows) == [("web", 1), ("Untagged", 0)]
    assert (found.stats.counted, found.stats.skipped, found.stats.malformed) == (1, 5, 0)


def test_other_keys_have_a_table_of_their_own_and_tags_only_with_port_and_protocol(
    write_logs: WriteLogs,
) -> None:
    assert tables(write_logs, by=("srcaddr",)) == [
        [("srcaddr", "Count"), ("10.0.0.1", 2), ("10.0.0.2", 1), ("10.0.0.3", 1)]
    ]
    tags, keys = tables(write_logs, by=("protocol", "srcaddr", "dstport"))
    assert tags == [("Tag", "Count"), ("web", 2), ("names", 1), ("Untagged", 1)]
    assert keys[:2] == [("protocol", "srcaddr", "dstport", "Count"), ("tcp", "10.0.0.1", 443, 1)]
    names = [
        FlowLogs({}, question=Question(by)).outputs
        for by in (("srcaddr",), ("protocol", "dstport"))
    ]
    assert names == [("counts.csv",), ("tag2count.csv", "counts.csv")]


@promise(
    "Sums are exact at any size",
    broken_by=change(
        "mapreduce.reducing.totals:Totals.settled",
        "value + lines * (measure.read(text) or 0)",
        "value",
    ),
)
def test_sums_are_exact_at_any_size(write_logs: WriteLogs) -> None:
    large = ["9" * 19, "9" * 19, "1" + "0" * 30, "9" * 1000]
    log = lines(*(("10.0.0.1", "443", "6", "-", size, "ACCEPT", "OK") for size in large))
    tags, _keys = tables(write_logs, log, measures=("packets", "bytes"))
    assert tags[1] == ("web", 0, sum(map(int, large)))


@promise(
    "Measures are the same by any number of workers",
    broken_by=becomes(
        "mapreduce.kernel.native:PackedCounts.merge",
        "return max(self, other, key=lambda packed: packed.data)",
    ),
)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_measures_are_the_same_by_any_number_of_workers(
    write_logs: WriteLogs,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    method: Literal["fork", "spawn"],
) -> None:
    monkeypatch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
    job = FlowLogs(LOOKUP, question=Question(measures=("flows", "bytes")))
    found = run(
        job, write_logs(*[LOG + LOG] * 40), workers=workers, split_size=300, start_method=method
    )
    assert list(found.tables[0].rows) == [
        ("web", 160, 80_000),
        ("names", 80, 4000),
        ("Untagged", 80, 560_000),
    ]


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ({"measure": "bytes,flows"}, {"measure": ["bytes", "flows"]}),
        ({"by": ["dstport", "protocol"]}, {"by": "dstport,protocol"}),
        ({"log_format": ("dstport", "protocol")}, {"log_format": "dstport protocol"}),
        ({"account": "123456789012"}, {"account": ["123456789012"]}),
        ({"region": ("eu-west-1",)}, {"region": ["eu-west-1"]}),
    ],
)
def test_a_text_and_a_list_of_texts_are_the_same(
    tmp_path: Path, written: dict[str, Any], same: dict[str, Any]
) -> None:
    path = tmp_path / "lookup.csv"
    path.write_text("dstport,protocol,tag\n443,tcp,web\n")
    job = flowlogs(str(path), **written)  # type: ignore[arg-type]
    assert job == flowlogs(path, **same)
    assert job.side_inputs == (path,)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"measure": 7}, "measure: 7 is neither a text nor a list of texts"),
        ({"by": [1, 2]}, "by: [1, 2] is neither a text nor a list of texts"),
        ({"by": b"dstport"}, "by: b'dstport' is neither a text nor a list of texts"),
        (
            {"by": "Dst,protocol"},
            "by=Dst,protocol: 'Dst' is not the name of a field; the fields are version, account-id",
        ),
        ({"by": "dstport,,protocol"}, "by=dstport,,protocol: '' is not the name of a field"),
        ({"by": "Dst"}, "by=Dst: 'Dst' is not the name of a field"),
        ({"by": "dstport,dstport"}, "by=dstport,dstport: names a field twice"),
        ({"by": ",".join(f"f{n}" for n in range(61))}, "by=f0,f1,f2"),
        ({"measure": ["flow"]}, "measure=flow: 'flow' is not one of flows, packets, bytes"),
        ({"measure": ["bytes", "bytes"]}, "measure=bytes,bytes: names a field twice"),
        ({"by": "vpc-id", "log_format": "dstport protocol"}, "log_format=: has no field vpc-id"),
        ({"action": "accepted"}, "action=accepted: choose one of ACCEPT, REJECT, all"),
        ({"action": 7}, "action=7: choose one of ACCEPT, REJECT, all"),
        ({"on_conflict": "FIRST"}, "on_conflict=FIRST: choose one of error, first, last"),
        ({"lookup": ["x.csv"]}, "lookup= must be a path, not ['x.csv']"),
    ],
)
def test_a_question_that_cannot_be_is_refused(
    tmp_path: Path, arguments: dict[str, Any], fault: str
) -> None:
    (tmp_path / "lookup.csv").write_text("dstport,protocol,tag\n")
    with pytest.raises(UsageError) as caught:
        flowlogs(**({"lookup": tmp_path / "lookup.csv"} | arguments))
    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ({"by": ("vpc-id",)}, "vpc-id"),
        ({"measures": ("bytes",)}, "bytes"),
        ({"action": "ACCEPT"}, "action"),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_a_log_without_what_is_asked_for_is_refused_naming_it(
    write_logs: WriteLogs, question: dict[str, Any], missing: str, header: bool
) -> None:
    layout = "dstport protocol log-status"
    (path,) = write_logs(f"{layout}\n443 6 OK\n".encode() if header else b"443 6 OK\n")
    job = FlowLogs(LOOKUP, layout=parse_format(layout), question=Question(**question))
    with pytest.raises(UsageError) as caught:
        run(job, [path])
    assert str(caught.value).startswith(f"{path}: has no field {missing}; ")


def test_a_log_of_another_form_has_the_fields_that_the_default_lacks(write_logs: WriteLogs) -> None:
    job = flowlogs(None, by="vpc-id")
    found = run(job, write_logs(b"vpc-id action\nvpc-1 ACCEPT\nvpc-1 REJECT\n- -\n"))
    assert list(found.tables[0].rows) == [("vpc-1", 2)]
    assert (found.stats.skipped, found.stats.malformed) == (2, 0)


@pytest.mark.parametrize("log", [b"", b"\n", record(b"-", b"-", b"NODATA")])
@pytest.mark.parametrize("measures", [("flows", "bytes"), ("packets", "bytes"), ("bytes",)])
def test_a_log_without_flows_has_all_columns(
    write_logs: WriteLogs, log: bytes, measures: tuple[str, ...]
) -> None:
    tags, pairs = tables(write_logs, log, measures=measures)
    assert tags[1:] == [("Untagged", *[0] * len(measures))]
    assert len(tags[0]) == len(tags[1])
    assert pairs[1:] == []


def test_what_is_skipped_needs_no_room_among_the_keys(
    write_logs: WriteLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mapreduce.mapping.counting.REMEMBERED", 5)
    others = [(f"10.0.1.{n}", "443", "6", "1", "1", "ACCEPT", "OK") for n in range(20)] * 3
    wanted = ("10.0.0.2", "443", "6", "1", "7", "REJECT", "OK")
    job = FlowLogs({}, question=Question(("srcaddr",), ("flows", "bytes"), "REJECT"))
    log = lines(*others, wanted, *others)
    for block_size in (50, 200, 100_000):
        found = run(job, write_logs(log), max_keys=1, block_size=block_size)
        assert list(found.tables[0].rows) == [("10.0.0.2", 1, 7)]
        assert (found.stats.counted, found.stats.skipped) == (1, 121)
        assert found.stats.skipped_kinds == {"of another action": 120}


def test_quotes_are_kept_but_for_those_around_a_value_of_csv(write_logs: WriteLogs) -> None:
    layout = parse_format("version dstport tags")
    job = FlowLogs({}, layout=layout, question=Question(("dstport", "tags")))
    rows = b'2 443 {"a":"b"}\n2 443 {"a":"b"}\n'
    csv = b'"timestamp","message"\n"1","2 443 prod"\n"2","2 443 prod"\n'
    found = run(job, write_logs(rows, csv))
    assert sorted(found.tables[0].rows) == [(443, "prod", 2), (443, '{"a":"b"}', 2)]
    job = FlowLogs({}, layout=layout, question=Question(("version",)))
    assert list(run(job, write_logs(csv)).tables[0].rows) == [("2", 2)]


def test_a_malformed_measure_is_told_with_its_name(write_logs: WriteLogs) -> None:
    job = FlowLogs(LOOKUP, question=Question(measures=("bytes",)))
    good, bad = record(), record().replace(b" 840 ", b" 8k ")
    found = run(job, write_logs(b"\n".join([good, bad, b""])))
    assert [reject.reason for reject in found.rejects] == ["bytes '8k' is not a whole number"]
    assert list(found.tables[0].rows) == [("web", 840), ("Untagged", 0)]


def test_the_oracle_reads_what_it_is_given() -> None:
    for form in FORMS:
        text = text_of(formed(b"dstport protocol\n443 6", form))
        assert b"443 6" in text.replace(b'","', b" ").replace(b",", b" ")
        assert ask(
            [formed(b"dstport protocol\n443 6", form)],
            ["dstport"],
            [],
            "all",
            ["dstport", "protocol"],
        ).keys == {(443,): [1]}
