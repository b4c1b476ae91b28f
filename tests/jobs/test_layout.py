"""A flow log is read by its own layout: its header's, the one it was made with, or the default."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, ReadStdin, WriteLogs, record
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Result, UsageError, run
from mapreduce.errors import InputError
from mapreduce.jobs.flowlogs.forms import Form, find_form
from mapreduce.jobs.flowlogs.job import FlowLogs, flowlogs
from mapreduce.jobs.flowlogs.layout import DEFAULT, Layout, header_names, parse_format
from mapreduce.kernel.pace import Pace

FLOWS = FlowLogs(LOOKUP)
LATER = [
    "vpc-id",
    "subnet-id",
    "tcp-flags",
    "pkt-srcaddr",
    "region",
    "flow-direction",
    "next-hop-x",
]
HEADER = " ".join(DEFAULT.names).encode()

Pair = tuple[int, int]
pairs = st.sampled_from([(443, 6), (80, 6), (53, 17), (0, 1), (65535, 255)])
NEEDED = ("dstport", "protocol")
layouts = st.tuples(
    st.permutations([*DEFAULT.names, *LATER]), st.integers(0, len(DEFAULT.names) + len(LATER))
).map(lambda drawn: tuple(n for i, n in enumerate(drawn[0]) if i < drawn[1] or n in NEEDED))


def record_of(names: tuple[str, ...], pair: Pair) -> bytes:
    """Return a record of a layout."""
    values = {"dstport": str(pair[0]), "protocol": str(pair[1]), "log-status": "OK"}
    return " ".join(values.get(name, f"{len(name)}") for name in names).encode()


def run_split(inputs: list[Path | str], **options: Any) -> Result:
    """Run with processes from the first byte on (if ``workers`` are more than 1)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
        return run(options.pop("job", FLOWS), inputs, **options)


def table_pairs(result: Result) -> dict[Pair, int]:
    numbers = {"tcp": 6, "udp": 17, "icmp": 1, "reserved": 255}
    return {(int(p), numbers[str(name)]): int(n) for p, name, n in result.tables[1].rows}


@given(st.lists(st.tuples(layouts, st.lists(pairs, max_size=6)), min_size=1, max_size=4))
def test_files_of_any_layouts_are_each_read_by_their_header(
    write_logs: WriteLogs, logs: list[tuple[tuple[str, ...], list[Pair]]]
) -> None:
    contents = [
        b"\n".join([" ".join(names).encode(), *(record_of(names, pair) for pair in found)])
        for names, found in logs
    ]
    result = run(FLOWS, write_logs(*contents), split_size=60)
    expected = Counter(pair for _names, found in logs for pair in found)
    assert table_pairs(result) == expected
    assert (result.stats.counted, result.stats.malformed) == (expected.total(), 0)
    assert result.stats.skipped == len(logs)


@pytest.mark.parametrize("form", ["plain", "gzip", "stream", "gzip stream", "with a mark"])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_header_holds_for_every_form_of_a_log(
    tmp_path: Path, read_stdin: ReadStdin, form: str, workers: int
) -> None:
    log = b"protocol region dstport\r\n" + b"6 eu 443\r\n17 eu 53\r\n" * 500
    data = b"\xef\xbb\xbf" + log if form == "with a mark" else log
    (tmp_path / "log").write_bytes(gzip.compress(data) if "gzip" in form else data)
    if "stream" in form:
        read_stdin(tmp_path / "log")
    inputs: list[Path | str] = ["-" if "stream" in form else tmp_path / "log"]
    found = run_split(inputs, workers=workers, split_size=2000)
    assert table_pairs(found) == {(443, 6): 500, (53, 17): 500}
    assert (found.stats.lines, found.stats.skipped) == (1001, 1)


def test_headers_in_the_middle_are_skipped(write_logs: WriteLogs) -> None:
    log = b"\n".join([HEADER, record(), HEADER, record(), b""])
    found = run(FLOWS, write_logs(log))
    assert (found.stats.counted, found.stats.skipped, found.stats.malformed) == (2, 2, 0)


def test_a_header_of_another_layout_in_the_middle_ends_the_run(write_logs: WriteLogs) -> None:
    other = " ".join(reversed(DEFAULT.names)).encode()
    (path,) = write_logs(b"\n".join([HEADER, record(), other, record(), b""]))
    with pytest.raises(InputError, match="a header of another layout in the middle") as caught:
        run(FLOWS, [path])
    assert str(caught.value).startswith(f"{path}, bytes 0 to {path.stat().st_size}: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "action dstport protocol",
        "${action} ${dstport} ${protocol}",
        r"\${action} \${dstport}  \${protocol}",
    ],
)
def test_a_format_says_the_layout_of_a_log_without_a_header(
    write_logs: WriteLogs, text: str
) -> None:
    job = FlowLogs(LOOKUP, layout=parse_format(text))
    paths = write_logs(b"ACCEPT 443 6\n", b"dstport protocol\n53 17\n", b"ACCEPT - -\n")
    found = run(job, paths)
    assert table_pairs(found) == {(443, 6): 1, (53, 17): 1}
    assert (found.stats.skipped, found.stats.malformed) == (2, 0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "has no field dstport and no field protocol"),
        ("srcaddr dstport", "has no field protocol"),
        ("dstport protocol Dst", "'Dst' is not the name of a field"),
        ("dstport,protocol", "'dstport,protocol' is not the name"),
        ("dstport protocol dstport", "names the field dstport twice"),
        ("dstport protocol \x1b[1m", r"'\x1b[1m' is not the name"),
    ],
)
def test_a_format_that_cannot_be_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(UsageError) as caught:
        flowlogs(tmp_path / "lookup.csv", log_format=text)
    assert fault in str(caught.value)
    assert str(caught.value).startswith("log_format=: ")
    assert str(caught.value).isprintable()


def test_a_header_without_the_fields_that_are_needed_is_refused_naming_the_file(
    write_logs: WriteLogs,
) -> None:
    good, bad = write_logs(record(), b"version srcaddr action\n2 10.0.0.1 ACCEPT\n")
    with pytest.raises(UsageError, match="has no field dstport and no field protocol") as caught:
        run(FLOWS, [good, bad])
    assert str(caught.value).startswith(f"{bad}: ")


STAMP = b"2024-05-01T12:00:00.000Z "


@pytest.mark.parametrize(
    "log",
    [
        b"".join(STAMP + line + b"\n" for line in (record(), record(b"-", b"-", b"NODATA"))),
        b"".join(
            STAMP + line + b"\n" for line in (HEADER, record(), record(b"-", b"-", b"NODATA"))
        ),
        b"timestamp,message\n1714564800000,%b\n1714564800001,%b\n"
        % (record(), record(b"-", b"-", b"NODATA")),
        b'"timestamp","message"\r\n"1714564800000","%b"\r\n"1714564800001","%b"\r\n'
        % (record(), record(b"-", b"-", b"NODATA")),
    ],
    ids=["timestamps", "timestamps and a header", "CSV", "quoted CSV"],
)
def test_exports_of_cloudwatch_are_recognised(write_logs: WriteLogs, log: bytes) -> None:
    found = run(FLOWS, write_logs(log), split_size=150)
    assert table_pairs(found) == {(443, 6): 1}
    assert (found.stats.counted, found.stats.malformed) == (1, 0)
    assert found.stats.skipped == log.count(b"\n") - 1


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (HEADER, DEFAULT.names),
        (b"dstport protocol", ("dstport", "protocol")),
        (b"srcaddr new-field", ("srcaddr", "new-field")),
        (record(), ()),
        (b"quite other words", ()),
        (b"", ()),
        (b"\xff dstport", ()),
        (b"dstport  protocol", ("dstport", "protocol")),
        (b"Version\tDst_Port", ("version", "dstport")),
        (b'"accountId", logStatus;starttime|x', ("account-id", "log-status", "start", "x")),
        (b"${version} \\${vpc-id}", ("version", "vpc-id")),
        (b"srcaddr dstaddr dstport 7", ("srcaddr", "dstaddr", "dstport", "7")),
        (b"dstport 7", ()),
        (b"443 dstport protocol region", ()),
        (b"eni-0a1 region OK", ()),
    ],
)
def test_a_header_is_names_of_fields_and_nothing_else(line: bytes, names: tuple[str, ...]) -> None:
    assert header_names(line) == names


def test_a_log_without_a_header_has_the_layout_that_was_given() -> None:
    given_layout = Layout(("dstport", "protocol"))
    assert find_form("x", b"443 6", given_layout) == Form(given_layout)
    assert find_form("x", b"", given_layout) == Form(given_layout)
    assert find_form("x", HEADER + b"\r", given_layout) == Form(Layout(DEFAULT.names))


def test_the_command_takes_a_format(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("443 6\n")
    (tmp_path / "lookup.csv").write_text("dstport,protocol,tag\n443,tcp,web\n")
    command = [sys.executable, "-m", "mapreduce", "flowlogs", "log", "-l", "lookup.csv"]
    done = subprocess.run(
        [*command, "--log-format", "${dstport} ${protocol}"], cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    tags = (tmp_path / "outputs" / "tag2count.csv").read_text()
    assert tags == "Tag,Count\nweb,1\nUntagged,0\n"


@pytest.mark.parametrize("text", ["version dstport protocol", "version protocol dstport"])
def test_the_last_value_of_a_quoted_message_may_be_any_field(
    write_logs: WriteLogs, text: str
) -> None:
    job = FlowLogs(LOOKUP, layout=parse_format(text))
    values = b"443 6" if text.endswith("protocol") else b"6 443"
    paths = write_logs(b'timestamp,message\n1,"2 %b"\n2,2 %b\n' % (values, values))
    found = run(job, paths)
    assert table_pairs(found) == {(443, 6): 2}
    assert (found.stats.counted, found.stats.malformed) == (2, 0)


def test_a_quote_is_no_part_of_a_port_elsewhere(write_logs: WriteLogs) -> None:
    log = record(b'443"') + b"\n" + record() + b"\n"
    assert run(FLOWS, write_logs(log)).stats.malformed == 1


def test_a_header_may_reach_over_members_of_a_compressed_log(write_logs: WriteLogs) -> None:
    log = b"protocol region dstport\n6 eu 443\n"
    paths = write_logs(
        *(gzip.compress(log[:cut]) + gzip.compress(log[cut:]) for cut in (3, 14, 30))
    )
    assert table_pairs(run(FLOWS, paths)) == {(443, 6): 3}
