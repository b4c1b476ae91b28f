"""A lookup table is read as meant or refused whole, with every bad row and what to do about it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from promises import change, promise

from mapreduce import UsageError
from mapreduce.jobs.flowlogs.lookup import OnConflict, Pair, read_lookup

HEADER = "dstport,protocol,tag\n"
TCP, UDP = 6, 17

Read: TypeAlias = Callable[[str | bytes], dict[Pair, str]]
Refuse: TypeAlias = Callable[[str | bytes], list[str]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "lookup.csv"


@pytest.fixture
def read(table: Path) -> Read:
    """Return a function that reads the table that it is given."""

    def read(text: str | bytes) -> dict[Pair, str]:
        table.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_lookup(table)

    return read


@pytest.fixture
def refuse(read: Read, table: Path) -> Refuse:
    """Return a function that sees a table refused and returns the lines of the error."""

    def refuse(text: str | bytes) -> list[str]:
        with pytest.raises(UsageError) as caught:
            read(text)
        assert caught.value.exit_code == 2
        return str(caught.value).replace(str(table), table.name).splitlines()

    return refuse


@promise(
    "In a lookup, a byte order mark, blanks and quotes make no difference",
    broken_by=change("mapreduce.jobs.flowlogs.lookup:_text", "'utf-8-sig'", "'utf-8'"),
)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("dstport,protocol,tag\n443,tcp,web\n53,udp,dns\n", id="plain"),
        pytest.param("dstport,protocol,tag\n443,tcp,web\n53,udp,dns", id="no-final-newline"),
        pytest.param("dstport,protocol,tag\r\n443,tcp,web\r\n53,udp,dns\r\n", id="crlf"),
        pytest.param("\ufeffdstport,protocol,tag\n443,tcp,web\n53,udp,dns\n", id="bom"),
        pytest.param('\ufeff"dstport",protocol,tag\n443,tcp,web\n53,udp,dns\n', id="bom-quote"),
        pytest.param("tag,dstport,protocol\nweb,443,tcp\ndns,53,udp\n", id="any-order"),
        pytest.param("DstPort,PROTOCOL,Tag\n443,tcp,web\n53,udp,dns\n", id="header-case"),
        pytest.param("id,dstport,x,protocol,tag,x\n1,443,,tcp,web,\n2,53,,udp,dns,\n", id="more"),
        pytest.param(
            " dstport ,\tprotocol, tag \n 443 ,\ttcp, web \n53 , udp,dns\t\n", id="blanks"
        ),
        pytest.param('"dstport","protocol","tag"\n"443","tcp","web"\n"53",udp,dns', id="quoted"),
        pytest.param(
            'dstport,protocol,tag\n "443"\t,"tcp" , "web" \n53,"udp" ,\t"dns"\t\r\n',
            id="blank-quote",
        ),
        pytest.param("\n\ndstport,protocol,tag\n\n443,tcp,web\n  \n\r\n53,udp,dns\n\n", id="empty"),
        pytest.param("dstport,protocol,tag\n,,\n443,tcp,web\n , ,\t\n53,udp,dns\n", id="all-blank"),
        pytest.param("dstport,protocol,tag\n443,TCP,web\n53,Udp,dns\n", id="protocol-case"),
        pytest.param("dstport,protocol,tag\n443,6,web\n53,017,dns\n", id="protocol-number"),
        pytest.param("dstport,protocol,tag\n00443,tcp,web\n053,udp,dns\n", id="leading-zeros"),
    ],
)
def test_one_table_may_be_written_in_many_ways(read: Read, text: str) -> None:
    assert read(text) == {(443, TCP): "web", (53, UDP): "dns"}


@pytest.mark.parametrize(
    ("field", "tag"),
    [
        ("sv_P1", "sv_P1"),
        ("Straße 7 é 日本", "Straße 7 é 日本"),
        ('"a, b"', "a, b"),
        ('"two\nlines"', "two\nlines"),
        ('"two\r\nlines"', "two\r\nlines"),
        ('"two\nlines" ', "two\nlines"),
        ('"say ""hi"""', 'say "hi"'),
        ('"say ""hi"""\t ', 'say "hi"'),
        ('say "hi"', 'say "hi"'),
        ('""""', '"'),
        ('"a "" , b"', 'a " , b'),
        ('"a\n, "" ,\nb"', 'a\n, " ,\nb'),
        ('"a\rb"', "a\rb"),
        ('" web "', "web"),
        ("=1+1", "=1+1"),
        ("untagged hosts", "untagged hosts"),
    ],
)
def test_a_tag_is_read_exactly(read: Read, field: str, tag: str) -> None:
    assert read(f"{HEADER}443,tcp,{field}\n53,udp,dns\n") == {(443, TCP): tag, (53, UDP): "dns"}
    assert read(f"tag,dstport,protocol\n{field},443,tcp") == {(443, TCP): tag}


def test_tags_that_differ_in_case_are_two(read: Read) -> None:
    assert read(f"{HEADER}443,tcp,sv_P1\n22,tcp,SV_P1\n") == {
        (443, TCP): "sv_P1",
        (22, TCP): "SV_P1",
    }


def test_a_header_alone_is_a_table_without_tags(read: Read) -> None:
    assert read(HEADER) == {}


@pytest.mark.parametrize(("port", "protocol"), [(0, 0), (65535, 255)])
def test_the_smallest_and_the_largest_numbers_are_accepted(
    read: Read, port: int, protocol: int
) -> None:
    assert read(f"{HEADER}{port},{protocol},edge\n") == {(port, protocol): "edge"}


def test_two_hundred_thousand_rows_are_all_read(read: Read) -> None:
    expected = {(n % 65536, n // 65536): f"tag{n % 1000}" for n in range(200_000)}
    rows = (f"{port},{protocol},{tag}\n" for (port, protocol), tag in expected.items())
    assert read(HEADER + "".join(rows)) == expected


@promise(
    "A column that a lookup does not have is named",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup:_form_of",
        "names.count(column) == 1",
        "names.count(column) < 2",
    ),
)
@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", 1),
        ("\n\n", 1),
        ("dstport,protocol\n80,tcp\n", 1),
        ("web,tcp,443\n", 1),
        ("\n\ndstport,protocol,color\n", 3),
    ],
)
def test_a_missing_column_is_named_with_the_header_to_write(
    refuse: Refuse, text: str, where: int
) -> None:
    (line,) = refuse(text)
    assert re.fullmatch(
        rf"lookup\.csv:{where}: the column '(dstport|tag)' is missing; "
        "the first line must be dstport,protocol,tag",
        line,
    )


@pytest.mark.parametrize(
    ("separator", "what"),
    [("|", "bars"), (" ", "blanks")],
)
def test_another_separator_is_named(refuse: Refuse, separator: str, what: str) -> None:
    (line,) = refuse(separator.join(["dstport", "protocol", "tag"]) + "\n")
    assert line == (
        "lookup.csv:1: the column 'dstport' is missing; "
        f"the first line must be dstport,protocol,tag, with commas instead of {what}"
    )


def test_a_path_may_be_a_text(table: Path) -> None:
    table.write_text(f"{HEADER}443,tcp,web\n")
    assert read_lookup(str(table)) == {(443, TCP): "web"}


@pytest.mark.parametrize("column", ["dstport", "protocol", "tag"])
def test_a_column_that_stands_twice_is_refused(refuse: Refuse, column: str) -> None:
    (line,) = refuse(f"dstport,protocol,tag, {column.upper()} \n443,tcp,web,api\n")
    assert line.startswith(f"lookup.csv:1: the column '{column}' is there twice; ")


@promise(
    "A bad row of a lookup is named by file, line, fault and remedy",
    broken_by=change("mapreduce.jobs.flowlogs.lookup_rules:_protocols", "None in numbers", "False"),
)
@promise(
    "A tag called Untagged is refused",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup:_check_tag",
        "tag.casefold() == UNTAGGED.casefold()",
        "False",
    ),
)
@pytest.mark.parametrize(
    ("row", "fault", "remedy"),
    [
        ("80,tcp", "2 values where the header has 3", "add what is missing"),
        ("80", "1 values where the header has 3", "add what is missing"),
        ("80,tcp,a,b", "4 values where the header has 3", "quote a value that has a comma"),
        ("65536,tcp,a", "port '65536' is not", "a number 0 to 65535"),
        ("-1,tcp,a", "port '-1' is not", "a number 0 to 65535"),
        ("+80,tcp,a", "port '+80' is not", "a number 0 to 65535"),
        ("4_43,tcp,a", "port '4_43' is not", "a number 0 to 65535"),
        ("80.5,tcp,a", "port '80.5' is not", "a number 0 to 65535"),
        ("٨٠,tcp,a", "port '٨٠' is not", "a number 0 to 65535"),
        ("²,tcp,a", "port '²' is not", "a number 0 to 65535"),
        ("kafka,tcp,a", "port 'kafka' is not", "write the number of the port"),
        (",tcp,a", "port '' is not", "a number 0 to 65535"),
        ("1" * 5000 + ",tcp,a", "port '" + "1" * 40 + "...' is not", "a number 0 to 65535"),
        ("80,256,a", "protocol '256' is unknown", "an IANA keyword such as tcp, or a number 0"),
        ("80,-6,a", "protocol '-6' is unknown", "an IANA keyword such as tcp, or a number 0"),
        ("80,tpc,a", "protocol 'tpc' is unknown", "an IANA keyword such as tcp, or a number 0"),
        ("80,٦,a", "protocol '٦' is unknown", "an IANA keyword such as tcp, or a number 0"),
        ("80,,a", "protocol '' is unknown", "an IANA keyword such as tcp, or a number 0"),
        ("80,tcp,", "tag is empty", "write one, or remove the row"),
        ('80,tcp," "', "tag is empty", "write one, or remove the row"),
        (
            "80,tcp,Untagged",
            "tag 'Untagged' is reserved for records that match no row",
            "choose another tag",
        ),
        (
            "80,tcp,UNTAGGED",
            "tag 'UNTAGGED' is reserved for records that match no row",
            "choose another tag",
        ),
        (
            '80,tcp, " untagged "',
            "tag 'untagged' is reserved for records that match no row",
            "choose another tag",
        ),
        ('80,tcp,"a"b', "the quotes are wrong", "close each quote, double inner ones"),
        ('80,tcp,"a"b"', "the quotes are wrong", "close each quote, double inner ones"),
    ],
)
def test_a_bad_row_is_named_by_file_line_fault_and_remedy(
    refuse: Refuse, row: str, fault: str, remedy: str
) -> None:
    (line,) = refuse(f"{HEADER}443,tcp,web\n\n{row}\n53,udp,dns\n")
    assert line.startswith("lookup.csv:4: ")
    assert fault in line
    assert remedy in line.partition(fault)[2]


@promise(
    "An unclosed quote is named by the line that it opens in",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup:rows_of", "reader.line_num + 1", "reader.line_num"
    ),
)
@pytest.mark.parametrize(
    "rest",
    [
        pytest.param("", id="last-row"),
        pytest.param("53,udp,dns\n", id="middle"),
        pytest.param('53,udp,"dns"\n', id="closed-by-a-later-quote"),
        pytest.param("53,udp,dns\n" * 20_000, id="longer-than-a-csv-field-may-be"),
    ],
)
def test_an_unclosed_quote_is_named_by_the_line_it_opens_in(refuse: Refuse, rest: str) -> None:
    first, *_others = refuse(f'{HEADER}443,tcp,web\n80,tcp,"api\n{rest}')
    assert first.startswith("lookup.csv:3: the quotes are wrong (")
    assert first.endswith("); close each quote, double inner ones")


@pytest.mark.parametrize("header", ['dstport,protocol,"tag', 'dstport,protocol,"tag"x'])
def test_wrong_quotes_in_the_header_are_named_as_such(refuse: Refuse, header: str) -> None:
    first, *_others = refuse(f"{header}\n443,tcp,web\n")
    assert first.startswith("lookup.csv:1: the quotes are wrong (")


def test_lines_within_quotes_are_counted(refuse: Refuse) -> None:
    (line,) = refuse(f'{HEADER}443,tcp,"a\nb\r\n\nc"\n99999,tcp,d\n')
    assert line.startswith("lookup.csv:6: the port '99999'")


@pytest.mark.parametrize(
    ("bad", "shown", "rest"),
    [
        (2, 2, []),
        (20, 20, []),
        (21, 20, ["... and 1 more bad rows"]),
        (5000, 20, ["... and 4,980 more bad rows"]),
    ],
)
def test_all_bad_rows_are_named_at_once_but_no_more_than_twenty(
    refuse: Refuse, bad: int, shown: int, rest: list[str]
) -> None:
    lines = refuse(HEADER + "443,tcp,web\n70000,tcp,x\n" * bad)
    assert [line.split(": ")[0] for line in lines[:shown]] == [
        f"lookup.csv:{2 * n + 3}" for n in range(shown)
    ]
    assert lines[shown:] == rest


def test_bad_rows_of_all_kinds_are_named_in_the_order_of_the_file(refuse: Refuse) -> None:
    rows = ["80,tcp", '81,tcp,"a"b', "82,tcp,ok", "82,tcp,other", "83,x,a", "84,tcp,"]
    lines = refuse(HEADER + "\n".join(rows))
    faults = ["2 values", "the quotes", "port 82, protocol 6 has", "the protocol", "the tag"]
    assert [line.split(":", 2)[1] for line in lines] == ["2", "3", "5", "6", "7"]
    assert all(f": {fault}" in line for fault, line in zip(faults, lines, strict=True))


@pytest.mark.parametrize(
    "again", ["443,tcp,web", "443,TCP,web", "443,6,web", "0443,006, web ", '"443","tcp","web"']
)
def test_a_pair_may_be_given_the_same_tag_twice(read: Read, again: str) -> None:
    assert read(f"{HEADER}443,tcp,web\n{again}\n") == {(443, TCP): "web"}


@promise(
    "A pair with two tags names both lines",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup:_Table.add", "self.on_conflict == 'error'", "False"
    ),
)
@pytest.mark.parametrize(
    ("first", "second", "pair"),
    [
        ("443,tcp", "443,tcp", "port 443, protocol 6"),
        ("443,tcp", "0443,6", "port 443, protocol 6"),
        ("0,icmpv6", "0,IPv6-ICMP", "port 0, protocol 58"),
        ("0,58", "0,icmp6", "port 0, protocol 58"),
    ],
)
def test_a_pair_with_two_tags_is_refused_naming_both_lines(
    refuse: Refuse, first: str, second: str, pair: str
) -> None:
    assert refuse(f"{HEADER}{first},a\n\n{second},A\n") == [
        f"lookup.csv:4: {pair} has the tag 'a' in line 2 and 'A' here; "
        "keep one, or choose with --on-conflict first or last"
    ]


@pytest.mark.parametrize(("on_conflict", "tag"), [("first", "a"), ("last", "c")])
def test_on_conflict_chooses_the_tag_of_a_pair(
    table: Path, on_conflict: OnConflict, tag: str
) -> None:
    table.write_text(f"{HEADER}443,tcp,a\n443,6,b\n53,udp,dns\n443,TCP,c\n")
    assert read_lookup(table, on_conflict=on_conflict) == {(443, TCP): tag, (53, UDP): "dns"}


@pytest.mark.parametrize("on_conflict", ["first", "last"])
def test_on_conflict_excuses_no_other_fault(table: Path, on_conflict: OnConflict) -> None:
    table.write_text(f"{HEADER}443,tcp,a\n443,tcp,Untagged\n")
    with pytest.raises(UsageError, match=r"lookup\.csv:3: the tag 'Untagged'"):
        read_lookup(table, on_conflict=on_conflict)


@promise(
    "A lookup in UTF-16 is refused by name",
    broken_by=change("mapreduce.jobs.flowlogs.lookup:_text", "data.startswith(...)", "False"),
)
@pytest.mark.parametrize(
    "text",
    [
        codecs.BOM_UTF16_LE + HEADER.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + HEADER.encode("utf-16-be"),
    ],
)
def test_utf_16_is_refused_by_name(refuse: Refuse, text: bytes) -> None:
    assert refuse(text) == ["lookup.csv:1: is UTF-16; save it as UTF-8"]


@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8], ids=["plain", "bom"])
@pytest.mark.parametrize(
    ("text", "where", "looks"),
    [
        (b"\xffdstport,protocol,tag\n", 1, "; as CP1252 it would be 'ÿdstport'"),
        (b"dstport,protocol,tag\n\xff,tcp,a\n", 2, "; as CP1252 it would be 'ÿ'"),
        (
            b"dstport,protocol,tag\r\n443,tcp,web\r\n80,tcp,caf\xe9\r\n",
            3,
            "; as CP1252 it would be 'café'",
        ),
        (b"dstport,protocol,tag\n443,tcp,a\n80,tcp,b\n\xc3", 4, "; as CP1252 it would be 'Ã'"),
        (b"dstport,protocol,tag\n443,tcp,\x81\n", 2, ""),  # CP1252 has no such character
    ],
)
def test_what_is_not_utf_8_is_refused_with_its_line_and_what_it_looks_like(
    refuse: Refuse, bom: bytes, text: bytes, where: int, looks: str
) -> None:
    assert refuse(bom + text) == [
        f"lookup.csv:{where}: is not UTF-8{looks}; save the file as UTF-8"
    ]


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.csv", "No such file or directory"), (".", "Is a directory")]
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=rf"{re.escape(str(tmp_path / name))}: {reason}"):
        read_lookup(tmp_path / name)


@pytest.mark.parametrize("row", ["80,tcp,\x1b[31m\n80,tcp,b", "80,\x1b[31m,a", "\x1b[31m,tcp,a"])
def test_control_characters_are_escaped_in_errors(tmp_path: Path, row: str) -> None:
    path = tmp_path / "look\x1b[31m\nup.csv"
    path.write_text(f"{HEADER}{row}\n")
    with pytest.raises(UsageError, match=r"look\\x1b\[31m\\nup\.csv:[23]: ") as caught:
        read_lookup(path)
    assert str(caught.value).isprintable()
