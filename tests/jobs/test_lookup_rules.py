"""The most specific row of a lookup gives a pair its tag, however many ranges there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import UsageError
from mapreduce.jobs.flowlogs.lookup import OnConflict, Pair, Tags, read_lookup
from mapreduce.jobs.flowlogs.lookup_rules import Rule, tags_of
from mapreduce.jobs.flowlogs.services import find_service

HEADER = "dstport,protocol,tag\n"
TCP, UDP, ICMP, SCTP = 6, 17, 1, 132

Read: TypeAlias = Callable[[str], Tags]
Refuse: TypeAlias = Callable[[str], list[str]]
Row: TypeAlias = tuple[int, int, int | None, str]
"""The first port, the last one, the protocol if one is named, and the tag."""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads a table of the rows that it is given."""

    def read(rows: str) -> Tags:
        (tmp_path / "lookup.csv").write_text(HEADER + rows)
        return read_lookup(tmp_path / "lookup.csv")

    return read


@pytest.fixture
def refuse(read: Read, tmp_path: Path) -> Refuse:
    """Return a function that sees rows refused and returns the lines of the error."""

    def refuse(rows: str) -> list[str]:
        with pytest.raises(UsageError) as caught:
            read(rows)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return refuse


def tag(tags: Tags, port: int, protocol: int) -> str | None:
    pair = port, protocol
    return tags.get(pair) or tags_of([pair], tags.rules).get(pair)


@promise(
    "A range of ports in a lookup holds from its first port to its last",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup_rules:_segments_of", "rule.last + 1", "rule.last"
    ),
)
@pytest.mark.parametrize("ports", ["8000-8100", "8000 - 8100", "08000-008100", "8000 -8100"])
def test_a_range_holds_from_its_first_port_to_its_last(read: Read, ports: str) -> None:
    tags = read(f"{ports},tcp,app\n")
    found = [port for port in range(7990, 8110) if tag(tags, port, TCP) == "app"]
    assert found == [*range(8000, 8101)]
    assert tag(tags, 8050, UDP) is None


@pytest.mark.parametrize("word", ["*", "any", "ANY", '"*"'])
def test_any_port_and_any_protocol_have_two_spellings(read: Read, word: str) -> None:
    tags = read(f"{word},icmp,ping\n443,{word},web\n")
    assert [tag(tags, port, ICMP) for port in (0, 80, 65535)] == ["ping"] * 3
    assert [tag(tags, 443, protocol) for protocol in (0, TCP, 255)] == ["web"] * 3
    assert tag(tags, 80, TCP) is None


@pytest.mark.parametrize("protocols", ["tcp/udp", "TCP / UDP", "6/17", "udp/tcp", "tcp/udp/tcp"])
def test_several_protocols_stand_in_one_row(read: Read, protocols: str) -> None:
    assert read(f"53,{protocols},dns\n") == {(53, TCP): "dns", (53, UDP): "dns"}


def test_a_keyword_with_a_slash_is_one_protocol(read: Read) -> None:
    assert read("0,a/n,x\n") == {(0, 107): "x"}


@pytest.mark.parametrize(
    "row", ["443.0,tcp,web", "443,6.0,web", "443.00,006.0,web", "https,tcp,web", "HTTPS,6,web"]
)
def test_whole_floats_and_services_are_the_same_as_the_number(read: Read, row: str) -> None:
    tags = read(f"{row}\n")
    assert tags == {(443, TCP): "web"}
    assert not tags.rules


def test_a_range_of_one_port_is_that_port(read: Read) -> None:
    assert read("443-443,tcp,web\n") == {(443, TCP): "web"}


SPECIFICITY = [
    "8080,tcp,pair",
    "8080,*,any protocol",
    "8080-8089,tcp,narrow",
    "8080-8089,*,narrow any protocol",
    "8000-8999,tcp,wide",
    "*,tcp,any port",
    "*,*,all",
]
"""The most specific first."""


@promise(
    "A more specific row of a lookup wins over a wildcard, wherever it stands",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup_rules:ordered",
        "rule.protocol is None",
        "rule.protocol is not None",
    ),
)
@pytest.mark.parametrize("step", [1, -1])
def test_a_more_specific_row_wins_wherever_it_stands(read: Read, step: int) -> None:
    for at, row in enumerate(SPECIFICITY):
        tags = read("\n".join(SPECIFICITY[at:][::step]) + "\n")
        assert tag(tags, 8080, TCP) == row.rpartition(",")[2]


def test_each_pair_has_the_tag_of_its_own_most_specific_row(read: Read) -> None:
    tags = read("\n".join(SPECIFICITY))
    found = [tag(tags, *pair) for pair in [(8081, TCP), (8500, TCP), (9000, TCP), (8080, UDP)]]
    assert found == ["narrow", "wide", "any port", "any protocol"]
    assert [tag(tags, 8085, UDP), tag(tags, 1, UDP)] == ["narrow any protocol", "all"]


@promise(
    "Equally specific rows of a lookup with different tags are a conflict",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup_rules:conflicts", "one.tag != other.tag", "False"
    ),
)
@pytest.mark.parametrize(
    ("first", "second", "here", "before"),
    [
        ("8000-8100,tcp", "8000-8100,6", "ports 8000-8100, protocol 6", ""),
        ("8000-8100,tcp", "8100-8200,tcp", "ports 8100-8200, protocol 6", "ports 8000-8100"),
        ("8100-8200,tcp", "8000-8100,tcp", "ports 8000-8100, protocol 6", "ports 8100-8200"),
        ("*,tcp", "0-65535,tcp", "ports 0-65535, protocol 6", ""),
        ("1-2,0", "2-3,hopopt", "ports 2-3, protocol 0", "ports 1-2, protocol 0"),
        ("443,*", "443,any", "port 443, any protocol", ""),
        ("*,*", "any,any", "ports 0-65535, any protocol", ""),
        ("1-2,tcp/udp", "1-2,udp", "ports 1-2, protocol 17", ""),
    ],
)
def test_equally_specific_rows_with_two_tags_are_refused_naming_both_lines(
    refuse: Refuse, first: str, second: str, here: str, before: str
) -> None:
    (line,) = refuse(f"{first},a\n\n{second},A\n")
    assert line.startswith(f"lookup.csv:4: {here} has the tag 'A', and {before or here}")
    assert line.endswith("in line 2 has 'a'; keep one, or choose with --on-conflict first or last")


def test_a_service_and_its_port_conflict(refuse: Refuse) -> None:
    (line,) = refuse("443,tcp,a\nhttps,tcp/udp,b\n")
    assert line.startswith("lookup.csv:3: port 443, protocol 6 has the tag 'a' in line 2 and 'b'")


@pytest.mark.parametrize(
    "rows",
    ["1-9,tcp,a\n1-9,tcp,a\n5-13,tcp,a\n", "1-9,tcp,a\n10-18,tcp,b\n", "1-9,tcp,a\n1-9,udp,b\n"],
)
def test_one_tag_twice_or_ranges_side_by_side_are_no_conflict(read: Read, rows: str) -> None:
    assert tag(read(rows), 9, TCP) == "a"


@pytest.mark.parametrize(("on_conflict", "expected"), [("first", "a"), ("last", "c")])
def test_on_conflict_chooses_among_equally_specific_rows(
    tmp_path: Path, on_conflict: OnConflict, expected: str
) -> None:
    path = tmp_path / "lookup.csv"
    path.write_text(f"{HEADER}1-3,tcp,a\n2-4,tcp,b\n3-5,tcp,c\n1-9,tcp,wide\n*,*,all\n")
    tags = read_lookup(path, on_conflict=on_conflict)
    assert [tag(tags, 3, TCP), tag(tags, 6, TCP), tag(tags, 6, UDP)] == [expected, "wide", "all"]


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        ("8100-8000,tcp,a", "the ports '8100-8000' end before they begin; write 8000-8100"),
        ("8000-70000,tcp,a", "; correct it"),
        ("-8000,tcp,a", "; correct it"),
        ("8000:8100,tcp,a", "; write a range with a hyphen"),
        ("8000\u20138100,tcp,a", "; write a range with a hyphen"),
        ('"80,443",tcp,a', "; write one row for each port"),
        ("80/443,tcp,a", "; write one row for each port"),
        (
            "8-Oct,tcp,a",
            "; it looks like a date that a spreadsheet has made of a range: write the range again",
        ),
        ("http-alt,tcp,a", "591, 8008 and 8080: write the port that you mean"),
        ("kafka,tcp,a", "; write the number of the port"),
        ("all,tcp,a", "; write the number of the port"),
        ("80,all,a", "or * for any"),
        ("80,-1,a", "or * for any"),
        ("80,tcp/,a", "tcp/udp for both, or * for any"),
        ("80,tcp/*,a", "tcp/udp for both, or * for any"),
        ('80,"tcp,udp",a', "tcp/udp for both, or * for any"),
        (
            "syslog,tcp,a",
            "the service 'syslog' is registered for udp, not for tcp; write the port 514 if you "
            "mean it",
        ),
        ("syslog,*,a", "not for tcp; write the port 514 if you mean it"),
        ("imap,tcp/udp,a", "is registered for tcp, not for udp; write the port 143 if you mean it"),
        ("*,tcp,untagged", "is reserved for records that match no row; choose another tag"),
        ("1-2,tcp,", "the tag is empty; write one, or remove the row"),
    ],
)
def test_what_is_in_doubt_is_refused_with_what_to_write(
    refuse: Refuse, row: str, remedy: str
) -> None:
    (line,) = refuse(f"443,tcp,web\n{row}\n53,udp,dns\n")
    assert line.startswith("lookup.csv:3: ")
    assert line.endswith(remedy)


@pytest.mark.parametrize(
    ("name", "port", "protocols"),
    [
        ("ssh", 22, {TCP, UDP, SCTP}),
        ("domain", 53, {TCP, UDP}),
        ("https", 443, {TCP, UDP, SCTP}),
        ("syslog", 514, {UDP}),
        ("shell", 514, {TCP}),
        ("postgresql", 5432, {TCP, UDP}),
        ("redis", 6379, {TCP}),
        ("discard", 9, {TCP, UDP, SCTP, 33}),
        ("diameter", 3868, {TCP, SCTP}),
    ],
)
def test_a_service_has_the_port_and_the_protocols_of_the_registry(
    name: str, port: int, protocols: set[int]
) -> None:
    assert find_service(name) == find_service(name.upper()) == (port, protocols)


@pytest.mark.parametrize("name", ["", "kafka", "http-alt", "\N{KELVIN SIGN}erberos", "443"])
def test_anything_else_is_no_service(name: str) -> None:
    assert find_service(name) is None


PORTS = st.one_of(st.integers(0, 12), st.sampled_from([443, 65534, 65535]))
PROTOCOLS = st.sampled_from([0, TCP, UDP])


@st.composite
def rows(draw: st.DrawFn) -> Row:
    first, last = sorted((draw(PORTS), draw(PORTS)))
    if draw(st.booleans()):
        last = first
    protocol = draw(st.one_of(st.none(), PROTOCOLS))
    return first, last, protocol, draw(st.sampled_from("abc"))


def written(row: Row) -> str:
    first, last, protocol, label = row
    ports = str(first) if first == last else f"{first}-{last}" if row[:2] != (0, 65535) else "*"
    return f"{ports},{'*' if protocol is None else protocol},{label}\n"


def naive_best(table: Sequence[Row], pair: Pair) -> list[str]:
    """Return the tags of the most specific rows that cover a pair, in the order of the table."""
    covering = [row for row in table if row[0] <= pair[0] <= row[1] and row[2] in (None, pair[1])]
    ranks = [(row[1] - row[0], row[2] is None) for row in covering]
    return [row[3] for row, rank in zip(covering, ranks, strict=True) if rank == min(ranks)]


def naive_conflict(table: Sequence[Row]) -> bool:
    """Return whether two rows of the same kind share a pair and differ in their tag."""
    return any(
        one[2] == other[2]
        and one[1] - one[0] == other[1] - other[0]
        and one[0] <= other[1]
        and other[0] <= one[1]
        and one[3] != other[3]
        for one in table
        for other in table
    )


def read_rows(table: Sequence[Row], on_conflict: OnConflict) -> Tags:
    with TemporaryDirectory() as directory:
        path = Path(directory, "lookup.csv")
        path.write_text(HEADER + "".join(map(written, table)))
        return read_lookup(path, on_conflict=on_conflict)


ALL_PAIRS = [
    (port, protocol)
    for port in (*range(14), 442, 443, 444, 65533, 65534, 65535)
    for protocol in (0, TCP, UDP, 99)
]


def all_tags(tags: Tags) -> Mapping[Pair, str]:
    return {**tags_of(ALL_PAIRS, tags.rules), **tags}


@promise(
    "Every pair has the tag that a naive search through all rows of a lookup finds",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup_rules:_segments_of",
        "open_rules[0][1].last < start",
        "False",
    ),
)
@given(st.lists(rows(), max_size=8), st.sampled_from(["error", "first", "last"]))
def test_every_pair_has_the_tag_that_a_naive_search_finds(
    table: list[Row], on_conflict: OnConflict
) -> None:
    if on_conflict == "error" and naive_conflict(table):
        with pytest.raises(UsageError, match="keep one, or choose with --on-conflict"):
            read_rows(table, on_conflict)
        return
    found = all_tags(read_rows(table, on_conflict))
    best = {pair: naive_best(table, pair) for pair in ALL_PAIRS}
    chosen = -1 if on_conflict == "last" else 0
    assert found == {pair: tags[chosen] for pair, tags in best.items() if tags}


def test_a_million_pairs_are_found_among_thousands_of_rules() -> None:
    rules = [
        Rule(port, port + 1, protocol, "a", 1) for port in range(0, 9000, 3) for protocol in (6, 17)
    ]
    pairs = [(port, protocol) for port in range(65536) for protocol in range(15)]
    assert len(tags_of(pairs, [*rules, Rule(0, 65535, None, "b", 1)])) == len(pairs)
