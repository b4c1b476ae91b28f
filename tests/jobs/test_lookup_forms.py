"""A lookup is read in the forms that people write where it is certain what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from promises import change, promise

from mapreduce import UsageError
from mapreduce.jobs.flowlogs.lookup import Tags, read_lookup

TCP, UDP = 6, 17
WEB_AND_DNS = {(443, TCP): "web", (53, UDP): "dns"}

Read: TypeAlias = Callable[[str | bytes], Tags]
Refuse: TypeAlias = Callable[[str | bytes], list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads the table that it is given."""

    def read(text: str | bytes) -> Tags:
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "lookup.csv").write_bytes(data)
        return read_lookup(tmp_path / "lookup.csv")

    return read


@pytest.fixture
def refuse(read: Read, tmp_path: Path) -> Refuse:
    """Return a function that sees a table refused and returns the lines of the error."""

    def refuse(text: str | bytes) -> list[str]:
        with pytest.raises(UsageError) as caught:
            read(text)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return refuse


@promise(
    "A lookup with semicolons or tabs, another spelling of its header, or comments is read",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup_forms:_columns", "_plain(name) == column", "False"
    ),
)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("dstport;protocol;tag\n443;tcp;web\n53;udp;dns\n", id="semicolons"),
        pytest.param("dstport\tprotocol\ttag\r\n443\ttcp\tweb\r\n53\tudp\tdns", id="tabs"),
        pytest.param(" dstport ; protocol ; tag\n 443 ; tcp ; web\n53;udp; dns ", id="blanks"),
        pytest.param('dstport;protocol;tag\n"443" ;tcp; "web"\n53;udp;"dns"\n', id="quotes"),
        pytest.param('dstport\tprotocol\ttag\n"443"\ttcp\t "web" \n53\tudp\tdns', id="tab-quotes"),
        pytest.param("tag\tid\tdstport\tprotocol\nweb\t\t443\ttcp\ndns\t\t53\tudp", id="tab-more"),
        pytest.param("Dst Port,Protocol,Tag\n443,tcp,web\n53,udp,dns\n", id="dst-blank-port"),
        pytest.param("dst_port,protocol,tag\n443,tcp,web\n53,udp,dns\n", id="underscore"),
        pytest.param("Tag;Dst-Port;Proto\nweb;443;tcp\ndns;53;udp\n", id="tag-first"),
        pytest.param("Destination Port,Protocol,Tag\n443,tcp,web\n53,udp,dns\n", id="destination"),
        pytest.param("443,tcp,web\n53,udp,dns\n", id="no-header"),
        pytest.param("\ufeff443;6;web\n53;17;dns\n", id="no-header-numbers"),
        pytest.param("53.0\tudp\tdns\n443.0\t6.0\tweb\n", id="no-header-tabs"),
        pytest.param(
            "dstport,protocol,tag\n# web\n443,tcp,web\n #a,b\n53,udp,dns\n#", id="comment"
        ),
        pytest.param("# mine\n\ndstport,protocol,tag\n443,tcp,web\n53,udp,dns\n", id="at-the-top"),
        pytest.param("#dstport,protocol,tag\n443,tcp,web\n53,udp,dns\n", id="header-in-comment"),
        pytest.param("# mine; all\nDst Port;Protocol;Tag\n443;tcp;web\n53;udp;dns\n", id="mixed"),
        pytest.param("id,protocol,dstport,tag\n1,tcp,443,web\n2,udp,53,dns\n", id="fourth"),
    ],
)
def test_a_table_in_another_form_is_read_as_meant(read: Read, text: str) -> None:
    assert read(text) == WEB_AND_DNS


@pytest.mark.parametrize(
    "comment", ["# don't", '# a, "b', '#"', '# x,"y"z', '# 5" , "', "# 443,tcp,other"]
)
def test_no_quote_in_a_comment_hides_the_rows_below(read: Read, comment: str) -> None:
    text = f'dstport,protocol,tag\n{comment}\n443,tcp, "web" \n{comment}\n53,udp,"dns"\n{comment}'
    assert read(text) == WEB_AND_DNS


def test_a_line_within_quotes_is_no_comment(read: Read) -> None:
    assert read('dstport,protocol,tag\n443,tcp,"a\n# b"\n') == {(443, TCP): "a\n# b"}


@promise(
    "A tag that begins with # is no comment",
    broken_by=change("mapreduce.jobs.flowlogs.lookup:_form_of", "0 in columns[:2]", "True"),
)
@pytest.mark.parametrize(
    ("header", "row"),
    [("tag,dstport,protocol", "#a,443,tcp"), ("id,tag,dstport,protocol", "#,#a,443,tcp")],
)
def test_a_tag_that_begins_with_a_hash_is_no_comment(read: Read, header: str, row: str) -> None:
    assert read(f"{header}\n{row}\n") == {(443, TCP): "#a"}


def test_a_header_that_begins_with_a_hash_is_read_as_ever(read: Read) -> None:
    assert read("#,dstport,protocol,tag\n1,443,tcp,web\n2,53,udp,dns\n") == WEB_AND_DNS


def test_a_comment_where_a_tag_may_stand_is_refused(refuse: Refuse) -> None:
    assert refuse("tag,dstport,protocol\n# mine\nweb,443,tcp\n") == [
        "lookup.csv:2: 1 values where the header has 3; a comment is read only where dstport or "
        "protocol is the first column; remove it"
    ]
    assert refuse("# mine\ntag,dstport,protocol\n#a,443,tcp\n") == [
        "lookup.csv:2: comments are read only where dstport or protocol is the first column; "
        "remove those above this header"
    ]


@promise(
    "A lookup without a header is refused if port and protocol may be the other way round",
    broken_by=change("mapreduce.jobs.flowlogs.lookup_forms:_has_no_header", "not others", "True"),
)
@pytest.mark.parametrize(
    "rows",
    [
        "80,6,web\n53,17,dns\n",
        "6,80,web\n17,53,dns\n",  # protocol first
        "*,*,all\n",
        "80,tcp,8080\n",  # which is the tag?
        "53,udp,tcp\n",
    ],
)
def test_rows_without_header_that_may_be_read_in_two_ways_are_refused(
    refuse: Refuse, rows: str
) -> None:
    (line,) = refuse(f"# mine\n{rows}")
    assert line == (
        "lookup.csv:2: this is no header, and the rows do not show which column is the port, the "
        "protocol and the tag; write dstport,protocol,tag above them, in their order"
    )


@pytest.mark.parametrize("rows", ["tcp,443,web\n", "web,443,tcp\n", "ssh,tcp,22\n", "443,tcp\n"])
def test_rows_without_header_in_another_order_are_refused(refuse: Refuse, rows: str) -> None:
    (line,) = refuse(rows)
    assert line.startswith("lookup.csv:1: the column 'dstport' is missing; the first line must be ")


def test_one_row_that_is_certain_decides_for_all(read: Read) -> None:
    assert read("80,6,a\n443,6,b\n22,tcp,ssh\n") == {(80, 6): "a", (443, 6): "b", (22, 6): "ssh"}


def test_a_bad_row_without_header_is_named(refuse: Refuse) -> None:
    assert [line.split(": ")[0] for line in refuse("443,tcp,web\n53,udp\n70000,tcp,x\n")] == [
        "lookup.csv:2",
        "lookup.csv:3",
    ]


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("port,protocol,tag", "'dstport' is missing"),
        ("dstport;protocol;label", "'dstport' is missing"),
        ("Dst Port,dst_port,protocol,tag", "'dstport' is missing"),
        ("dstport;protocol,tag", "'dstport' is missing"),
        ("srcport,protocol,tag", "'dstport' is missing"),
    ],
)
def test_a_header_that_is_in_doubt_is_refused(refuse: Refuse, header: str, fault: str) -> None:
    (line,) = refuse(f"{header}\n443,tcp,web\n")
    assert line.startswith(f"lookup.csv:1: the column {fault}; the first line must be ")


@pytest.mark.parametrize(
    ("header", "like"), [("port,protocol,tag", "port"), ("dstport,protocol,Label", "Label")]
)
def test_a_column_that_may_be_meant_is_named(refuse: Refuse, header: str, like: str) -> None:
    assert refuse(header)[0].endswith(f": {like!r} may be meant for it")


@pytest.mark.parametrize(
    ("header", "row", "separators"), [(",", ";", "commas"), (";", ",", "semicolons")]
)
def test_rows_with_another_separator_than_the_header_are_refused(
    refuse: Refuse, header: str, row: str, separators: str
) -> None:
    text = "\n".join([header.join(["dstport", "protocol", "tag"]), row.join(["443", "tcp", "web"])])
    assert refuse(text) == [
        "lookup.csv:2: 1 values where the header has 3; "
        f"separate them by {separators}, as in the first line"
    ]


def test_a_value_with_the_separator_is_to_be_quoted(refuse: Refuse) -> None:
    assert refuse("dstport;protocol;tag\n443;tcp;a;b\n") == [
        "lookup.csv:2: 4 values where the header has 3; quote a value that has a semicolon in it"
    ]


def test_wrong_quotes_above_the_header_are_named(refuse: Refuse) -> None:
    assert refuse('"a"b\ndstport;protocol;tag\n443;tcp;web\n')[0].startswith(
        "lookup.csv:1: the quotes are wrong"
    )


@promise(
    "Bytes of a lookup that are not UTF-8 are refused only where they are a port, protocol or tag",
    broken_by=change(
        "mapreduce.jobs.flowlogs.lookup:_values",
        "check_encoding(values)",
        "check_encoding(row)",
    ),
)
def test_other_encodings_are_read_where_they_make_no_difference(read: Read, refuse: Refuse) -> None:
    text = "dstport,protocol,tag,Größe\n443,tcp,web,groß\n# für DNS\n53,udp,dns,\n"
    assert read(text.encode("cp1252")) == WEB_AND_DNS
    assert refuse(text.replace("dns", "größe").encode("cp1252")) == [
        "lookup.csv:4: is not UTF-8; as CP1252 it would be 'größe'; save the file as UTF-8"
    ]


def test_utf_16_without_a_byte_order_mark_is_refused_by_name(refuse: Refuse) -> None:
    text = "dstport,protocol,tag\n443,tcp,web\n"
    assert refuse(text.encode("utf-16-le")) == ["lookup.csv:1: looks like UTF-16; save it as UTF-8"]
