"""``mapreduce accesslog`` counts requests by any field of an access log, and sums their bytes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from promises import change, promise

from mapreduce import TableView, UsageError, run
from mapreduce.jobs.accesslog import accesslog

LOG = rb"""::1 - - [10/Oct/2000:13:55:36 -0700] "GET /a.gif?x=1 HTTP/1.0" 200 2326
h.example - b [10/Oct/2000:13:59:59 -0700] "GET /a.gif HTTP/1.0" 304 - "http://r" "Mo (\"x\"; [y])"
::1 - - [11/Jan/2001:00:00:01 +0100] "POST /b?c HTTP/1.1" 200 10 "-" "curl/8" "extra"
::1 - - [11/Jan/2001:00:00:02 +0100] "\x16\x03" 400 0 "-" "-"
::1 - - [11/Jan/2001:00:00:02 +0100] "-" 408 - "-" "-"
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(LOG)
    return path


@promise(
    "A path of an access log has no query",
    broken_by=change("mapreduce.mapping.shaped_lines:ACCESS", 'b" ?"', 'b" "'),
)
@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("status", [("200", 2, 2336), ("304", 1, 0), ("400", 1, 0), ("408", 1, 0)]),
        ("path", [("", 2, 0), ("/a.gif", 2, 2326), ("/b", 1, 10)]),
        (
            "hour",
            [("2001-01-11T00", 3, 10), ("2000-10-10T13", 2, 2326)],
        ),
        ("host,user", [("::1", "-", 4, 2336), ("h.example", "b", 1, 0)]),
        (
            "method,protocol",
            [
                ("GET", "HTTP/1.0", 2, 2326),
                ("-", "", 1, 0),
                ("POST", "HTTP/1.1", 1, 10),
                ("\\x16\\x03", "", 1, 0),
            ],
        ),
    ],
)
def test_requests_are_counted_by_fields_and_their_parts(
    log: Path, by: str, rows: list[tuple[object, ...]]
) -> None:
    result = run(accesslog(by=by), log)
    assert list(result.tables[0].rows) == rows
    assert result.tables[0].header == (*by.split(","), "Count", "Sum(bytes)")
    assert result.stats.malformed == 0


def test_a_common_log_has_no_agent(log: Path) -> None:
    result = run(accesslog(by="agent"), log)
    assert {row[0]: row[1] for row in result.tables[0].rows} == {
        "-": 2,
        r"Mo (\"x\"; [y])": 1,
        "curl/8": 1,
    }
    assert [str(reject.reason) for reject in result.rejects] == [
        "7 fields where at least 9 are expected"
    ]


def test_counts_are_those_of_a_regular_expression() -> None:
    sample = Path(__file__).parents[2] / "data" / "access-500.log"
    pattern = re.compile(rb'(\S+) \S+ \S+ \[[^\]]*\] "(?:\S+ ([^ ?"]*)[^"]*|[^"]*)" (\d+) (\S+)')
    wanted = Counter[tuple[str, str]]()
    for line in sample.read_bytes().splitlines():
        found = pattern.match(line)
        assert found
        wanted[(found[2] or b"").decode(), found[3].decode()] += 1
    [table] = run(accesslog(by="path,status"), sample).tables
    assert {row[:2]: row[2] for row in table.rows} == wanted


def test_a_name_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"there is no field 'pth'; the names are host, ident"):
        accesslog(by="pth")
    with pytest.raises(UsageError, match="top=0: must be at least 1"):
        accesslog(view=TableView(top=0))
