"""Account, region and time are read from the paths of deliveries, and from nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import record
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import UsageError, run
from mapreduce.jobs.flowlogs.deliveries import (
    DeliveryInfo,
    DeliverySelector,
    delivery_info,
    parse_selection,
)
from mapreduce.jobs.flowlogs.job import flowlogs

PLAIN = "s3://logs/AWSLogs/111122223333/vpcflowlogs/eu-west-1/2024/05/01/"
HIVE = (
    "s3://logs/x/AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=eu-west-1/"
    "year=2024/month=05/day=01/"
)
NAME = "111122223333_vpcflowlogs_eu-west-1_fl-0a1b_20240501T2355Z_0f1e2d3c.log.gz"


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("directory", [PLAIN, HIVE])
def test_both_layouts_tell_account_region_and_day(directory: str) -> None:
    day = DeliveryInfo("111122223333", "eu-west-1", at(2024, 5, 1), at(2024, 5, 2))
    assert delivery_info(directory + "x.log") == day
    hour = directory + ("23/" if directory == PLAIN else "hour=23/")
    told = delivery_info(hour + "x.log")
    assert (told.start, told.end) == (at(2024, 5, 1, 23), at(2024, 5, 2))


@pytest.mark.parametrize(
    ("path", "start", "end"),
    [
        ("AWSLogs/1/vpcflowlogs/eu-west-1/2023/", at(2023, 1, 1), at(2024, 1, 1)),
        ("AWSLogs/1/vpcflowlogs/eu-west-1/2023/12/", at(2023, 12, 1), at(2024, 1, 1)),
        ("AWSLogs/1/vpcflowlogs/eu-west-1/2024/02/29/", at(2024, 2, 29), at(2024, 3, 1)),
        ("AWSLogs/1/vpcflowlogs/eu-west-1/2023/02/29/", None, None),
        ("AWSLogs/1/vpcflowlogs/eu-west-1/2023/13/", None, None),
        ("AWSLogs/1/vpcflowlogs/eu-west-1/", None, None),
        ("year=2024/day=01/", at(2024, 1, 1), at(2025, 1, 1)),
        ("year=9999/", None, None),
        ("year=\N{SUPERSCRIPT TWO}/", None, None),
        ("year=2024/month=May/day=03/", at(2024, 1, 1), at(2025, 1, 1)),
        ("year=9999/month=12/day=31/", None, None),
        (NAME, at(2024, 5, 1, 23, 55), at(2024, 5, 1, 23, 55)),
        ("month=05/", None, None),
        ("logs/2024/05/01/", None, None),
        (f"anywhere/{NAME}", at(2024, 5, 1, 23, 55), at(2024, 5, 1, 23, 55)),
    ],
)
def test_a_path_tells_a_time_as_far_as_it_goes(
    path: str, start: datetime | None, end: datetime | None
) -> None:
    told = delivery_info(path)
    assert told.start == start
    assert (told.end is None) == (end is None)
    if told.end and end:
        assert 0 <= (told.end - end).total_seconds() < 1


def test_a_name_tells_more_than_its_directory() -> None:
    selection = parse_selection("2024-05-01T23:50", "2024-05-02", [], [])
    assert selection.holds(PLAIN + NAME)
    assert not parse_selection("2024-05-01T23:56", None, [], []).holds(PLAIN + NAME)
    assert parse_selection("2024-05-01T23:56", None, [], []).holds(PLAIN + "unnamed.log")


def test_a_directory_may_hold_what_was_delivered_about_its_day() -> None:
    selection = parse_selection("2024-05-02", "2024-05-03", [], [])
    days = [f"AWSLogs/1/vpcflowlogs/eu-west-1/2024/05/{day:02}/" for day in (1, 2, 3, 4)]
    assert [selection.may_hold(day) for day in days] == [True, True, True, False]
    assert [selection.holds(f"{day}x.log") for day in days] == [False, True, False, False]


def test_times_are_from_since_to_before_until() -> None:
    day = PLAIN + "x.log"
    assert parse_selection("2024-05-01", "2024-05-02", [], []).holds(day)
    assert not parse_selection("2024-05-02", None, [], []).holds(day)
    assert not parse_selection(None, "2024-05-01", [], []).holds(day)
    assert parse_selection("2024-05-02T01:00+02:00", None, [], []).holds(day)
    assert parse_selection(None, "2024-05-02T01:00+02:00", [], []).holds(day)


@pytest.mark.parametrize("prefix", ["", "AWSLogs/", "AWSLogs/111122223333/vpcflowlogs/", "other/"])
def test_a_prefix_may_hold_what_it_does_not_tell_but_a_log_must_tell(
    prefix: str,
) -> None:
    wanted = DeliverySelector(at(2024, 5, 1), None, ("111122223333",), ("eu-west-1",))
    assert wanted.may_hold(prefix)
    assert not wanted.holds(f"{prefix}x.log")
    assert DeliverySelector().holds(f"{prefix}x.log")


@pytest.mark.parametrize("path", ["AWSLogs/444455556666/", "AWSLogs/1/vpcflowlogs/us-east-1/"])
def test_a_prefix_of_another_account_or_region_holds_nothing(path: str) -> None:
    assert not DeliverySelector(accounts=("111122223333",), regions=("eu-west-1",)).may_hold(path)


@promise(
    "No log of an excluded account is read, nor one whose account is not known",
    broken_by=change(
        "mapreduce.jobs.flowlogs.deliveries:DeliverySelector._agrees",
        "info.account in self.excluded",
        "False",
    ),
)
def test_no_log_of_an_excluded_account_is_read_nor_one_of_an_unknown_account(
    tmp_path: Path,
) -> None:
    accounts = ["111111111111", "222222222222", "333333333333"]
    paths = [tmp_path / "AWSLogs" / account / "vpcflowlogs/eu-west-1/x.log" for account in accounts]
    for path in [*paths, tmp_path / "x.log"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record() + b"\n")
    job = flowlogs(by="dstport", exclude_account=accounts[:2])
    assert run(job, [tmp_path]).stats.inputs == 1
    assert job.described["exclude_account"] == accounts[:2]
    assert "exclude_account" not in flowlogs(by="dstport").described
    directories = [str(path.parents[2]) + "/" for path in paths]
    assert [job.selector.may_hold(name) for name in directories] == [False, False, True]
    assert job.selector.may_hold("AWSLogs/")
    with pytest.raises(UsageError, match="none of the inputs is of this time, account"):
        run(flowlogs(by="dstport", exclude_account=accounts), [tmp_path])


def test_an_account_that_is_wanted_and_excluded_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        flowlogs(by="dstport", account=["1", "2"], exclude_account=["2"])
    assert str(caught.value) == "account=2 is named by exclude_account=, too"


@pytest.mark.parametrize(
    ("since", "until", "fault"),
    [
        ("yesterday", None, "since='yesterday': write a day such as 2024-05-01"),
        (None, "2024-13-01", "until='2024-13-01': write a day"),
        ("2024-05-02", "2024-05-02", "since=2024-05-02 is not before until=2024-05-02"),
    ],
)
def test_a_time_that_is_none_is_refused(since: str | None, until: str | None, fault: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_selection(since, until, [], [])
    assert str(caught.value).startswith(fault)


_ZONES = st.none() | st.integers(-23 * 60, 23 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
_TIMES = st.datetimes(timezones=_ZONES) | st.sampled_from(
    [datetime.min, datetime.max, datetime(9999, 12, 31), datetime(1, 1, 1, 23)]
)


def minutes(moment: datetime) -> float:
    """Return the minutes from the year 1 on, in UTC; the oracle's arithmetic is of numbers."""
    naive = moment.replace(tzinfo=None)
    offset = moment.utcoffset() or timedelta(0)
    return (naive - datetime.min - offset) / timedelta(minutes=1)


@promise(
    "Any time can be asked for, up to the year 9999",
    broken_by=change(
        "mapreduce.jobs.flowlogs.deliveries:DeliverySelector._agrees",
        "info.end - self.since > -margin",
        "info.end > self.since - margin",
    ),
)
@given(_TIMES, st.dates(), st.booleans())
def test_any_time_can_be_asked_for(asked: datetime, delivered: date, hourly: bool) -> None:
    text = asked.isoformat()
    since, until = parse_selection(text, None, [], []), parse_selection(None, text, [], [])
    hour = "23/" if hourly else ""
    path = f"AWSLogs/1/vpcflowlogs/eu-west-1/{delivered.isoformat().replace('-', '/')}/{hour}"
    midnight = datetime(delivered.year, delivered.month, delivered.day)
    start = minutes(midnight) + (23 * 60 if hourly else 0)
    end, day = minutes(midnight) + 24 * 60, 24 * 60
    if delivered == date.max:  # whose day ends in the year 10000: such a path says nothing
        assert (since.may_hold(path), since.holds(f"{path}x.log")) == (True, False)
        return
    moment = minutes(asked)
    assert since.holds(f"{path}x.log") == (end > moment)
    assert until.holds(f"{path}x.log") == (start < moment)
    assert since.may_hold(path) == (end > moment - day)
    assert until.may_hold(path) == (start < moment + day)


@promise(
    "From Python, one text is one account or region",
    broken_by=change(
        "mapreduce.jobs.flowlogs.job:_listed",
        "[value] if isinstance(value, str) else ...",
        "value or ()",
    ),
)
@pytest.mark.parametrize("value", ["eu-west-1", ["eu-west-1"], ("eu-west-1",)])
def test_from_python_one_text_is_one_value(value: list[str]) -> None:
    assert flowlogs(by="vpc-id", region=value, log_format="vpc-id").selector == DeliverySelector(
        regions=("eu-west-1",)
    )


def test_run_selects_among_the_files_that_it_finds(tmp_path: Path) -> None:
    for day, port in [("01", b"443"), ("02", b"53")]:
        directory = tmp_path / f"AWSLogs/1/vpcflowlogs/eu-west-1/2024/05/{day}"
        directory.mkdir(parents=True)
        (directory / "x.log").write_bytes(record(port) + b"\n")
    assert run(flowlogs(by="dstport"), [tmp_path]).stats.counted == 2
    second = run(flowlogs(by="dstport", since="2024-05-02"), [tmp_path])
    assert [*second.tables[0].rows] == [(53, 1)]
    with pytest.raises(UsageError, match="none of the inputs is of this time"):
        run(flowlogs(by="dstport", since="2024-05-03"), [tmp_path])


@promise(
    "The write test of an export is no log",
    broken_by=change(
        "mapreduce.jobs.flowlogs.deliveries:DeliverySelector.holds",
        "path.rpartition('/')[2] == _WRITE_TEST",
        "False",
    ),
)
def test_the_write_test_of_an_export_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "0f1e").mkdir()
    (tmp_path / "0f1e" / "000000").write_bytes(record() + b"\n")
    marker = tmp_path / "aws-logs-write-test"
    marker.write_text("Permission Check Successful")
    found = run(flowlogs(by="dstport"), [tmp_path], strict=True)
    assert (found.stats.inputs, found.stats.counted) == (1, 1)
    with pytest.raises(UsageError, match="aws-logs-write-test is not one"):
        run(flowlogs(by="dstport"), [marker])
