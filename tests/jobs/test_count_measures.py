"""``mapreduce count`` measures fields: ``--min``, ``--max``, ``--mean``, ``--distinct``, ..."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import First, Last, Malformed, TableView, UsageError, check_measure, run
from mapreduce.jobs.count import Measures, count
from mapreduce.kernel import VARIANTS
from mapreduce.questions.times import moment_of

ALL = ["--min", "n", "--max", "n", "--mean", "n", "--distinct", "u", "--first", "t", "--last", "t"]
TITLES = b"Min(n),Max(n),Mean(n),Distinct(u),First(t),Last(t)\n"
ROW = b"-0.5,3,1.166667,2,2000-10-10T20:55:36Z,971211337\n"


def numbered(*numbers: str) -> list[str]:
    """Return the options with numbers instead of the names n, u and t."""
    names = dict(zip("nut", numbers, strict=True))
    return [names.get(one, one) for one in ALL]


QUESTIONS: list[tuple[list[str], bytes, bytes]] = [
    (
        ["--csv", "--header", "--by", "k", *ALL],
        b"k,t,u,n\na,971211337,x,3\na,2000-10-10T20:55:36Z,y,1\na,-,x,-0.5\na,,-,\n",
        b"k,Count," + TITLES + b"a,4," + ROW,
    ),
    (
        ["--json", "--by", "k", *ALL],
        b'{"k":"a","t":971211337,"u":"x","n":3}\n{"k":"a","t":"2000-10-10T20:55:36Z","u":"y","n":"1"}\n'
        b'{"k":"a","t":null,"u":"x","n":-5e-1}\n{"k":"a","n":null}\n',
        b"k,Count," + TITLES + b"a,4," + ROW,
    ),
    (
        ["--header", "-d", ";", "--by", "k", *ALL],
        b"k;t;u;n\na;971211337;x;3\na;2000-10-10T20:55:36Z;y;1\na;-;x;-0.5\na;;-;\n",
        b"k,Count," + TITLES + b"a,4," + ROW,
    ),
    (
        ["--regex", "(?P<k>.);(?P<t>.*);(?P<u>.*);(?P<n>.*)", "--by", "k", *ALL],
        b"a;971211337;x;3\na;2000-10-10T20:55:36Z;y;1\na;-;x;-0.5\na;;-;\nnothing\n",
        b"k,Count," + TITLES + b"a,4," + ROW,
    ),
    (
        ["-F", "1", *numbered("4", "3", "2")],
        b"a 971211337 x 3\na 2000-10-10T20:55:36Z y 1\na - x -0.5\na - - -\n",
        b"Field1,Count,Min(Field4),Max(Field4),Mean(Field4),Distinct(Field3),First(Field2),"
        b"Last(Field2)\na,4," + ROW,
    ),
    (
        ["--blanks", "-F", "1", "--sum", "5", *numbered("4", "3", "2")],
        b"a  971211337 x 3 7\na 2000-10-10T20:55:36Z  y 1 -9\n a - x -0.5 -\na - - - 1\n",
        b"Field1,Count,Sum(Field5),Min(Field4),Max(Field4),Mean(Field4),Distinct(Field3),"
        b"First(Field2),Last(Field2)\na,4,-1," + ROW,
    ),
    (
        ["-F", "3-", "--mean", "1", "--distinct", "2"],
        b"1 x a b\n2 y a b\n",
        b"Field3-,Count,Mean(Field1),Distinct(Field2)\na b,2,1.5,2\n",
    ),
    (
        [
            *("--access-log", "--by", "hour(time),status", "--where", "status=200"),
            *("--max", "bytes", "--distinct", "path", "--last", "time"),
        ],
        b'h - - [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.0" 200 -\n'
        b'h - - [10/Oct/2000:13:55:37 -0700] "GET /a HTTP/1.0" 200 5\n'
        b'h - - [10/Oct/2000:13:55:36 -0700] "GET /b HTTP/1.0" 404 x\n',
        b"hour(time),status,Count,Max(bytes),Distinct(path),Last(time)\n"
        b"2000-10-10T20,200,2,5,1,10/Oct/2000:13:55:37 -0700\n",
    ),
]


def command(*arguments: str, data: bytes, kernel: str = "") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **({"MAPREDUCE_KERNEL": kernel} if kernel else {})}
    return subprocess.run(
        [sys.executable, "-m", "mapreduce", "count", *arguments],
        input=data,
        capture_output=True,
        check=False,
        env=environment,
    )


@promise(
    "count measures fields of lines of every shape, with every kernel to the same bytes",
    broken_by=change("mapreduce.mapping.measuring:fold", "reading.places", "reading.places[::-1]"),
)
@pytest.mark.parametrize(("arguments", "data", "table"), QUESTIONS, ids=lambda one: str(one)[:40])
def test_fields_of_each_shape_are_measured(arguments: list[str], data: bytes, table: bytes) -> None:
    for kernel in (VARIANTS[0], "pure") if VARIANTS else ("pure",):
        run = command(*arguments, "-q", "-o", "-", "-", data=data, kernel=kernel)
        assert (run.returncode, run.stdout, run.stderr) == (0, table, b"")


def test_a_text_that_cannot_be_measured_makes_its_line_malformed(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a 5 2000-10-10\na x 2000-10-10\na 5 soon\nb - -\n")
    job = count("1", measures=Measures(mean=["2"], first=["3"], distinct=["2,3"]))
    result = run(job, tmp_path / "log")
    assert result.tables[0].rows == [("a", 1, 5, 1, 1, "2000-10-10"), ("b", 1, "", 0, 0, "")]
    assert [one.reason for one in result.rejects] == [
        "Field2 'x' is not a number",
        "Field3 'soon' is no time",
    ]


def test_rows_are_ordered_by_a_measure_and_others_and_total_are_measured(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a 1\na 2\nb 10\nc 4\nd -\nd -\nd -\n")
    view = TableView(top=1, order="Mean(Field2)", others=True, total=True)
    job = count("1", view=view, measures=Measures(mean=["2"], distinct=["2"]))
    [table] = run(job, tmp_path / "log").tables
    assert table.rows == [
        (1, "b", 1, 10, 1),
        ("Others", "", 6, 2.333333, 3),
        ("Total", "", 7, 4.25, 4),
    ]


def test_more_than_ten_thousand_distinct_values_are_told_as_an_estimate() -> None:
    data = b"".join(b"a %d\n" % number for number in range(30_000)) + b"b 1\n"
    run = command("-F", "1", "--distinct", "2", "-o", "-", "-", data=data)
    [_, first, second] = run.stdout.decode().splitlines()
    assert second == "b,1,1"
    assert abs(int(first.split(",")[2]) - 30_000) < 750
    told = b"Distinct(Field2): 1 numbers above 10,000 are estimates, with a standard error of 0.81%"
    assert told in run.stderr


def test_the_manifest_names_what_is_measured() -> None:
    asked = Measures(min=["2"], distinct=["1", "3"])
    described = count("1", measures=asked).described
    assert described["min"] == [2]
    assert described["distinct"] == [1, 3]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"fields": "1", "measures": Measures(mean=["x"])}, "there is no field 'x': give its"),
        ({"fields": "1", "measures": Measures(mean=["2,2"])}, "mean=: names a field twice"),
        ({"fields": "1", "measures": Measures(max=[""])}, "max=: write names or numbers"),
        ({"fields": "1", "measures": Measures(max="2")}, "max=2: must be a list of names"),  # type: ignore[arg-type]
        ({"words": True, "measures": Measures(max=["2"])}, "words=: counts whole words"),
        ({"json": True, "by": "a", "measures": Measures(max=["2"])}, "2: JSON has no numbered"),
        ({"fields": "1", "measures": Measures(first=["2"]), "timezone": "Mars"}, "timezone=Mars"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError) as raised:
        count(**arguments)
    assert str(raised.value).startswith(fault)


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=timezone.utc, microsecond=moment.microsecond // 10 * 10)  # noqa: UP017
)
ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def written(moment: datetime, zone: timezone, form: str) -> tuple[datetime, bytes]:
    """Return a moment as precise as its form, and its text."""
    if form == "iso":
        return moment, moment.astimezone(zone).isoformat().encode()
    if form == "milliseconds":
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        return moment, b"%d" % round(moment.timestamp() * 1000)
    moment = moment.replace(microsecond=0)
    if form == "seconds":
        return moment, b"%d" % moment.timestamp()
    return moment, moment.astimezone(zone).strftime("%d/%b/%Y:%H:%M:%S %z").encode()


FORMS = st.sampled_from(["iso", "log", "seconds", "milliseconds"])


@promise(
    "The first and the last time are those of the moments, whatever forms and zones they have",
    broken_by=change("mapreduce.questions.times:moment_of", "leap + digits.rstrip(b'0')", "b''"),
)
@given(times=st.lists(st.builds(written, MOMENTS, ZONES, FORMS), min_size=1, max_size=5))
def test_the_first_and_the_last_time_are_those_of_the_moments(
    times: list[tuple[datetime, bytes]],
) -> None:
    times = [time for time in times if time[0].year >= 2002]  # earlier ones have fewer digits
    for measure, choose in ((First("t"), min), (Last("t"), max)):
        values = [measure.of(text, 1) for _moment, text in times]
        check_measure(measure, values)
        if times:
            wanted = choose(moment for moment, _text in times)
            shown = measure.show(measure.gather([(text, 1) for _moment, text in times])).encode()
            assert (wanted, shown) in times


def test_times_are_compared_to_the_last_digit() -> None:
    times = [b"2023-11-14T22:13:20.1", b"1700000000.09999", b"1700000000100.5", b"1700000000.10"]
    assert sorted(times, key=moment_of) == [times[1], times[0], times[3], times[2]]
    assert moment_of(b"2016-12-31T23:59:59.9Z") < moment_of(b"2016-12-31T23:59:60.1Z")
    assert moment_of(b"2016-12-31T23:59:60.9Z") < moment_of(b"2017-01-01")
    assert moment_of(b"2000-10-10", "Asia/Tokyo") == moment_of(b"2000-10-09T15:00Z")
    with pytest.raises(Malformed, match="'20001010' is no time"):
        moment_of(b"20001010")
