"""Count AWS VPC flow logs by tag and by destination port and protocol.

A record is counted if it has as many fields as its log's layout (by default the 14 of version 2),
a destination port 0 to 65535 and a protocol 0 to 255; skipped if it carries no flow (log-status
NODATA or SKIPDATA, ``-`` for port and protocol) or is a header; else malformed. Source: the AWS
documentation, "Flow log records".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import itemgetter
from pathlib import Path
from typing import Annotated, ClassVar, Final

from jobs.layout import CSV_HEADERS, DEFAULT, Layout, find_layout, header_names, parse_format
from jobs.lookup import UNTAGGED, OnConflict, Pair, read_lookup
from jobs.protocols import protocol_name, small_number
from mapreduce import SKIPPED, FieldMapper, Table
from mapreduce.errors import InputError
from mapreduce.job import Judgement
from mapreduce.table import Row

_PLAIN: Final = re.compile(rb"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}) [0-9]{1,2}(?: [^ ]*)?")
"""Keys that surely are right; ``judge_record`` decides on the others."""
_NO_FLOW: Final = frozenset({b"- - NODATA", b"- - SKIPDATA", b"- -"})
_HEADER: Final = frozenset({b"dstport protocol log-status", b"dstport protocol"})


def judge_record(key: bytes) -> Judgement:
    """Judge the key ``dstport protocol log-status``, or one without the last."""
    port, protocol, *rest = key.split(b" ")
    if small_number(port, 65535) is None:
        if key in _NO_FLOW or key in _HEADER:
            return SKIPPED
        if len(header_names(key)) == len(rest) + 2:
            raise InputError(
                f"a header of another layout in the middle ({key.decode()}); "
                "cut the file in two before it"
            )
        return f"dstport {_shown(port)} is not 0 to 65535{_status(rest)}"
    if small_number(protocol, 255) is None:
        return f"protocol {_shown(protocol)} is not 0 to 255{_status(rest)}"
    return None


def judge_message(key: bytes) -> Judgement:
    """Judge a key of a record in a CSV, the last field of which may have the closing quote."""
    return judge_record(b" ".join(part.removesuffix(b'"') for part in key.split(b" ")))


def _status(rest: Sequence[bytes]) -> str:
    return f" (log-status {_shown(rest[0])})" if rest else ""


def _shown(value: bytes) -> str:
    return repr(value[:20])[1:] + ("..." if len(value) > 20 else "")


@cache
def mapper_of(layout: Layout) -> FieldMapper:
    """Return what counts the records of a layout, one object for all logs that have it."""
    judge, headers = (judge_message, CSV_HEADERS) if layout.in_csv else (judge_record, ())
    return FieldMapper(b" ", layout.chosen, layout.width, judge, _PLAIN, headers)


@dataclass(frozen=True)
class FlowLogs:
    """The job; ``tags`` gives the tag of each (dstport, protocol number).

    ``layout`` is that of logs without a header.
    """

    tags: Mapping[Pair, str]
    side_inputs: Sequence[Path] = ()
    layout: Layout = DEFAULT
    outputs: ClassVar[Sequence[str]] = ("tag2count.csv", "portprotocolcount.csv")

    @cached_property
    def mapper(self) -> FieldMapper:
        return mapper_of(self.layout)

    def mapper_for(self, name: str, first_line: bytes) -> FieldMapper:
        """Return what counts a log that begins with this line."""
        return mapper_of(find_layout(name, first_line, self.layout))

    def finish(self, counts: Counter[bytes], /) -> Sequence[Table]:
        """Return the count of each tag and of each pair; each sums to the counted records."""
        pairs = _by_pair(counts)
        tags: dict[str, int] = {}
        for pair in pairs.keys() & self.tags.keys():
            tag = self.tags[pair]
            tags[tag] = tags.get(tag, 0) + pairs[pair]
        return [_tag_table(tags, counts.total()), _pair_table(pairs)]


def _by_pair(counts: Counter[bytes]) -> dict[Pair, int]:
    """Merge the keys that write one pair in several ways, all columns at once: 50,000 keys."""
    if not counts:
        return {}
    flat = b" ".join(counts).replace(b'"', b"").split(b" ")  # see judge_message
    if len(flat) != 3 * len(counts):  # some logs have no log-status
        flat = [part for key in counts for part in (*key.replace(b'"', b"").split(b" "), b"")[:3]]
    ports = [int(text[-5:]) for text in flat[0::3]]  # int() refuses more than 4300 zeros
    numbers = {text: int(text[-3:]) for text in set(flat[1::3])}
    written = list(zip(ports, map(numbers.__getitem__, flat[1::3]), strict=True))
    pairs = dict(zip(written, counts.values(), strict=True))
    if len(pairs) < len(counts):
        pairs = dict.fromkeys(pairs, 0)
        for pair, count in zip(written, counts.values(), strict=True):
            pairs[pair] += count
    return pairs


def _tag_table(tags: Mapping[str, int], total: int) -> Table:
    untagged = total - sum(tags.values())
    rows = [*_ordered(tags.items()), (UNTAGGED, untagged)]
    note = f"{len(tags):,} tags, {untagged:,} records untagged"
    return Table(FlowLogs.outputs[0], ("Tag", "Count"), rows, note)


def _pair_table(pairs: Mapping[Pair, int]) -> Table:
    names = [protocol_name(number) for number in range(256)]
    rows = _ordered([(port, names[number], n) for (port, number), n in pairs.items()])
    note = f"{len(rows):,} port/protocol pairs"
    return Table(FlowLogs.outputs[1], ("Port", "Protocol", "Count"), rows, note)


def _ordered(rows: Iterable[Row]) -> list[Row]:
    """Sort by descending count, which stands last, then by the other columns."""
    return sorted(sorted(rows), key=itemgetter(-1), reverse=True)  # stable: equal counts stay


def flowlogs(
    lookup: Annotated[Path, "-l", "CSV with the columns dstport, protocol and tag."],
    on_conflict: Annotated[
        OnConflict, "Which tag holds if the lookup gives one port/protocol pair two."
    ] = "error",
    log_format: Annotated[
        str, "Fields of logs without a header: 'version ...' or '${version} ...'."
    ] = " ".join(DEFAULT.names),
) -> FlowLogs:
    """Count AWS VPC flow-log records by tag and by destination port and protocol."""
    layout = parse_format(log_format)
    return FlowLogs(read_lookup(lookup, on_conflict=on_conflict), (lookup,), layout)
