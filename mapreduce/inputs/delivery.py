"""What the path of a delivered log tells: account, region and time, so that others are not opened.

Source: the AWS documentation, "Flow log files": ``AWSLogs/ACCOUNT/SERVICE/REGION/YYYY/MM/DD[/HH]/``
or ``aws-account-id=../aws-service=../aws-region=../year=../month=../day=..[/hour=..]/``, then
``ACCOUNT_SERVICE_REGION_ID_YYYYMMDDTHHmmZ_HASH.log.gz``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from mapreduce.errors import UsageError, printable

SCHEME: Final = "s3://"
"""How the path of an object begins."""

_PLAIN: Final = re.compile(
    r"(?:^|/)AWSLogs/(?:o-\w+/)?(?P<account>\d+)/(?:[^/]+/(?:(?P<region>[a-z][a-z0-9-]*)/"
    r"(?:(?P<year>\d{4})/(?:(?P<month>\d\d)/(?:(?P<day>\d\d)/(?:(?P<hour>\d\d)/)?)?)?)?)?)?"
)
_HIVE: Final = re.compile(r"(?:^|/)(?:aws-)?(account-id|region|year|month|day|hour)=([^/]+)(?=/)")
_NAME: Final = re.compile(r"(?:^|/)(\d{12})_[a-z]+_([a-z0-9-]+)_[^/]*_(\d{8}T\d{4})Z_[^/]*$")


@dataclass(frozen=True, slots=True)
class Told:
    """What a path tells; the log is of the time from ``start`` to before ``end``."""

    account: str | None = None
    region: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which logs are wanted; what is empty or ``None`` accepts any."""

    since: datetime | None = None
    until: datetime | None = None
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Return whether a log is wanted; one whose path does not tell what is asked is not."""
        return self._agrees(told_by(path), unknown=False)

    def may_hold(self, prefix: str) -> bool:
        """Return whether something below a prefix may be wanted."""
        return self._agrees(told_by(prefix), unknown=True)

    def _agrees(self, told: Told, *, unknown: bool) -> bool:
        wanted = ((self.accounts, told.account), (self.regions, told.region))
        if any(some and (not unknown if one is None else one not in some) for some, one in wanted):
            return False
        if self.since is None and self.until is None:
            return True
        if told.start is None or told.end is None:
            return unknown
        margin = DAY if unknown else timedelta(0)  # a name tells better than its directory
        late_enough = self.since is None or told.end > self.since - margin
        return late_enough and (self.until is None or told.start < self.until + margin)


ANYTHING: Final = Selection()
DAY: Final = timedelta(days=1)


def parse_selection(
    since: str | None, until: str | None, accounts: Sequence[str], regions: Sequence[str]
) -> Selection:
    """Return what is asked for; times without a zone are UTC. Raises ``UsageError``."""
    start, end = _time("--since", since), _time("--until", until)
    if start and end and start >= end:
        raise UsageError(f"--since {since} is not before --until {until}")
    return Selection(start, end, tuple(accounts), tuple(regions))


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option} {printable(repr(text))}: write a day such as 2024-05-01 or a time such as "
            "2024-05-01T12:00Z"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def told_by(path: str) -> Told:
    """Return what a path tells, or what the beginning of one tells that ends with ``/``."""
    if name := _NAME.search(path):
        moment = _moment(name[3])
        if moment:
            return Told(name[1], name[2], moment, moment + timedelta(microseconds=1))
    parts = dict(_HIVE.findall(path))
    if plain := _PLAIN.search(path):
        parts |= {key: value for key, value in plain.groupdict().items() if value is not None}
    start, end = _span([parts.get(unit) for unit in ("year", "month", "day", "hour")])
    account = parts.get("account") or parts.get("account-id")
    return Told(account, parts.get("region"), start, end)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:  # a name that only looks like one
        return None


def _span(units: Sequence[str | None]) -> tuple[datetime | None, datetime | None]:
    """Return the time that a year, month, day and hour name together, as far as they are there."""
    known = [int(unit) for unit in takewhile(lambda unit: unit and unit.isdecimal(), units) if unit]
    if not known:
        return None, None
    try:
        start = datetime(*[*known, 1, 1][: max(3, len(known))], tzinfo=UTC)  # type: ignore[misc, arg-type]
        if len(known) == 1:
            return start, start.replace(year=start.year + 1)
        if len(known) == 2:
            return start, (start + timedelta(days=32)).replace(day=1)
        return start, start + (timedelta(days=1) if len(known) == 3 else timedelta(hours=1))
    except (ValueError, OverflowError):  # a month 13, a year 9999: not of a delivery
        return None, None
