"""Compare what was handed out to be counted with what came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mapreduce.errors import ConservationError
from mapreduce.splits.split import Split

if TYPE_CHECKING:
    from mapreduce.inputs.sources import Source
    from mapreduce.reducing.partial import Partial


class Ledger:
    """Adds up the splits that are handed to mappers, and checks the final result against them."""

    def __init__(self) -> None:
        self._splits = self._files = self._size = 0

    def record(self, splits: Iterable[Split]) -> Iterator[Split]:
        """Yield the splits and add them up."""
        for split in splits:
            self._splits += 1
            self._size += split.size
            self._files += 0 if split.source.size is None else split.size
            yield split

    def check(self, total: Partial, sources: Iterable[Source]) -> None:
        """Raise ``ConservationError`` unless all bytes were read once and all lines classified."""
        classes = total.counted + total.skipped + total.malformed
        files = sum(source.size - source.start for source in sources if source.size is not None)
        handed_out = (self._splits, self._size, files)
        if total.lines == classes and (total.splits, total.size, self._files) == handed_out:
            return
        raise ConservationError(
            f"lines were lost or counted twice: {total.lines} lines in {total.size} of "
            f"{self._size} bytes and {total.splits} of {self._splits} splits, "
            f"but {total.counted} counted + {total.skipped} skipped + {total.malformed} malformed; "
            "nothing was written, please report this"
        )
