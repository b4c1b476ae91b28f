"""The oracle: the right answers, found in the plainest way, with no code of the project."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class FlowCounts:
    """What flow logs hold; ``malformed_at`` has (number of the file, byte offset of the line)."""

    lines: int = 0
    counted: int = 0
    skipped: int = 0
    malformed: int = 0
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)
    malformed_at: list[tuple[int, int]] = field(default_factory=list)


def count_flow_logs(files: Iterable[bytes], lookup: Mapping[tuple[int, int], str]) -> FlowCounts:
    """Count by (port, protocol number) and by tag, as ``lookup`` gives it or else "Untagged"."""
    found = FlowCounts()
    for number, data in enumerate(files):
        for offset, line in lines_of(data):
            found.lines += 1
            record = _default_record(line)
            port = number_of(record[0], 65535) if record else None
            protocol = number_of(record[1], 255) if record else None
            if not line or (record and record[2] in (b"NODATA", b"SKIPDATA")):
                found.skipped += 1
            elif port is not None and protocol is not None:
                found.counted += 1
                found.pairs[port, protocol] += 1
                found.tags[lookup.get((port, protocol), "Untagged")] += 1
            else:
                found.malformed += 1
                found.malformed_at.append((number, offset))
    return found


def _default_record(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return port, protocol and log-status of a record of a default format, with blanks behind."""
    for text in (line.rstrip(b"\t"), line.rstrip(b" \t")):
        fields = text.split(b" ")
        if len(fields) == 14 and fields[0] == b"2":
            return fields[6], fields[7], fields[13]
        if len(fields) == 36 and fields[0] == b"6":
            return fields[19], fields[20], fields[25]
    return None


NAMES = (
    *("version", "account", "interface", "srcaddr", "dstaddr", "srcport", "dstport", "protocol"),
    *("packets", "bytes", "start", "end", "action", "status", "message", "timestamp", "events"),
    *("vpc", "subnet", "instance", "flags", "type", "region", "az", "path", "aws", "tgw", "ecs"),
    *("reason", "resource", "tags", "hop", "source", "destination", "direction"),
)


def says_its_layout(data: bytes) -> bool:
    """Return whether a log has a line that says where its fields stand: not one for this oracle.

    Such lines are random bytes, too: the strategies know the constants of our source.
    """
    squeezed = re.sub(rb"[-_ ]", b"", data.lower())
    return any(name.encode() in squeezed for name in (*NAMES, "message")) or any(
        re.match(rb"[ \t\r]*([{[\"]|[bf]/|[0-9]{4}-[0-9]{2}-[0-9]{2}T)", line)
        for line in data.split(b"\n")
    )


@dataclass
class FieldCounts:
    r"""What a file holds at a delimiter; a line that is empty without its ``\r`` is ``empty``.

    ``sums`` are of each weight by key, those of 0 left out.
    """

    lines: int = 0
    empty: int = 0
    misshapen: int = 0
    keys: Counter[bytes] = field(default_factory=Counter)
    sums: list[dict[bytes, int]] = field(default_factory=list)


def count_fields(
    data: bytes,
    delimiter: bytes,
    fields: Sequence[int],
    width: int | None,
    weights: Sequence[int] = (),
    *expected: tuple[int, bytes],
) -> FieldCounts:
    """Count the chosen fields (numbered from 1) of lines that have ``width`` fields, or enough.

    If the last one is negative, -3 say, the key has field 3 and all behind it.

    A line is misshapen, too, if the field with the number that is ``expected`` is not so.

    Of what has 1 to 19 digits in all ``weights``, the sums are there, too; the key of anything else
    is followed by a line feed and what stands there.
    """
    found = FieldCounts(sums=[{} for _ in weights])
    for _offset, line in lines_of(data):
        found.lines += 1
        values = line.split(delimiter)
        if not line:
            found.empty += 1
        elif (
            len(values) < max(*map(abs, fields), *weights, 0)
            or (width is not None and len(values) != width)
            or any(number and values[number - 1] != text for number, text in expected)
        ):
            found.misshapen += 1
        else:
            chosen = [values[abs(number) - 1] for number in fields]
            behind = values[-fields[-1] :] if fields[-1] < 0 else []
            key = delimiter.join([*chosen, *behind])
            texts = [values[number - 1] for number in weights]
            if not all(re.fullmatch(rb"[0-9]{1,19}", text) for text in texts):
                key, texts = key + b"\n" + delimiter.join(texts), []
            found.keys[key] += 1
            for sums, text in zip(found.sums, texts, strict=False):
                if int(text):
                    sums[key] = sums.get(key, 0) + int(text)
    return found


def lines_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    r"""Yield (offset, line); only ``\n`` ends one, and one ``\r`` before it belongs to the end."""
    start, line = 0, bytearray()
    for offset, byte in enumerate(data + b"\n" * (data[-1:] not in (b"", b"\n"))):
        if byte == ord("\n"):
            yield start, bytes(line[:-1] if line[-1:] == b"\r" else line)
            start, line = offset + 1, bytearray()
        else:
            line.append(byte)


def number_of(text: bytes, largest: int) -> int | None:
    """Return the number that one or more ASCII digits write, if it is at most ``largest``."""
    value = 0
    for byte in text:
        if not ord("0") <= byte <= ord("9"):
            return None
        value = min(10 * value + byte - ord("0"), largest + 1)
    return value if text and value <= largest else None
