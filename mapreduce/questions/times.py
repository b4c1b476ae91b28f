"""Read the times that logs have, and say in which hour, day or minute they are.

These forms are read, and no other:

- seconds since 1970 in 9 or 10 digits (from 1973 to 2286), or milliseconds in 13 digits (from 2001
  to 2286), with or without a fraction. Other lengths are refused, because ``20231114`` is a date.
- ISO 8601 in its long form: ``2023-11-14T22:13:20.5+01:00``. A blank may stand for the ``T``, and
  seconds, fraction and zone may be missing.
- the time of an access log: ``14/Nov/2023:22:13:20 +0000``.

A time without a zone is one of the time zone that is asked for.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from mapreduce.errors import Malformed, UsageError, named

_EPOCH: Final = re.compile(rb"([0-9]{9,10}|[0-9]{13})(?:\.[0-9]+)?")
_ISO: Final = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)"
    rb"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?(?: ?([Zz]|[+-]\d\d(?::?\d\d)?))?)?"
)
_LOG: Final = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-]\d{4}))?")
_FRACTION: Final = re.compile(rb"[.,]([0-9]+)")
_MONTHS: Final = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS: Final = 13
"""The number of digits of a time in milliseconds."""


def find_zone(name: str) -> tzinfo:
    """Return the time zone of a name such as ``Europe/Berlin``.

    Raises ``UsageError`` if this machine knows no such zone.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # it is looked for as a file
        raise UsageError(
            f"{named('timezone', name)}: is not known here; write a name such as Europe/Berlin"
        ) from error


def hour(value: bytes, zone: str = "UTC") -> bytes:
    """Return the hour that a time is in.

    The offset from UTC stands behind it if the zone is not UTC, because in autumn an hour of the
    clock comes twice.

    >>> hour(b"10/Oct/2000:13:55:36 -0700"), hour(b"971211336", "Europe/Berlin")
    (b'2000-10-10T20', b'2000-10-10T22+02:00')
    """
    return _part(value, zone, 13)


def minute(value: bytes, zone: str = "UTC") -> bytes:
    """Return the minute that a time is in.

    >>> minute(b"2000-10-10T20:55:36.25Z")
    b'2000-10-10T20:55'
    """
    return _part(value, zone, 16)


def day(value: bytes, zone: str = "UTC") -> bytes:
    """Return the day that a time is in. A date without a time of day is a day already.

    >>> day(b"971211336000"), day(b"2000-10-10")
    Traceback (most recent call last):
    mapreduce.errors.Malformed: '971211336000' is no time
    >>> day(b"971211336"), day(b"2000-10-10")
    (b'2000-10-10', b'2000-10-10')
    """
    found = _ISO.fullmatch(value)
    if found and found[4] is None:
        try:
            return date(*map(int, found.group(1, 2, 3))).isoformat().encode()
        except ValueError as error:
            raise _no_time(value) from error
    return _part(value, zone, 10)


def _part(value: bytes, zone: str, length: int) -> bytes:
    """Return the first characters of a time in the form of ISO 8601."""
    moment = _read_or_refuse(value, zone)
    text = moment.replace(microsecond=0).isoformat()
    offset = "" if zone == "UTC" or length == 10 else text[19:]
    return f"{text[:length]}{offset}".encode()


def moment_of(value: bytes, zone: str = "UTC") -> tuple[int, bytes]:
    """Return the seconds since 1970 of a time, and the digits of its fraction without zeros behind.

    Such pairs are in the order of the times. A leap second is after all parts of the second before
    it. A date without a time of day is its midnight.

    >>> moment_of(b"2023-11-14T22:13:20.250Z"), moment_of(b"1700000000250")
    ((1700000000, b'25'), (1700000000, b'25'))
    """
    found = _ISO.fullmatch(value)
    clock = value + b"T00:00" if found and found[4] is None else value
    seconds = (_read_or_refuse(clock, zone) - _START) // timedelta(seconds=1)
    fraction = _FRACTION.search(value)
    digits = fraction[1] if fraction else b""
    if (epoch := _EPOCH.fullmatch(value)) and len(epoch[1]) == _MILLISECONDS:
        digits = epoch[1][-3:] + digits
    leap = b":" if b":60" in value else b""  # it is above all digits
    return seconds, leap + digits.rstrip(b"0")


def _read_or_refuse(value: bytes, zone: str) -> datetime:
    try:
        return _read(value, find_zone(zone))
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, Malformed) else _no_time(value) from error


def _read(value: bytes, zone: tzinfo) -> datetime:
    """Return a time in a zone. Raises ``Malformed``, ``ValueError`` or ``OverflowError``."""
    if found := _EPOCH.fullmatch(value):
        unit = 1000 if len(found[1]) == _MILLISECONDS else 1
        return (_START + timedelta(seconds=int(found[1]) // unit)).astimezone(zone)
    if found := _ISO.fullmatch(value):
        year, month, of_month, clock_hour, clock_minute, second, offset = found.groups()
        if clock_hour is None:
            raise Malformed(f"{_excerpt(value)} has no time of day")
    elif found := _LOG.fullmatch(value):
        of_month, name, year, clock_hour, clock_minute, second, offset = found.groups()
        month = _MONTHS.index(name) + 1
    else:
        raise _no_time(value)
    clock = datetime(
        int(year), int(month), int(of_month), int(clock_hour), int(clock_minute), _second(second)
    )
    if offset is None:
        return _of_zone(clock, zone, value)
    return clock.replace(tzinfo=_offset(offset)).astimezone(zone)


def _second(text: bytes | None) -> int:
    """Return a second; a leap second, 60, counts to the minute in which it is."""
    return 59 if text == b"60" else int(text or 0)


def _offset(text: bytes) -> tzinfo:
    if text in b"Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].removeprefix(b":") or 0)
    if minutes > 59:
        raise ValueError("an hour has 60 minutes")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text.startswith(b"-") else offset)


def _of_zone(clock: datetime, zone: tzinfo, value: bytes) -> datetime:
    """Return the time at which the clocks of a zone show this, if that is one time."""
    moment = clock.replace(tzinfo=zone)
    if moment.utcoffset() != moment.replace(fold=1).utcoffset():
        raise Malformed(f"{_excerpt(value)} comes twice or not at all in {zone}, and has no zone")
    return moment


def _no_time(value: bytes) -> Malformed:
    return Malformed(f"{_excerpt(value)} is no time")


def _excerpt(value: bytes) -> str:
    return repr(value[:40])[1:] + ("..." if len(value) > 40 else "")
