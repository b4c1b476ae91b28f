"""Exports that are not read are refused, with the command that makes plain records of them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, WriteLogs, record
from promises import becomes, change, promise

from mapreduce import Result, UsageError, run
from mapreduce.jobs.flowlogs.job import FlowLogs

FLOWS = FlowLogs(LOOKUP)
NO_FLOW = record(b"-", b"-", b"NODATA")


def pairs(found: Result) -> list[tuple[Any, ...]]:
    return sorted(found.tables[-1].rows)


MESSAGES = b'{"message": "%b"}' % record() + b'{"message": "%b"}' % NO_FLOW
JSON = {
    "firehose": MESSAGES,
    "lines": MESSAGES.replace(b"}{", b"}\n{"),
    "events": b'{\n "events": [\n  {"timestamp": 1, "message": "%b"}, {"message": "%b"}]}'
    % (record(), NO_FLOW),
    "array": b'[{"message": "%b"},\n{"message": "%b"}]' % (record(), NO_FLOW),
    "subscription": b'{"messageType": "DATA_MESSAGE", "logEvents": [{"message": "%b"}]}' % record(),
    "columns": b'{"dst_port": 443, "protocol": "6", "log-status": "OK", "x": null}\n'
    b'{"dst_port": null, "protocol": "-", "log-status": "NODATA"}',
    "columns in a list": b'{"Records": [{"dstport": 443, "protocol": 6, "log_status": "OK"}]}',
    "columns within": b'{"id": "1", "flow": {"dstport": 443, "protocol": 6}}',
    "texts": b'["%b", "%b"]' % (record(), NO_FLOW),
    "texts in lines": b'[\n"%b",\n"%b"\n]' % (record(), NO_FLOW),
    "container": b'{"log": "%b", "stream": "stdout"}' % record(),
    "insights": b'{"results": [[{"field": "@timestamp", "value": "2023-11-14 22:13:20.000"},'
    b' {"field": "@message", "value": "%b"}]]}' % record(),
    "insights in lines": b'[\n{"@timestamp": "2023",\n"@message": "%b"}\n]' % record(),
    "fields beside": b'{"message": "%b", "fields": {"dstport": "443", "protocol": "6"}}' % record(),
}


def shell(command: str) -> bytes:
    return subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout


def refusal(path: Path) -> str:
    """Return the command that the refusal of JSON names, without the count of what it writes."""
    with pytest.raises(UsageError, match="is JSON; make plain records of it: ") as caught:
        run(FLOWS, [path])
    command = str(caught.value).partition("make plain records of it: ")[2]
    assert command.endswith(" | mapreduce flowlogs -")
    return command.removesuffix(" | mapreduce flowlogs -")


HAS_JQ = shutil.which("jq") is not None


@promise(
    "JSON is refused, with the command that makes records of it",
    broken_by=change(
        "mapreduce.jobs.flowlogs.exports:refuse_export", "start in {b'{', b'['}", "False"
    ),
)
@pytest.mark.parametrize("form", JSON)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_json_is_refused_with_the_command_that_makes_records_of_it(
    tmp_path: Path, form: str, suffix: str
) -> None:
    path = tmp_path / f"it's{suffix}"
    path.write_bytes(gzip.compress(JSON[form]) if suffix else JSON[form])
    command = refusal(path)
    if HAS_JQ:
        (tmp_path / "plain").write_bytes(shell(command))
        assert pairs(run(FLOWS, [tmp_path / "plain"])) == [(443, "tcp", 1)]


@promise(
    "Text output of aws logs is refused, with the column to cut",
    broken_by=change(
        "mapreduce.jobs.flowlogs.exports:refuse_export", "_EVENT.match(line)", "False"
    ),
)
@pytest.mark.parametrize(
    ("first", "column"),
    [
        (b"EVENTS\t3758\t1700000000000\teni-all\t%b\t1700000000000", 5),
        (b"EVENTS\t1700000000000\t%b\t1700000000000", 3),
        (b"b/37580479458490841510/s\tf/3758\nEVENTS\t1700000000000\t%b\t1700000000000", 3),
        (b"SEARCHEDLOGSTREAMS\teni-all\tTrue\nEVENTS\t3758\t17\teni-all\t%b\t17", 5),
    ],
)
def test_text_output_of_the_command_line_is_refused_with_the_column_to_cut(
    write_logs: WriteLogs, first: bytes, column: int
) -> None:
    first = first.replace(b"b/37580479458490841510/s", b"b/37580479458490841510")
    (path,) = write_logs((first + b"\n") % record())
    with pytest.raises(UsageError, match="is text output of aws logs") as caught:
        run(FLOWS, [path])
    assert f"grep '^EVENTS' | cut -f {column} | mapreduce" in str(caught.value)


@pytest.mark.skipif(not HAS_JQ, reason="there is no jq")
def test_json_over_several_lines_leads_to_the_names_of_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "pretty.json"
    path.write_text('[\n {\n "dstport": 443,\n "protocol": 6,\n "log_status": "OK"\n }\n]\n')
    path.write_bytes(shell(refusal(path)))
    assert refusal(path).startswith("(echo dstport protocol log-status; cat ")


@promise(
    "Records in a column between tabs, semicolons or bars are refused, with the command",
    broken_by=becomes("mapreduce.jobs.flowlogs.exports:refuse_separated_messages", "pass"),
)
@pytest.mark.parametrize("separator", [b"\t", b";", b"|"])
@pytest.mark.parametrize("titles", [[b"message", b"timestamp"], [b"@timestamp", b"@message", b"a"]])
def test_a_column_of_records_between_other_separators_is_refused_with_the_command(
    tmp_path: Path, separator: bytes, titles: list[bytes]
) -> None:
    path = tmp_path / "log.csv"
    rows = [titles, [record() if b"message" in title else b"1" for title in titles]]
    path.write_bytes(b"\n".join(separator.join(row) for row in rows))
    with pytest.raises(UsageError, match="between its columns; keep the records: ") as caught:
        run(FLOWS, [path])
    command = str(caught.value).partition("keep the records: ")[2]
    plain = shell(command.removesuffix(" | mapreduce flowlogs -"))
    path.write_bytes(plain)
    assert pairs(run(FLOWS, [path])) == [(443, "tcp", 1)]
