"""Tags: what each record gets, from its destination or its source, and what is said of the rest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import WriteLogs
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import Result, UsageError, run
from mapreduce.jobs.flowlogs.job import FlowLogs, flowlogs
from mapreduce.jobs.flowlogs.layout import parse_format
from mapreduce.jobs.flowlogs.records import Question

PROTOCOLS = {6: "tcp", 17: "udp", 200: "200"}
LAYOUT = parse_format("srcaddr srcport dstport protocol bytes log-status")
BYS = [
    ("dstport", "protocol"),
    ("protocol", "dstport"),
    ("srcaddr", "protocol", "dstport"),
    ("dstport", "srcport", "protocol"),
]


class Flow(NamedTuple):
    srcaddr: str
    srcport: int
    dstport: int
    protocol: int
    bytes: int

    def line(self) -> str:
        return f"{self.srcaddr} {self.srcport} {self.dstport} {self.protocol} {self.bytes} OK"

    def tag(self, tags: dict[tuple[int, int], str], match_src: bool) -> str:
        """Return the tag by the plain rule, which the engine is held to."""
        if (self.dstport, self.protocol) in tags:
            return tags[self.dstport, self.protocol]
        if match_src and (self.srcport, self.protocol) in tags:
            return tags[self.srcport, self.protocol]
        return "Untagged"


ports, protocols = st.sampled_from([0, 22, 443, 5000, 65535]), st.sampled_from([*PROTOCOLS])
flows = st.builds(Flow, st.sampled_from(["a1", "b2"]), ports, ports, protocols, st.integers(0, 99))
lookups = st.dictionaries(st.tuples(ports, protocols), st.sampled_from(["web", "ssh", "Web"]))


def counted(rows: Any) -> Counter[tuple[Any, ...]]:
    """Return the rows with their last two columns, the count and the bytes, as two counts."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for *key, number, size in rows:
        assert (*key, "count") not in sums
        sums[(*key, "count")], sums[(*key, "bytes")] = number, size
    return sums


def expected(flows: list[Flow], keys: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    sums: Counter[tuple[Any, ...]] = Counter()
    for flow, key in zip(flows, keys, strict=True):
        sums[(*key, "count")] += 1
        sums[(*key, "bytes")] += flow.bytes
    return sums


@promise(
    "With match_src, a record gets the tag of its source port where its destination has none",
    broken_by=change(
        "mapreduce.jobs.flowlogs.tables:_tagged",
        "pairs.get(key[:2], pairs.get((key[2], key[1])))",
        "pairs.get((key[2], key[1]), pairs.get(key[:2]))",
    ),
)
@given(
    st.lists(flows, min_size=1, max_size=40),
    lookups,
    st.tuples(st.booleans(), st.booleans(), st.sampled_from(BYS)),
    st.integers(20, 4000),
)
def test_tables_have_the_tags_that_the_plain_rule_gives(
    write_logs: WriteLogs,
    flows: list[Flow],
    tags: dict[tuple[int, int], str],
    asked: tuple[bool, bool, tuple[str, ...]],
    size: int,
) -> None:
    match_src, tag_column, by = asked
    question = Question(by, ("flows", "bytes"), match_src=match_src)
    job = FlowLogs(tags, layout=LAYOUT, question=question, tag_column=tag_column)
    log = "\n".join([flow.line() for flow in flows]).encode()
    by_tag, by_key = run(job, write_logs(log), split_size=size).tables
    given_tags = [flow.tag(tags, match_src) for flow in flows]
    assert +counted(by_tag.rows) == +expected(flows, [(tag,) for tag in given_tags])
    keys = []
    for flow, tag in zip(flows, given_tags, strict=True):
        values = {**flow._asdict(), "protocol": PROTOCOLS[flow.protocol]}
        keys.append((*(values[name] for name in by), *([tag] if tag_column else [])))
    assert +counted(by_key.rows) == +expected(flows, keys)
    titles = ("Port", "Protocol") if by == ("dstport", "protocol") else by
    assert by_key.header == (*titles, *(["Tag"] if tag_column else []), "Count", "Bytes")


def untagged(write_logs: WriteLogs, flows: list[Flow], **question: Any) -> str:
    job = FlowLogs({(443, 6): "web"}, layout=LAYOUT, question=Question(**question))
    result: Result = run(job, write_logs("\n".join([flow.line() for flow in flows]).encode()))
    return result.tables[0].note


@promise(
    "The summary names the ten largest untagged pairs",
    broken_by=change(
        "mapreduce.jobs.flowlogs.tables:_untagged", "(-rest[pair], pair)", "(rest[pair], pair)"
    ),
)
def test_the_ten_largest_untagged_pairs_are_named(write_logs: WriteLogs) -> None:
    many = [Flow("a1", 443, port, 17, 1) for port in range(1, 13) for _ in range(port)]
    tagged = [Flow("a1", 1, 443, 6, 1)] * 100
    assert untagged(write_logs, [*many, *tagged]) == (
        "1 tags, 78 records untagged: 12/udp 12, 11/udp 11, 10/udp 10, 9/udp 9, 8/udp 8, 7/udp 7, "
        "6/udp 6, 5/udp 5, 4/udp 4, 3/udp 3, 2 more pairs"
    )
    assert untagged(write_logs, tagged) == "1 tags, 0 records untagged"


def test_untagged_pairs_are_ordered_by_the_first_measure_and_have_no_source_ports(
    write_logs: WriteLogs,
) -> None:
    replies = [Flow("a1", 443, 5000, 6, 1), Flow("a1", 80, 5000, 6, 2), Flow("a1", 81, 5000, 6, 3)]
    other = Flow("b2", 1, 22, 6, 9)
    note = untagged(write_logs, [*replies, other], measures=("bytes",), match_src=True)
    assert note == "1 tags, 14 bytes untagged: 22/tcp 9, 5000/tcp 5"


def test_without_match_src_a_log_needs_no_source_port_and_with_it_must_have_one(
    write_logs: WriteLogs,
) -> None:
    paths = write_logs(b"dstport protocol\n443 6\n")
    assert ("web", 1) in run(FlowLogs({(443, 6): "web"}), paths).tables[0].rows
    with pytest.raises(UsageError, match="has no field srcport"):
        run(FlowLogs({(443, 6): "web"}, question=Question(match_src=True)), paths)


@pytest.mark.parametrize("option", ["tag_column", "match_src"])
def test_options_about_tags_need_tags(tmp_path: Path, option: str) -> None:
    lookup = tmp_path / "lookup.csv"
    lookup.write_text("dstport,protocol,tag\n443,tcp,web\n")
    asked: Any = {option: True}
    assert flowlogs(lookup, **asked).described[option] is True
    assert option not in flowlogs(lookup).described
    wrong: list[dict[str, Any]] = [{}, {"lookup": lookup, "by": "dstport"}]
    for arguments in wrong:
        with pytest.raises(UsageError, match=f"{option}=True needs lookup=, and dstport and"):
            flowlogs(**arguments, **asked)
