"""Read a text from left to right, and point at the place where it goes wrong."""

from __future__ import annotations

import re
from typing import Final

from mapreduce.errors import UsageError, named, printable

_BLANKS: Final = re.compile(r"\s*")
_AROUND: Final = 40
"""The number of characters that a message shows on either side of a place."""


class Reader:
    """A text, and the place up to which it has been read. ``option`` is where it was written."""

    def __init__(self, option: str, text: str) -> None:
        self._option, self._text = option, text
        self.place = 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Skip blanks, then read what the pattern matches; return ``None`` if it does not."""
        self.skip_blanks()
        found = pattern.match(self._text, self.place)
        if found:
            self.place = found.end()
        return found

    def skip_blanks(self) -> None:
        """Read the blanks that come next."""
        found = _BLANKS.match(self._text, self.place)
        self.place = found.end() if found else self.place

    @property
    def is_at_end(self) -> bool:
        """Whether everything but blanks has been read."""
        self.skip_blanks()
        return self.place == len(self._text)

    def wrong(self, what: str, place: int | None = None) -> UsageError:
        """Return the error that says what is wrong at a place, or where the reader stands."""
        if place is None:
            self.skip_blanks()
            place = self.place
        before, after = self._text[:place], self._text[place:]
        shown = [
            "..." * (len(before) > _AROUND) + printable(before[-_AROUND:]),
            printable(after[:_AROUND]) + "..." * (len(after) > _AROUND),
        ]
        return UsageError(
            f"{named(self._option)} is wrong at column {place + 1}: {what}; the place has a ^: "
            + "^".join(shown)
        )
