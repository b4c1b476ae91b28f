"""Select records by their own times: those of which any part lies within a span.

A record has the seconds, since 1970, of its first and of its last packet. A record that lies only
partly within the span is counted whole, because nothing tells how much of it lies there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from mapreduce import UsageError, named
from mapreduce.jobs.flowlogs.deliveries import parse_time

TIMES: Final = ("start", "end")
LATEST: Final = 10**12 - 1
"""The latest second that is a time; a larger number may be in milliseconds."""
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _SECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _SECOND
"""The first and the last second that a text of the year 1 to 9999 can name."""


class Span(NamedTuple):
    """The seconds since 1970 from ``start`` to just before ``end``; ``None`` is no limit."""

    start: int | None = None
    end: int | None = None

    def meets(self, first: int, last: int) -> bool:
        """Return whether any part of a record lies within the span."""
        return (self.start is None or last >= self.start) and (self.end is None or first < self.end)

    def holds(self, first: int, last: int) -> bool:
        """Return whether a whole record lies within the span."""
        return (self.start is None or first >= self.start) and (self.end is None or last < self.end)

    @property
    def described(self) -> dict[str, str]:
        """The limits that there are, as texts."""
        limits = {"from": self.start, "to": self.end}
        return {
            name: (_EPOCH + min(max(limit, _FIRST), _LAST) * _SECOND).isoformat()
            for name, limit in limits.items()
            if limit is not None
        }


def parse_span(start: str | None, end: str | None) -> Span | None:
    """Return the span for these options, ``None`` without any; a time without a zone is UTC.

    Raises ``UsageError`` for a text that is not a time, and for an empty span.
    """
    if start is None and end is None:
        return None
    first, last = parse_time("from_", start), parse_time("to", end)
    if first and last and first >= last:
        raise UsageError(f"{named('from_', start)} is not before {named('to', end)}")
    return Span(_seconds(first), _seconds(last))


def _seconds(moment: datetime | None) -> int | None:
    """Return the first whole second that is not before a moment."""
    return None if moment is None else -((_EPOCH - moment) // _SECOND)
