"""Select logs by the account, the region and the time that their paths name.

Source: the AWS documentation, "Flow log files": ``AWSLogs/ACCOUNT/SERVICE/REGION/YYYY/MM/DD[/HH]/``
or ``aws-account-id=../aws-service=../aws-region=../year=../month=../day=..[/hour=..]/``, then
``ACCOUNT_SERVICE_REGION_ID_YYYYMMDDTHHmmZ_HASH.log.gz``. According to "Export log data to Amazon
S3", CloudWatch Logs first writes a file ``aws-logs-write-test``, which holds no log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final, NamedTuple

from mapreduce import UsageError, named, printable

_PLAIN: Final = (
    r"(?a)(?:^|/)AWSLogs/(?:o-\w+/)?(?P<account>\d+)/(?:[^/]+/(?:(?P<region>[a-z][a-z0-9-]*)/"
    r"(?:(?P<year>\d{4})/(?:(?P<month>\d\d)/(?:(?P<day>\d\d)/(?:(?P<hour>\d\d)/)?)?)?)?)?)?"
)
_HIVE: Final = r"(?:^|/)(?:aws-)?(account-id|region|year|month|day|hour)=([^/]+)(?=/)"
_NAME: Final = r"(?a)(?:^|/)(\d{12})_[a-z]+_([a-z0-9-]+)_[^/]*_(\d{8}T\d{4})Z_[^/]*$"
_NO_TIME: Final = timedelta(0)
_DAY: Final = timedelta(days=1)
_WRITE_TEST: Final = "aws-logs-write-test"
"""The file by which CloudWatch Logs checks that it may write an export."""


class DeliveryInfo(NamedTuple):
    """What a path says about a log; its time is from ``start`` to just before ``end``."""

    account: str | None = None
    region: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class DeliverySelector(NamedTuple):
    """Selects logs by their paths; a condition that is empty or ``None`` accepts any log."""

    since: datetime | None = None
    until: datetime | None = None
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    """Accounts whose logs are not selected."""

    @property
    def prunes(self) -> bool:
        """Whether there is any condition, so that whole directories may be skipped."""
        return self != ANY_LOG

    @property
    def nothing_left(self) -> str:
        """The error message if no input is selected."""
        if self.prunes:
            return "none of the inputs is of this time, account and region"
        return f"none of the inputs is a log: {_WRITE_TEST} is not one"

    def holds(self, path: str, /) -> bool:
        """Return whether a log is selected; a path that lacks a needed part is not selected."""
        if path.rpartition("/")[2] == _WRITE_TEST:
            return False
        return not self.prunes or self._agrees(delivery_info(path), unknown=False)

    def may_hold(self, prefix: str, /) -> bool:
        """Return whether a log below a prefix, which ends with ``/``, may be selected.

        The date of a directory may differ by a day from the time in the name of a log in it.
        """
        return self._agrees(delivery_info(prefix), unknown=True)

    def _agrees(self, info: DeliveryInfo, *, unknown: bool) -> bool:
        """Return whether a path meets all conditions; ``unknown`` where it does not tell."""
        wanted = ((self.accounts, info.account), (self.regions, info.region))
        if any(some and (not unknown if one is None else one not in some) for some, one in wanted):
            return False
        if self.excluded and (
            not unknown if info.account is None else info.account in self.excluded
        ):
            return False
        if self.since is None and self.until is None:
            return True
        if info.start is None or info.end is None:
            return unknown
        margin = _DAY if unknown else _NO_TIME
        # Compare differences: a time a day before the year 1 or after 9999 would be an error.
        late_enough = self.since is None or info.end - self.since > -margin
        return late_enough and (self.until is None or info.start - self.until < margin)


ANY_LOG: Final = DeliverySelector()


def parse_selection(
    since: str | None,
    until: str | None,
    accounts: Sequence[str],
    regions: Sequence[str],
    excluded: Sequence[str] = (),
) -> DeliverySelector:
    """Return the selector for these options; a time without a zone is UTC.

    Raises ``UsageError`` for a text that is not a time, for an empty span of time, and for an
    account that is both wanted and excluded.
    """
    start, end = parse_time("since", since), parse_time("until", until)
    if start and end and start >= end:
        raise UsageError(f"{named('since', since)} is not before {named('until', until)}")
    for account in set(_several(accounts)) & set(_several(excluded)):
        wanted, excluding = named("account", printable(account)), named("exclude_account")
        raise UsageError(f"{wanted} is named by {excluding}, too")
    return DeliverySelector(start, end, _several(accounts), _several(regions), _several(excluded))


def _several(values: Sequence[str]) -> tuple[str, ...]:
    """Return the values of an option; a caller in Python may pass one text as one value."""
    return (values,) if isinstance(values, str) else tuple(values)


def parse_time(option: str, text: str | None) -> datetime | None:
    """Return the time that the text of an option means. Raises ``UsageError`` for other text."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{named(option, printable(repr(text)))}: write a day such as 2024-05-01 or a time "
            "such as 2024-05-01T12:00Z"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def delivery_info(path: str) -> DeliveryInfo:
    """Return what a path, or the beginning of a path up to a ``/``, says about a log."""
    if name := re.search(_NAME, path):
        moment = _moment(name[3])
        if moment:
            return DeliveryInfo(name[1], name[2], moment, moment + timedelta(microseconds=1))
    parts = dict(re.findall(_HIVE, path))
    if plain := re.search(_PLAIN, path):
        parts |= {key: value for key, value in plain.groupdict().items() if value is not None}
    start, end = _span([parts.get(unit) for unit in ("year", "month", "day", "hour")])
    account = parts.get("account") or parts.get("account-id")
    return DeliveryInfo(account, parts.get("region"), start, end)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:  # not a valid time: the name only looks like that of a log
        return None


def _span(units: Sequence[str | None]) -> tuple[datetime | None, datetime | None]:
    """Return the start and end of the year, month, day or hour that the known units name."""
    known = [unit for unit in takewhile(_is_number, units) if unit]
    if not known:
        return None, None
    try:
        numbers = [*map(int, known)]
        start = datetime(*[*numbers, 1, 1][: max(3, len(known))], tzinfo=UTC)  # type: ignore[misc, arg-type]
        if len(known) == 1:
            return start, start.replace(year=start.year + 1)
        if len(known) == 2:
            return start, (start + timedelta(days=32)).replace(day=1)
        return start, start + (_DAY if len(known) == 3 else timedelta(hours=1))
    except (ValueError, OverflowError):  # such as a month 13 or the year 9999
        return None, None


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit()
