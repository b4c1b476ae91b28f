"""The partial result that travels from a mapper to the reducers and, merged, becomes the whole."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import dataclass, replace

from mapreduce.inputs import Source, printable

EXCERPT = 60


@dataclass(frozen=True, slots=True)
class Reject:
    """One malformed line: where it starts (byte offset in its source), why, and how it begins."""

    source: Source
    offset: int
    reason: str
    excerpt: bytes

    def __str__(self) -> str:
        text = printable(self.excerpt[:EXCERPT].decode(errors="backslashreplace"))
        more = "..." if len(self.excerpt) > EXCERPT else ""
        return f"{self.source.name}: byte {self.offset}: {self.reason}: {text}{more}"


@dataclass(frozen=True, slots=True)
class Packed:
    """A Counter as bytes, so that the parent passes it from worker to worker without a look."""

    data: bytes

    @classmethod
    def of(cls, counts: Counter[bytes]) -> Packed:
        return cls(pickle.dumps(counts, protocol=5))

    def unpack(self) -> Counter[bytes]:
        return pickle.loads(self.data)  # type: ignore[no-any-return]  # noqa: S301 - this run's own


@dataclass(frozen=True, slots=True)
class Partial:
    """The counts of some splits, what became of their lines, and the first malformed of them.

    Conservation: ``lines == counted + skipped + malformed``.
    """

    counts: Counter[bytes] | Packed
    splits: int = 0
    size: int = 0
    lines: int = 0
    counted: int = 0
    skipped: int = 0
    malformed: int = 0
    rejects: tuple[Reject, ...] = ()

    def counter(self) -> Counter[bytes]:
        """Return the counts as a Counter of their own or, where they are one, that very one."""
        return self.counts.unpack() if isinstance(self.counts, Packed) else self.counts

    def packed(self) -> Partial:
        """Return the same with packed counts."""
        return replace(self, counts=Packed.of(self.counter()))
