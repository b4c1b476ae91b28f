"""``count`` by functions of fields, of lines for which a condition is true, over every shape."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import UsageError, run
from mapreduce.jobs.accesslog import accesslog
from mapreduce.jobs.count import count
from mapreduce.mapping import keys

ROWS: Final = [
    ("10.0.0.1", "2023-11-14T22:13:20Z", 200, 5),
    ("10.0.0.9", "2023-11-14T23:13:20+01:00", 503, 7),
    ("10.1.0.1", "2023-11-14T22:59:59Z", 500, 11),
    ("10.0.0.2", "2023-11-14T21:00:00Z", 404, 13),
    ("2001:db8::1", "2023-11-14T22:00:00Z", 502, 17),
    ("10.0.0.3", "-", 200, 19),
    ("10.0.0.3", "-", 504, 23),
]
"""Of each line: host, time, status, bytes."""
SHAPES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "plain": ("{0} {1} {2} {3}", {}),
    "long": ("{0}<>{1}<>{2}<>{3}", {"delimiter": "<>"}),
    "blanks": ("  {0}\t{1}  {2} {3}", {"blanks": True}),
    "csv": ('"{0}",{1},"{2}",{3}', {"csv": True}),
    "tsv": ("{0}\t{1}\t{2}\t{3}", {"tsv": True}),
    "regex": ("{0} - {1} - {2} - {3}", {"regex": "(.*) - (.*) - (.*) - (.*)"}),
}


def by_the_rules() -> list[tuple[Any, ...]]:
    """Return what the question below is answered with, worked out by hand."""
    return [
        ("10.0.0.0/16", "2023-11-14T22", 1, 7),
        ("10.1.0.0/16", "2023-11-14T22", 1, 11),
        ("2001::/16", "2023-11-14T22", 1, 17),
    ]


@promise(
    "Lines of every shape are counted by functions of their fields, where a condition is true",
    broken_by=change(
        "mapreduce.mapping.questions:MapByQuestion.__call__", "not self.where.holds(...)", "False"
    ),
)
@pytest.mark.parametrize("split_size", [None, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_question_is_answered_over_every_shape(
    tmp_path: Path, shape: str, split_size: int | None
) -> None:
    form, options = SHAPES[shape]
    (tmp_path / "log").write_text("".join(f"{form.format(*row)}\n" for row in ROWS))
    job = count(by="net(1,16),hour(2)", where="3 >= 500", sum=["4"], **options)
    result = run(job, tmp_path / "log", split_size=split_size, workers=1)
    [table] = result.tables
    assert table.header[:3] == ("net(1,16)", "hour(2)", "Count")
    assert [*table.rows] == by_the_rules()
    stats = result.stats
    assert (stats.lines, stats.counted, stats.skipped, stats.malformed) == (7, 3, 3, 1)
    assert [reject.reason for reject in result.rejects] == ["'-' is no time"]


NAMED: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "csv": ("host,time,status,bytes\n", "{0},{1},{2},{3}", {"csv": True, "header": True}),
    "plain": ("host time status bytes\n", "{0} {1} {2} {3}", {"header": True}),
    "access": ("", '{0} - - [{1}] "GET /a HTTP/1.1" {2} {3}', {"access_log": True}),
    "regex": (
        "",
        "{0} {1} {2} {3}",
        {"regex": "(?P<host>.*) (?P<time>.*) (?P<status>.*) (?P<bytes>.*)"},
    ),
}


@pytest.mark.parametrize("shape", NAMED)
def test_a_question_names_fields(tmp_path: Path, shape: str) -> None:
    header, form, options = NAMED[shape]
    (tmp_path / "log").write_text(header + "".join(f"{form.format(*row)}\n" for row in ROWS))
    job = count(by="net(host,16),hour(time)", where="status >= 500", sum=["bytes"], **options)
    [table] = run(job, tmp_path / "log").tables
    assert table.header == ("net(host,16)", "hour(time)", "Count", "Sum(bytes)")
    assert [*table.rows] == by_the_rules()


def test_a_question_names_paths_into_json(tmp_path: Path) -> None:
    names = ("host", "a.b", "status", "bytes")
    lines = [json.dumps({"in": dict(zip(names, row, strict=True))}) for row in ROWS]
    (tmp_path / "log").write_text("\n".join(lines))
    job = count(
        by='net(in.host,16),hour(in."a.b")', where="in.status>=500", sum=["in.bytes"], json=True
    )
    [table] = run(job, tmp_path / "log").tables
    assert table.header == ("net(in.host,16)", 'hour(in."a.b")', "Count", "Sum(in.bytes)")
    assert [*table.rows] == by_the_rules()


def test_a_field_of_the_condition_is_no_column_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('"last, first",x\na,1\na,2\nb,1\n')
    job = count(by='"last, first"', where="x < 3 and not x = 2", csv=True, header=True)
    [table] = run(job, tmp_path / "log").tables
    assert table.header == ("last, first", "Count")
    assert [*table.rows] == [("a", 1), ("b", 1)]


@promise(
    "A condition sees the line ends that a field in quotes holds",
    broken_by=change("mapreduce.mapping.questions:question_mapper", "mapper.multiline", "False"),
)
def test_a_condition_sees_the_line_ends_of_a_field(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('city,n\n"a\nb",1\n"A\nb",2\nc,3\n')
    options: dict[str, Any] = {"csv": True, "header": True, "multiline": True}
    job = count(by="upper(city)", where=r'city contains "\n" and n < 3', **options)
    [table] = run(job, tmp_path / "log").tables
    assert [*table.rows] == [("A\nB", 2)]


def test_an_access_log_is_counted_by_functions_and_a_condition(tmp_path: Path) -> None:
    lines = [f'h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" {n} 5\n' for n in (200, 500)]
    (tmp_path / "log").write_text("".join(lines))
    job = accesslog("hour(time)", where="status=500", timezone="Europe/Berlin")
    [table] = run(job, tmp_path / "log").tables
    assert table.header == ("hour(time)", "Count", "Sum(bytes)")
    assert [*table.rows] == [("2000-10-10T22+02:00", 1, 5)]
    with pytest.raises(UsageError, match="there is no field 'stat'; the names are host"):
        accesslog(where="stat=500")


@promise(
    "Raw keys without end do not pile up in a worker, and nothing is lost",
    broken_by=change(
        "mapreduce.mapping.counting:TableCombiner._map_table", "mapping.keep(totals)", "pass"
    ),
)
@pytest.mark.parametrize("shape", [{}, {"regex": r"(\S+) (\S+) (\S+)"}])
@given(
    numbers=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 3), st.integers(-9, 9))),
    size=st.integers(1, 9),
)
def test_a_table_of_many_raw_keys_is_mapped_and_begins_anew(
    shape: dict[str, Any], numbers: list[tuple[int, int, int]], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "MAPPED_TOGETHER", 4)
        sums: list[str] | None
        for sums in ([], ["3"]):
            combiner = count(by="bucket(1,50)", where="2 < 2", sum=sums, **shape).mapper.start()
            skipped = 0
            for at in range(0, len(numbers), size):
                rows = numbers[at : at + size]
                text = "".join(f"{number} {kind} {weight}\n" for number, kind, weight in rows)
                tally = combiner.map_block(memoryview(text.encode()), 0)
                skipped += tally.skipped
                assert tally.malformed == 0
                assert tally.keys <= 2
            drained = combiner.drain()
            wanted, weights = Counter[bytes](), Counter[bytes]()
            for number, kind, weight in numbers:
                if kind < 2:
                    wanted[b"0" if number < 50 else b"50"] += 1
                    weights[b"0" if number < 50 else b"50"] += weight
            assert drained.totals.counts == wanted
            assert drained.counted == wanted.total()
            assert skipped + drained.skipped == len(numbers) - wanted.total()
            if sums and numbers and wanted:
                assert drained.totals.columns()[1] == dict(weights)


def test_the_table_of_raw_keys_holds_no_more_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "MAPPED_TOGETHER", 1000)
    combiner: Any = count(by="bucket(1,1000000)").mapper.start()
    for at in range(0, 20_000, 100):
        block = "".join(f"{number}\n" for number in range(at, at + 100)).encode()
        combiner.map_block(memoryview(block), 0)
        assert combiner._table.scan(memoryview(b""), False).known < 1100
    assert combiner.drain().totals.counts == {b"0": 20_000}


def test_the_greatest_number_of_keys_is_one_of_mapped_keys(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{number}\n" for number in range(1000)))
    run(count(by="bucket(1,500)"), tmp_path / "log", max_keys=2)
    with pytest.raises(Exception, match="more than 2 distinct keys"):
        run(count(by="bucket(1,400)"), tmp_path / "log", max_keys=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_answer(tmp_path: Path, workers: int) -> None:
    lines = [f"{1_700_000_000 + number} {number % 7}\n" for number in range(20_000)]
    (tmp_path / "log").write_text("".join(lines))
    job = count(by="hour(1)", where="2 in (1, 2)", timezone="America/New_York")
    [table] = run(
        job, tmp_path / "log", workers=workers, split_size=20_000, start_method="spawn"
    ).tables
    hours = Counter(
        (1_700_000_000 + number) // 3600 for number in range(20_000) if number % 7 in {1, 2}
    )
    assert sorted(row[1] for row in table.rows) == sorted(hours.values())
    assert table.rows[0][0] in {"2023-11-14T17-05:00", "2023-11-14T18-05:00"} | {
        f"2023-11-14T{hour}-05:00" for hour in range(19, 24)
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"by": "hours(1)"}, "by= is wrong at column 1: there is no function hours"),
        ({"by": "1", "where": "2 >"}, "where= is wrong at column 4: a number or a text"),
        ({"by": "1", "where": "x = 1"}, "these lines have no field 'x': give a number"),
        ({"by": "1", "where": 5}, "where=5: must be a text"),
        ({"by": "hour(1)", "timezone": "Moon"}, "timezone=Moon: is not known here"),
        ({"by": "hour(1)", "timezone": 1}, "timezone=1: must be a text"),
        ({"fields": "1-", "where": "2=1"}, "fields=1-: fields to the end of a line"),
        ({"words": True, "where": "1=1"}, "words=: counts whole words"),
        ({"json": True, "by": "a", "where": "1=1"}, 'a member of that name is "1"'),
        ({"by": "x", "where": "y=1", "access_log": True}, "there is no field 'x'; the names are"),
        ({"by": "1", "timezone": "UTC"}, "timezone=UTC: no function of a time is asked for"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        count(**arguments)
    assert told in str(raised.value)


def test_a_name_that_a_header_does_not_have_is_refused_with_those_it_has(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("city,n\nx,1\n")
    with pytest.raises(UsageError, match="the header has no column 'm'; it has city, n"):
        run(count(by="city", where="m=1", csv=True, header=True), tmp_path / "log")


def test_the_question_stands_in_the_manifest() -> None:
    described = count(by="host,hour(time)", where="status=5", access_log=True).described
    assert described["fields"] == ["host", "hour(time)"]
    assert (described["where"], described["timezone"]) == ("status=5", "UTC")
    assert "where" not in count(by="host", access_log=True).described


def test_nothing_of_questions_is_imported_for_a_count_without_one() -> None:
    code = (
        "import sys; from mapreduce.jobs.count import count; count('1'); count(by='a', json=True); "
        "print([name for name in sys.modules if 'questions' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
