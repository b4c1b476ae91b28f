"""A log is read by what its first line says, or refused with the command that makes it readable."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, ReadStdin, WriteLogs, record
from promises import becomes, change, promise

from mapreduce import InputError, MapReduceError, Result, UsageError, run
from mapreduce.jobs.flowlogs.job import FlowLogs, flowlogs
from mapreduce.jobs.flowlogs.layout import DEFAULT, TRANSIT_GATEWAY
from mapreduce.jobs.flowlogs.records import Question
from mapreduce.jobs.flowlogs.rows import split_row

FLOWS = FlowLogs(LOOKUP)
HEADER = " ".join(DEFAULT.names).encode()
NO_FLOW = record(b"-", b"-", b"NODATA")


def figures(found: Result) -> tuple[int, int, int]:
    return found.stats.counted, found.stats.skipped, found.stats.malformed


def pairs(found: Result) -> list[tuple[Any, ...]]:
    return sorted(found.tables[-1].rows)


def swapped(line: bytes) -> bytes:
    """Return a record or a header with the two ports in each other's place."""
    fields = line.split(b" ")
    fields[5], fields[6] = fields[6], fields[5]
    return b" ".join(fields)


OTHER_NAMES = b" ".join(b"v_" + name for name in swapped(HEADER).split(b" "))
"""Names of no field, but as many as there are."""

SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "underscores": lambda line: line.replace(b"-", b"_"),
    "capitals": bytes.upper,
    "titles": bytes.title,
    "camels": lambda line: line.replace(b"account-id", b"accountId").replace(
        b"srcport", b"srcPort"
    ),
    "blanks": lambda line: line.replace(b" ", b"   "),
    "blanks around": lambda line: b"  " + line + b" ",
    "quotes": lambda line: b'"' + line.replace(b" ", b'" "') + b'"',
    "a quoted line": lambda line: b'"' + line + b'"',
    "apostrophes": lambda line: b"'" + line.replace(b" ", b"' '") + b"'",
    "format": lambda line: b"${" + line.replace(b" ", b"} ${") + b"}",
    "carriage return": lambda line: line + b"\r",
    "all": lambda line: b' "' + line.replace(b"-", b"_").upper().replace(b" ", b'"   "') + b'" ',
}


@promise(
    "A header is read in any spelling and order",
    broken_by=becomes("mapreduce.jobs.flowlogs.layout:field_name", "return text"),
)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_header_in_any_spelling_and_order_is_read_as_the_header(
    write_logs: WriteLogs, spelling: str
) -> None:
    header = SPELLINGS[spelling](swapped(HEADER))
    found = run(FLOWS, write_logs(b"\n".join([header, swapped(record()), swapped(NO_FLOW), b""])))
    assert pairs(found) == [(443, "tcp", 1)]
    assert figures(found) == (1, 2, 0)


@promise(
    "Fields with other separators are refused, with the command that replaces them",
    broken_by=becomes("mapreduce.jobs.flowlogs.exports:refuse_separator", "pass"),
)
@pytest.mark.parametrize(
    ("separator", "command"), [(b"\t", r"tr '\t' ' '"), (b";", "tr ';' ' '"), (b"|", "tr '|' ' '")]
)
def test_other_separators_are_refused_with_the_command_that_replaces_them(
    write_logs: WriteLogs, separator: bytes, command: str
) -> None:
    data = b"\n".join([swapped(HEADER), swapped(record())]).replace(b" ", separator)
    (path,) = write_logs(data)
    with pytest.raises(UsageError) as caught:
        run(FLOWS, [path])
    assert str(caught.value).endswith(f"cat {path} | {command} | mapreduce flowlogs -")
    plain = subprocess.run(["sh", "-c", f"cat {path} | {command}"], capture_output=True, check=True)
    assert pairs(run(FLOWS, write_logs(plain.stdout))) == [(443, "tcp", 1)]


@pytest.mark.parametrize("row", [swapped(record()).replace(b" ", b","), swapped(record())])
def test_commas_between_the_names_make_a_csv_whatever_stands_between_the_values(
    write_logs: WriteLogs, row: bytes
) -> None:
    header = swapped(HEADER).replace(b" ", b",")
    found = run(FLOWS, write_logs(b"\n".join([header, row, header, row])))
    assert pairs(found) == [(443, "tcp", 2)]
    assert figures(found) == (2, 2, 0)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"# version account-id dstport protocol", "'#' is not the name of a field"),
        (b"version 2 dstport protocol srcaddr", "'2' is not the name of a field"),
        (b"dstport protocol count(*)", "'count(*)' is not the name of a field"),
        (b"version,dstport,protocol,count(*)", "the column 'count(*)', which no flow log has"),
        (b"dstport,protocol,flows", "the column 'flows', which no flow log has"),
        (b"dstport,protocol,dstPort", "the column dstport twice"),
        (b"version srcaddr Dst_Port", "has no field protocol; "),
        (b"\x1b[1m version dstport protocol", "is not the name of a field"),
        (OTHER_NAMES, "'v_version' is not the name of a field"),
        (OTHER_NAMES.replace(b" ", b","), "'v_version' is not the name of a field"),
        (b"2023-11-14T22:13:20 " + OTHER_NAMES, "'v_version' is not the name of a field"),
        (b'"' + OTHER_NAMES + b'"', "'v_version' is not the name of a field"),
        (
            " ".join("v_" + name for name in TRANSIT_GATEWAY.names).encode(),
            "'v_version' is not the name of a field",
        ),
    ],
)
def test_what_looks_like_a_header_and_cannot_be_read_is_refused(
    write_logs: WriteLogs, line: bytes, fault: str
) -> None:
    (path,) = write_logs(line + b"\n" + record())
    with pytest.raises(UsageError) as caught:
        run(FLOWS, [path])
    assert str(caught.value).startswith(f"{path}: ")
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("empty", [b"\n", b"\r\n", b"\n\n\n", b"  \n", b"\xef\xbb\xbf\n\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_first_line_that_is_not_empty_decides(
    write_logs: WriteLogs, empty: bytes, pack: Any
) -> None:
    log = empty + b"protocol region dstport\n6 eu 443\n17 eu 53\n"
    found = run(FLOWS, write_logs(pack(log)), split_size=10)
    assert pairs(found) == [(53, "udp", 1), (443, "tcp", 1)]


@promise(
    "A record of another version is malformed in the default layout",
    broken_by=becomes("mapreduce.jobs.flowlogs.layout:Layout.expected", "return 0, b''"),
)
@pytest.mark.parametrize("version", [b"1", b"3", b"5", b"22", b"", b"-", b"x"])
@pytest.mark.parametrize("before", [b"", b"2024-05-01T12:00:00.000Z "])
def test_a_record_of_another_version_is_malformed_in_the_default_layout(
    write_logs: WriteLogs, version: bytes, before: bytes
) -> None:
    other = version + record()[1:]
    lines = [before + line for line in (record(), other, NO_FLOW)]
    found = run(FLOWS, write_logs(b"\n".join(lines)))
    assert figures(found) == (1, 1, 1)
    assert [reject.offset for reject in found.rejects] == [len(lines[0]) + 1]
    if version.isdigit():
        assert found.rejects[0].reason == (
            f"version '{version.decode()}': the default layout is that of version '2'; "
            "name the fields of this log as its log format"
        )


def test_a_record_that_does_not_begin_with_its_version_is_told_so(write_logs: WriteLogs) -> None:
    found = run(FLOWS, write_logs(b"\n".join([record(), b"\t" + record(), b"a.log:" + record()])))
    assert [reject.reason for reject in found.rejects] == [
        r"begins with '\t2' and not with a version",
        "begins with 'a.log:2' and not with a version",
    ]


def test_a_row_of_csv_is_checked_for_its_version_too(write_logs: WriteLogs) -> None:
    rows = b"timestamp,message\n1,%b\n1,%b\n" % (record(), b"3" + record()[1:])
    assert figures(run(FLOWS, write_logs(rows))) == (1, 1, 1)


@pytest.mark.parametrize("header", [b"", HEADER + b"\n"])
def test_the_version_is_free_where_a_header_or_a_format_names_the_fields(
    write_logs: WriteLogs, header: bytes
) -> None:
    log = header + b"5" + record()[1:]
    names = " ".join((*DEFAULT.names[:-1], "log-status", "region")) if not header else ""
    job = flowlogs(None, log_format=names, by="dstport") if names else FLOWS
    log = log if header else log + b" eu"
    assert run(job, write_logs(log)).stats.counted == 1


@promise(
    "Blanks behind a record are no fields",
    broken_by=change(
        "mapreduce.jobs.flowlogs.rewriting:Rewriter._rewrite_record", "line.rstrip(...)", "line"
    ),
)
@pytest.mark.parametrize("blanks", [b" ", b"   ", b"\t", b" \t ", b" \r"])
@pytest.mark.parametrize("form", ["every line", "some lines", "with a header"])
def test_blanks_behind_a_record_are_no_fields(
    write_logs: WriteLogs, blanks: bytes, form: str
) -> None:
    lines = [HEADER] * (form == "with a header") + [record(), NO_FLOW, record(b"53", b"17")]
    ended = [line + blanks * (form != "some lines" or n != 1) for n, line in enumerate(lines)]
    found = run(FLOWS, write_logs(b"\n".join([*ended, b""])), split_size=130)
    assert pairs(found) == [(53, "udp", 1), (443, "tcp", 1)]
    assert figures(found) == (2, len(lines) - 2, 0)


@promise(
    "A second layout in one log ends the run",
    broken_by=change(
        "mapreduce.jobs.flowlogs.rewriting:Rewriter.judge_header",
        "raise InputError(...)",
        "return SKIPPED",
    ),
)
@pytest.mark.parametrize(
    "other",
    [
        b"dstport protocol",
        b"version srcaddr dstaddr dstport protocol vpc-id",
        swapped(HEADER),
        swapped(HEADER).replace(b"-", b"_").upper(),
        b"timestamp,srcaddr,dstport",
    ],
)
@pytest.mark.parametrize("first", [HEADER, record()])
@pytest.mark.parametrize("measures", [("flows",), ("flows", "bytes")])
def test_a_second_layout_in_one_log_ends_the_run_whatever_its_width(
    write_logs: WriteLogs, other: bytes, first: bytes, measures: tuple[str, ...]
) -> None:
    job = FlowLogs(LOOKUP, question=Question(measures=measures))
    (path,) = write_logs(b"\n".join([first, record(), other, record()]))
    with pytest.raises(InputError, match="a header of another layout in the middle") as caught:
        run(job, [path])
    assert str(caught.value).startswith(f"{path}, bytes 0 to {path.stat().st_size}: ")


def test_a_second_layout_counts_as_the_same_only_if_all_that_is_needed_stands_where_it_stood(
    write_logs: WriteLogs,
) -> None:
    other = HEADER.replace(b"packets bytes", b"bytes packets")
    (path,) = write_logs(b"\n".join([HEADER, record(), other, record()]))
    assert figures(run(FLOWS, [path])) == (2, 2, 0)
    with pytest.raises(InputError, match="a header of another layout in the middle"):
        run(FlowLogs(LOOKUP, question=Question(measures=("bytes",))), [path])


@pytest.mark.parametrize("again", [HEADER, HEADER + b" ", HEADER.replace(b"-", b"_").title()])
@pytest.mark.parametrize("measures", [("flows",), ("flows", "bytes")])
def test_the_same_header_again_is_skipped_beside_malformed_lines_too(
    write_logs: WriteLogs, again: bytes, measures: tuple[str, ...]
) -> None:
    job = FlowLogs(LOOKUP, question=Question(measures=measures))
    lines = [HEADER, record(), again, record(b"x"), again, record(), b"junk", again]
    found = run(job, write_logs(b"\n".join(lines)))
    assert figures(found) == (2, 4, 2)
    assert [reject.reason[:10] for reject in found.rejects] == ["dstport 'x", "1 fields w"]


GATEWAY = (
    b"6 TransitGateway 123456789012 tgw-0a tgw-attach-0a 123456789012 123456789012 vpc-0a vpc-0b "
    b"subnet-0a subnet-0b eni-0a eni-0b use1-az1 use1-az2 tgw-attach-0b 10.0.0.5 10.1.0.9 50000 "
    b"443 6 3 180 1700000000 1700000060 OK IPv4 0 0 0 0 19 us-east-1 egress - -"
)
NO_GATEWAY = GATEWAY.replace(b" 50000 443 6 ", b" - - - ").replace(b" OK ", b" NODATA ")


@promise(
    "Records of a transit gateway are known by version and width",
    broken_by=becomes("mapreduce.jobs.flowlogs.layout:DEFAULTS", "(DEFAULT,)"),
)
@pytest.mark.parametrize(
    "lines",
    [
        [GATEWAY, record(), NO_GATEWAY],
        [record(), GATEWAY, NO_GATEWAY],
        [b"2024-05-01T12:00:00Z " + line for line in (GATEWAY, record(), NO_GATEWAY)],
        [b"1,message", *(b"1,%b" % line for line in (GATEWAY, record(), NO_GATEWAY))],
    ],
)
def test_transit_gateway_records_are_known_by_version_and_width(
    write_logs: WriteLogs, lines: list[bytes]
) -> None:
    lines = [line.replace(b"1,message", b"timestamp,message") for line in lines]
    job = FlowLogs(LOOKUP, question=Question(measures=("flows", "packets")))
    found = run(job, write_logs(b"\n".join(lines)))
    assert pairs(found) == [(443, "tcp", 2, 10)]
    assert figures(found) == (2, len(lines) - 2, 0)


@pytest.mark.parametrize(
    ("question", "field"),
    [({"action": "ACCEPT"}, "action"), ({"by": ("version",)}, "version")],
)
def test_a_transit_gateway_record_without_what_is_asked_for_is_malformed_with_a_hint(
    write_logs: WriteLogs, question: dict[str, Any], field: str
) -> None:
    job = FlowLogs(LOOKUP, question=Question(**question))
    log = record().replace(b" A ", b" ACCEPT ") + b"\n" + GATEWAY
    found = run(job, write_logs(log))
    assert figures(found) == (1, 0, 1)
    assert f"cannot be counted by {field}" in found.rejects[0].reason
    assert found.rejects[0].reason.endswith("with their own log format")


def test_the_layout_of_transit_gateways_is_as_wide_as_their_records() -> None:
    assert TRANSIT_GATEWAY.has_shape_of(GATEWAY.split(b" "))


EXPORTS = {
    "console": b"timestamp,logStreamName,message\n1,eni-all,%b\n1,eni-all,%b\n",
    "message first": b'"message","timestamp"\n"%b","1"\n%b,1\n',
    "insights": b"@timestamp,@message\n2023-11-14 22:13:20.000,%b\n2023-11-14 22:13:20.000,%b\n",
    "messages alone": b"@message\n%b\n%b\n",
    "quoted": b'"@timestamp","@message","@logStream","@log"\n"1","%b","a","b"\n"1","%b","a","b"\n',
    "tail": b"2023-11-14T22:13:20 %b\n2023-11-14T22:13:20 %b\n",
    "tail with streams": b"2023-11-14T22:13:20+00:00 eni-0a-all %b\n" * 2,
    "export": b"2023-11-14T22:13:20.000Z %b\n2023-11-14T22:13:20.000Z %b\n",
    "quoted records": b'"%b"\n"%b"\n',
    "line ends within quotes": b'timestamp,message\n1,"%b\r"\n1,"%b\r"\n',
}


@pytest.mark.parametrize("form", EXPORTS)
def test_an_export_of_records_is_read(write_logs: WriteLogs, form: str) -> None:
    log = EXPORTS[form] % (record(), NO_FLOW)
    found = run(FLOWS, write_logs(log), split_size=100)
    assert pairs(found) == [(443, "tcp", 1)]
    assert figures(found) == (1, log.count(b"\n") - 1, 0)


@pytest.mark.parametrize(
    ("log", "malformed"),
    [
        (
            b"@timestamp,srcAddr,dstPort,protocol,logStatus\n1,10.0.0.1,443,6,OK\n1,-,-,-,NODATA\n",
            0,
        ),
        (b'"dstport","protocol","log_status"\n"443","6","OK"\n"","","NODATA"\n', 0),
        (b'"destinationport","protocol","logstatus"\n443,6,OK\n0,0,SKIPDATA\n', 0),
        (b"year,month,dst_port,protocol,status\n", None),
        (b",dstport,protocol,log-status\n0,443,6,OK\n1,,,NODATA\n2,443,OK\n3,4 3,6,OK\n", 2),
        (b'"dstport","protocol"\n"443","6"\n"-","-"\n"443,"6"\n', 1),
        (b"dstport, protocol, log-status\n443, 6, OK\n -, -, NODATA \n4 3, 6, OK\n", 1),
    ],
)
def test_columns_are_read_by_their_names(
    write_logs: WriteLogs, log: bytes, malformed: int | None
) -> None:
    if malformed is None:
        with pytest.raises(UsageError, match="the column 'status', which no flow log has"):
            run(FLOWS, write_logs(log))
        return
    found = run(FLOWS, write_logs(log))
    assert pairs(found) == [(443, "tcp", 1)]
    assert figures(found) == (1, 2, malformed)
    offsets = [log.index(line) for line in log.split(b"\n")[3:] if line]
    assert [reject.offset for reject in found.rejects] == offsets


def test_an_empty_last_field_of_a_message_is_a_field(write_logs: WriteLogs) -> None:
    job = flowlogs(None, by="action", log_format="action dstport")
    found = run(job, write_logs(b"timestamp,message\n1,ACCEPT \n1,ACCEPT 443\n"))
    assert (pairs(found), figures(found)) == ([("ACCEPT", 2)], (2, 1, 0))


def test_a_tag_that_looks_like_json_is_a_value(write_logs: WriteLogs) -> None:
    job = flowlogs(None, by="tags", log_format="tags dstport")
    assert pairs(run(job, write_logs(b'{"a":"b"} 443\n'))) == [('{"a":"b"}', 1)]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"", [b""]),
        (b'"', None),
        (b'""', [b""]),
        (b'"a","b, c",""', [b"a", b"b, c", b""]),
        (b'a,"b ""c""",d', [b"a", b'b "c"', b"d"]),
        (b'"a", "b"', [b"a", b"b"]),
        (b'"a"b,c', None),
        (b'\xff,"\x00"', [b"\xff", b"\x00"]),
    ],
)
def test_a_row_of_csv_is_split_as_csv(line: bytes, values: list[bytes] | None) -> None:
    assert split_row(line) == values


@promise(
    "A run of which no line could be counted fails, and says what to try",
    broken_by=change(
        "mapreduce.counted:Counted._check_malformed",
        "not total.counted and ...",
        "False",
    ),
)
def test_a_log_of_which_no_record_has_the_layout_fails_and_names_the_option(
    write_logs: WriteLogs,
) -> None:
    with pytest.raises(MapReduceError, match="name their fields in order with log_format=") as it:
        run(FLOWS, write_logs((b"3" + record()[1:] + b"\n") * 3))
    assert it.value.exit_code == 1


def test_the_first_line_of_a_stream_that_is_not_empty_decides(
    tmp_path: Path, read_stdin: ReadStdin
) -> None:
    (tmp_path / "log").write_bytes(b"\n \r\nprotocol region dstport\n6 eu 443\n")
    read_stdin(tmp_path / "log")
    assert pairs(run(FLOWS, ["-"])) == [(443, "tcp", 1)]


def test_a_second_carriage_return_belongs_to_the_last_field_of_a_located_line(
    write_logs: WriteLogs,
) -> None:
    found = run(FLOWS, write_logs(record() + b"\r\n" + NO_FLOW + b"\r\r\n"))
    assert figures(found) == (1, 0, 1)
    assert [one.reason for one in found.rejects] == [
        r"dstport '-' is not 0 to 65535 (log-status 'NODATA\r')"
    ]


def test_a_blank_within_a_value_of_a_needed_column_is_told(write_logs: WriteLogs) -> None:
    found = run(FLOWS, write_logs(b"dstport,protocol\n4 3,6\n443,6\n"))
    assert [one.reason for one in found.rejects] == ["a value has a blank in it"]
