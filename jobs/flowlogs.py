"""Count AWS VPC flow logs by tag and by destination port and protocol.

A record is counted if it has the 14 fields of the default format, version 2, with a destination
port 0 to 65535 and a protocol 0 to 255; skipped if it carries no flow (log-status NODATA or
SKIPDATA, ``-`` for port and protocol); else malformed. Source: the AWS documentation, "Flow log
records".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Annotated, ClassVar, Final

from jobs.lookup import UNTAGGED, OnConflict, Pair, read_lookup
from jobs.protocols import protocol_name, small_number
from mapreduce import SKIPPED, FieldMapper, Table
from mapreduce.job import Judgement, Row

DSTPORT, PROTOCOL, LOG_STATUS = 7, 8, 14
WIDTH: Final = 14
_PLAIN: Final = re.compile(rb"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}) [0-9]{1,2} [^ ]*")
"""Keys that surely are right; ``judge_record`` decides on the others."""
_NO_FLOW: Final = frozenset({b"- - NODATA", b"- - SKIPDATA"})


def judge_record(key: bytes) -> Judgement:
    """Judge the key ``dstport protocol log-status``."""
    port, protocol, status = key.split(b" ")
    if small_number(port, 65535) is None:
        if key in _NO_FLOW:
            return SKIPPED
        return f"dstport {_shown(port)} is not 0 to 65535 (log-status {_shown(status)})"
    if small_number(protocol, 255) is None:
        return f"protocol {_shown(protocol)} is not 0 to 255 (log-status {_shown(status)})"
    return None


def _shown(value: bytes) -> str:
    return repr(value[:20])[1:] + ("..." if len(value) > 20 else "")


@dataclass(frozen=True)
class FlowLogs:
    """The job; ``tags`` gives the tag of each (dstport, protocol number)."""

    tags: Mapping[Pair, str]
    side_inputs: Sequence[Path] = ()
    mapper: ClassVar[FieldMapper] = FieldMapper(
        b" ", (DSTPORT, PROTOCOL, LOG_STATUS), WIDTH, judge_record, _PLAIN
    )
    outputs: ClassVar[Sequence[str]] = ("tag2count.csv", "portprotocolcount.csv")

    def finish(self, counts: Counter[bytes], /) -> Sequence[Table]:
        """Return the count of each tag and of each pair; each sums to the counted records."""
        pairs: dict[Pair, int] = {}
        for key, count in counts.items():
            port, protocol, _status = key.split(b" ")
            pair = int(port[-5:]), int(protocol[-5:])  # int() refuses 4300 zeros
            pairs[pair] = pairs.get(pair, 0) + count
        tags: dict[str, int] = {}
        for pair, count in pairs.items():
            tag = self.tags.get(pair, UNTAGGED)
            tags[tag] = tags.get(tag, 0) + count
        return [self._tag_table(tags), self._pair_table(pairs)]

    def _tag_table(self, tags: dict[str, int]) -> Table:
        untagged = tags.pop(UNTAGGED, 0)
        rows = [*_ordered(tags.items()), (UNTAGGED, untagged)]
        note = f"{len(tags):,} tags, {untagged:,} records untagged"
        return Table(self.outputs[0], ("Tag", "Count"), rows, note)

    def _pair_table(self, pairs: dict[Pair, int]) -> Table:
        rows = _ordered((port, protocol_name(number), n) for (port, number), n in pairs.items())
        note = f"{len(rows):,} port/protocol pairs"
        return Table(self.outputs[1], ("Port", "Protocol", "Count"), rows, note)


def _ordered(rows: Iterable[Row]) -> list[Row]:
    """Sort by descending count, which stands last, then by the other columns."""
    return sorted(sorted(rows), key=itemgetter(-1), reverse=True)  # stable: equal counts stay


def flowlogs(
    lookup: Annotated[Path, "-l", "CSV with the columns dstport, protocol and tag."],
    on_conflict: Annotated[
        OnConflict, "Which tag holds if the lookup gives one port/protocol pair two."
    ] = "error",
) -> FlowLogs:
    """Count AWS VPC flow-log records by tag and by destination port and protocol."""
    return FlowLogs(read_lookup(lookup, on_conflict=on_conflict), side_inputs=(lookup,))
