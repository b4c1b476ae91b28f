"""Flow-log records are counted, skipped or malformed, and the two tables say what was counted."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_type_hints

import pytest
from promises import becomes, change, promise

from mapreduce import SKIPPED, Result, Totals, UsageError, run
from mapreduce.jobs.flowlogs.job import FlowLogs, flowlogs
from mapreduce.jobs.flowlogs.layout import DEFAULT, KNOWN
from mapreduce.jobs.flowlogs.lookup import Pair
from mapreduce.jobs.flowlogs.records import Question, judge_of
from mapreduce.kernel.pace import Pace
from mapreduce.outputs.table import Row
from mapreduce.reducing.totals import EMPTY

TAGS = {(443, 6): "web", (22, 6): "ssh", (53, 17): "dns"}
COUNTED = [
    b"443 6 OK",
    b"0 0 OK",
    b"65535 255 OK",
    b"00443 006 OK",
    b"0" * 5000 + b"443 6 OK",
    b"443 200 OK",  # no keyword
    b"443 6 -",
    b"443 6 ",
    b"443 6 \xff\x00",
]
judge_record = judge_of(DEFAULT, Question())

NOT_NUMBERS = [b"-", b"", b"-1", b"+6", b"4_3", b"6.0", b"0x6", b"\0", b"\xff", b"\xd9\xa6", b"tcp"]


def record(dstport: object, protocol: object, *, srcport: object = 49152, end: str = "OK") -> bytes:
    """Return one record of the default format without its line end."""
    ports = f"{srcport} {dstport} {protocol}"
    return f"2 123456789012 eni-0a1b 203.0.113.5 10.0.0.9 {ports} 9 840 1 2 ACCEPT {end}".encode()


def count(tmp_path: Path, lines: Iterable[bytes], *, end: bytes = b"\n") -> Result:
    """Return the result of running the job over lines."""
    log = tmp_path / "flows.log"
    log.write_bytes(b"".join(line + end for line in lines))
    return run(FlowLogs(TAGS), [log], workers=1)


def tables(counts: Mapping[bytes, int], tags: Mapping[Pair, str] = TAGS) -> list[list[Row]]:
    """Return the rows of the tag table and of the pair table."""
    return [list(table.rows) for table in FlowLogs(tags).finish(Totals.of(Counter(counts)))]


@pytest.mark.parametrize("key", COUNTED)
def test_a_port_and_a_protocol_in_ascii_digits_are_counted(key: bytes) -> None:
    assert judge_record(key) is None
    assert tables({key: 7})[1][0][-1] == 7


@pytest.mark.parametrize("port", [b"-", b"0", b"443", b"", b"text", b"70000"])
@pytest.mark.parametrize("protocol", [b"-", b"6", b"text"])
@pytest.mark.parametrize("status", [b"NODATA", b"SKIPDATA"])
def test_a_record_without_flow_is_skipped_whatever_else_stands_there(
    port: bytes, protocol: bytes, status: bytes
) -> None:
    key = b" ".join([port, protocol, status])
    assert judge_record(key) is SKIPPED


@pytest.mark.parametrize("value", [*NOT_NUMBERS, b"65536", b"1" * 5000])
def test_any_other_port_is_malformed_and_shown(value: bytes) -> None:
    shown = repr(value[:20])[1:] + ("..." if len(value) > 20 else "")
    assert judge_record(value + b" 6 OK") == (
        f"dstport {shown} is not 0 to 65535 (log-status 'OK')"
    )


@pytest.mark.parametrize("value", [*NOT_NUMBERS, b"256", b"1" * 5000])
def test_any_other_protocol_is_malformed_and_shown(value: bytes) -> None:
    shown = repr(value[:20])[1:] + ("..." if len(value) > 20 else "")
    assert judge_record(b"443 " + value + b" OK") == (
        f"protocol {shown} is not 0 to 255 (log-status 'OK')"
    )


@pytest.mark.parametrize(
    "key",
    [
        b"- - OK",
        b"- - nodata",
        b"- - NODATA2",
        b"- - ",
        b"- 6 OK",
        b"443 - OK",
        b"- - \x1b[31m",
        b"- - \xff\x00",
    ],
)
def test_a_dash_alone_does_not_excuse_a_record(key: bytes) -> None:
    reason = judge_record(key)
    assert isinstance(reason, str)
    assert reason.isprintable()


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([b"%d 6 OK" % port for port in range(100_000)], id="ports"),
        pytest.param([b"443 %d OK" % protocol for protocol in range(1000)], id="protocols"),
        pytest.param([b"0" * n + b"443 06 -" for n in range(10)], id="zeros"),
        pytest.param([value + b" 6 OK" for value in NOT_NUMBERS], id="not-ports"),
        pytest.param([b"443 " + value + b" OK" for value in NOT_NUMBERS], id="not-protocols"),
        pytest.param([b"- - NODATA", b"- - SKIPDATA", b"443 6 OK\n"], id="others"),
    ],
)
def test_the_pattern_accepts_nothing_that_the_function_refuses(keys: list[bytes]) -> None:
    accepted = [key for key in keys if FlowLogs({}).mapper.accepted.fullmatch(key)]
    assert [key for key in accepted if judge_record(key) is not None] == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_line_is_in_one_class(tmp_path: Path, end: bytes) -> None:
    counted = [record(443, 6), record(22, 6, end="-"), record(0, 58), record("0053", "017")]
    skipped = [record("-", "-", srcport="-", end=end) for end in ("NODATA", "SKIPDATA")]
    malformed = [record(65536, 6), record(443, 256), record("-", "-")]
    stats = count(tmp_path, [*counted, b"", *skipped, *malformed, b""], end=end).stats
    assert (stats.lines, stats.counted, stats.skipped, stats.malformed) == (11, 4, 4, 3)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (record(443, 6) + b" extra", "15 fields where 14 are expected"),
        (record(443, 6) + b" x ", "16 fields where 14 are expected"),
        (record(443, 6).replace(b"2", b"3", 1), "version '3': the default layout is that of"),
        (record(443, 6).replace(b"2", b"3", 1) + b" x", "15 fields where 14 are expected: the"),
        (b" " + record(443, 6), "15 fields where 14 are expected"),
        (record(443, 6).replace(b" ", b"\t"), "1 fields where 14 are expected"),
        (record(443, 6).replace(b" ", b"  ", 1), "15 fields where 14 are expected"),
        (b" ", "2 fields where 14 are expected"),
        (b"\0" * 100, "1 fields where 14 are expected"),
        (b"\xff\xfe\r\x0b\x0c\x85", "1 fields where 14 are expected"),
        (b"x" * 100_000, "1 fields where 14 are expected"),
        (record("\0", 6), "dstport '\\x00' is not 0 to 65535 (log-status 'OK')"),
        (record("٤٤٣", 6), "dstport '\\xd9\\xa4\\xd9\\xa4\\xd9\\xa3' is not 0 to 65535"),
        (record(443, "tcp"), "protocol 'tcp' is not 0 to 255 (log-status 'OK')"),
    ],
)
def test_a_malformed_line_is_located_with_its_reason(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    before, after = record(22, 6), record(53, 17)
    result = count(tmp_path, [before, line, after])
    (reject,) = result.rejects
    assert reject.offset == len(before) + 1
    assert reject.reason.startswith(reason)
    assert reject.excerpt.startswith(line[:60])
    assert result.stats.counted == 2


def test_any_bytes_between_the_fields_that_count_are_of_no_concern(tmp_path: Path) -> None:
    odd = record(443, 6).replace(b"203.0.113.5", b"\xff\x00\r\x1b[31m").replace(b"ACCEPT", b"")
    assert count(tmp_path, [odd]).counts == {b"443 6 OK": 1}


def test_only_destination_ports_count(tmp_path: Path) -> None:
    lines = [record(50000, 6, srcport=443), record(50001, 6, srcport=22), record(443, 6)]
    tags, pairs = (table.rows for table in count(tmp_path, lines).tables)
    assert tags == [("web", 1), ("Untagged", 2)]
    assert pairs == [(443, "tcp", 1), (50000, "tcp", 1), (50001, "tcp", 1)]


def test_the_tables_are_named_and_headed_as_documented() -> None:
    assert [(table.name, table.header) for table in FlowLogs(TAGS).finish(EMPTY)] == [
        ("tag2count.csv", ("Tag", "Count")),
        ("portprotocolcount.csv", ("Port", "Protocol", "Count")),
    ]
    assert FlowLogs(TAGS).outputs == ("tag2count.csv", "portprotocolcount.csv")


def test_tags_are_ordered_by_descending_count_then_tag_with_untagged_last() -> None:
    tags = {(1, 6): "b", (2, 6): "a", (3, 6): "Z", (4, 6): "most", (5, 6): "zero"}
    counts = {b"1 6 OK": 2, b"2 6 OK": 2, b"3 6 OK": 2, b"4 6 OK": 10, b"9 6 OK": 5}
    assert tables(counts, tags)[0] == [
        ("most", 10),
        ("Z", 2),
        ("a", 2),
        ("b", 2),
        ("Untagged", 5),
    ]


@pytest.mark.parametrize(
    ("counts", "rows"),
    [
        ({}, [("Untagged", 0)]),
        ({b"443 6 OK": 3}, [("web", 3), ("Untagged", 0)]),
        ({b"443 17 OK": 3}, [("Untagged", 3)]),
    ],
)
def test_untagged_is_always_there_and_tags_that_never_came_are_not(
    counts: dict[bytes, int], rows: list[Row]
) -> None:
    assert tables(counts)[0] == rows


def test_pairs_are_ordered_by_descending_count_then_port_as_a_number_then_protocol() -> None:
    counts = {b"%b OK" % key: 1 for key in (b"1000 6", b"99 17", b"99 6", b"0 1", b"0 50")}
    assert tables({**counts, b"8 6 OK": 2})[1] == [
        (8, "tcp", 2),
        (0, "esp", 1),
        (0, "icmp", 1),
        (99, "tcp", 1),
        (99, "udp", 1),
        (1000, "tcp", 1),
    ]


@pytest.mark.parametrize(
    ("number", "written"), [(6, "tcp"), (58, "ipv6-icmp"), (124, "isis over ipv4"), (200, "200")]
)
def test_a_protocol_is_written_as_its_keyword_or_else_as_its_number(
    number: int, written: str
) -> None:
    assert tables({b"7 %d OK" % number: 1})[1] == [(7, written, 1)]


def test_spellings_of_one_pair_are_one_row() -> None:
    keys = [b"443 6 OK", b"0443 06 OK", b"443 006 -", b"443 6 ok", b"0" * 5000 + b"443 6 OK"]
    assert tables(dict.fromkeys(keys, 2)) == [
        [("web", 10), ("Untagged", 0)],
        [(443, "tcp", 10)],
    ]


def test_several_pairs_may_have_one_tag_and_case_makes_two() -> None:
    tags = {(1, 6): "sv_P1", (2, 6): "sv_P1", (1, 17): "SV_P1"}
    counts = {b"1 6 OK": 1, b"2 6 OK": 1, b"1 17 OK": 1}
    assert tables(counts, tags)[0] == [("sv_P1", 2), ("SV_P1", 1), ("Untagged", 0)]


def test_each_table_sums_to_the_counted_records(tmp_path: Path) -> None:
    lines = [record(port % 700, port % 256) for port in range(5000)]
    result = count(tmp_path, [*lines, b"junk", b"", record("-", "-", end="NODATA")])
    sums = [sum(int(row[-1]) for row in table.rows) for table in result.tables]
    assert sums == [result.stats.counted] * 2 == [5000] * 2


@pytest.mark.parametrize("protocol", ["tcp", "TCP", "Tcp", "6", "06"])
def test_the_lookup_names_a_protocol_in_any_way(tmp_path: Path, protocol: str) -> None:
    lookup = tmp_path / "lookup.csv"
    lookup.write_text(f"dstport,protocol,tag\n443,{protocol},web\n")
    job = flowlogs(lookup)
    assert list(job.finish(Totals.of({b"443 6 OK": 3}))[0].rows) == [
        ("web", 3),
        ("Untagged", 0),
    ]


@promise(
    "Ranges and wildcards of a lookup give the pairs that were counted their tags",
    broken_by=change("mapreduce.jobs.flowlogs.tables:make_tables", "_with_rules(...)", "tags"),
)
@pytest.mark.parametrize("by", ["dstport,protocol", "protocol,srcport,dstport"])
def test_ranges_and_wildcards_of_the_lookup_give_tags(tmp_path: Path, by: str) -> None:
    lookup, log = tmp_path / "lookup.csv", tmp_path / "flows.log"
    lookup.write_text("dstport,protocol,tag\n443,tcp,web\n400-500,tcp,some\n*,udp,udp\n")
    pairs = [(443, 6), (443, 6), (400, 6), (500, 6), (501, 6), (443, 17), (0, 17), (0, 1)]
    log.write_bytes(b"".join(record(*pair, srcport=at) + b"\n" for at, pair in enumerate(pairs)))
    result = run(flowlogs(lookup, by=by), [log], workers=1)
    assert list(result.tables[0].rows) == [("some", 2), ("udp", 2), ("web", 2), ("Untagged", 2)]


def test_a_range_of_the_lookup_tags_replies_by_their_source_port(tmp_path: Path) -> None:
    lookup, log = tmp_path / "lookup.csv", tmp_path / "flows.log"
    lookup.write_text("dstport,protocol,tag\n440-450,tcp,web\n*,udp,udp\n")
    pairs = [(50000, 443), (443, 50000), (50001, 50002)]
    log.write_bytes(b"".join(record(to, 6, srcport=at) + b"\n" for to, at in pairs))
    result = run(flowlogs(lookup, match_src=True), [log], workers=1)
    assert list(result.tables[0].rows) == [("web", 2), ("Untagged", 1)]


def test_a_bad_lookup_fails_while_the_job_is_built(tmp_path: Path) -> None:
    lookup = tmp_path / "lookup.csv"
    lookup.write_text("dstport,protocol,tag\n443,tcp,web\n443,tcp,api\n")
    with pytest.raises(UsageError, match=r"lookup\.csv:3: "):
        flowlogs(lookup)
    assert flowlogs(lookup, on_conflict="last").tags == {(443, 6): "api"}
    assert flowlogs(lookup, on_conflict="first").side_inputs == (lookup,)


def test_the_lookup_never_travels_to_the_workers() -> None:
    job = FlowLogs({(port, 6): "secret" for port in range(1000)})
    packed = pickle.dumps(job.mapper)
    assert len(packed) < 1000
    assert pickle.loads(packed) == job.mapper  # noqa: S301 - our own
    assert hash(pickle.loads(packed)) == hash(job.mapper)  # noqa: S301 - our own


@promise(
    "Without a lookup, ports are counted, nothing is tagged, and a note says so",
    broken_by=becomes("mapreduce.jobs.flowlogs.job:FlowLogs._is_tagged", "return True"),
)
def test_without_a_lookup_ports_are_counted_and_a_note_says_that_nothing_is_tagged(
    tmp_path: Path,
) -> None:
    (tmp_path / "flows.log").write_bytes(b"\n".join([record(443, 6)] * 2 + [record(53, 17), b""]))
    result = run(flowlogs(), [tmp_path / "flows.log"], output=tmp_path / "out")
    assert [path.name for path in result.written] == ["portprotocolcount.csv"]
    (table,) = result.tables
    assert list(table.rows) == [(443, "tcp", 2), (53, "udp", 1)]
    assert table.note == "2 port/protocol pairs; no tags, because there is no lookup"


def test_a_lookup_without_rows_tags_nothing_in_a_table_of_tags(tmp_path: Path) -> None:
    (tmp_path / "lookup.csv").write_text("dstport,protocol,tag\n")
    job = flowlogs(tmp_path / "lookup.csv")
    assert job.outputs == ("tag2count.csv", "portprotocolcount.csv")
    assert flowlogs(by="srcaddr").outputs == ("counts.csv",)


@pytest.mark.parametrize("written", ["accept", "ACCEPT", "Accept", "reject", "ALL"])
def test_an_action_is_named_in_any_letter_case(written: str) -> None:
    upper = written.upper()
    assert flowlogs(action=written) == flowlogs(action="all" if upper == "ALL" else upper)


def test_the_help_and_the_error_of_by_name_all_fields() -> None:
    by = get_type_hints(flowlogs, include_extras=True)["by"].__metadata__[0]
    with pytest.raises(UsageError) as caught:
        flowlogs(by="Dst")
    for text in (by, str(caught.value)):
        assert [name for name in KNOWN if not re.search(rf"[ ,]{name}(,|[.]?$)", text)] == []


@promise(
    "NODATA and SKIPDATA are separate figures, and a note says that SKIPDATA is lost",
    broken_by=change(
        "mapreduce.mapping.counting:TableCombiner._note_kinds",
        "self._kinds[kind] += lines",
        "self._kinds[kind] += 1",
    ),
)
@pytest.mark.parametrize("workers", [1, 2])
def test_nodata_and_skipdata_are_separate_figures_and_a_note_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
    log = tmp_path / "flows.log"
    empty = [record("-", "-", end=end) for end in ("NODATA", "SKIPDATA", "NODATA", "OK")]
    log.write_bytes(b"\n".join([*empty, record(443, 6), b"", record(22, 6, end="SKIPDATA")] * 50))
    result = run(FlowLogs(TAGS), [log], workers=workers, split_size=1000)
    stats = result.stats
    assert stats.workers == workers
    assert stats.skipped_kinds == {"NODATA": 100, "SKIPDATA": 100}
    assert (stats.counted, stats.skipped, stats.malformed) == (50, 250, 50)
    (note,) = result.notes
    assert note.startswith("100 records are SKIPDATA: AWS could not capture all flows")
    assert count(tmp_path, [record(443, 6), record("-", "-", end="NODATA")]).notes == []
