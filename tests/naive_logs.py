"""The oracle of flow logs in all their forms, which can be asked anything."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from naive import lines_of, number_of

NAMES = (
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
    *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
)
LARGEST = {"srcport": 65535, "dstport": 65535, "protocol": 255}


@dataclass
class Answer:
    """What logs hold: the number of lines, of each kind, and [records, *sums] by key."""

    lines: int = 0
    skipped: int = 0
    malformed: int = 0
    keys: dict[tuple[int | str, ...], list[int]] = field(default_factory=dict)

    @property
    def counted(self) -> int:
        return sum(measures[0] for measures in self.keys.values())


def text_of(data: bytes) -> bytes:
    """Return the text of a log in any form; of Parquet, names with ``-``, nulls as ``-``."""
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ", lzma)):
        if data.startswith(magic):
            return bytes(module.decompress(data))
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        from backports import zstd

        return bytes(zstd.decompress(data))
    if data.startswith(b"PAR1"):
        from pyarrow import parquet

        rows = parquet.read_table(io.BytesIO(data)).to_pydict()
        lines = [" ".join(name.replace("_", "-") for name in rows)]
        lines += [
            " ".join("-" if value is None else str(value) for value in row)
            for row in zip(*rows.values(), strict=True)
        ]
        return "\n".join(lines).encode()
    return data


def ask(
    logs: Iterable[bytes],
    by: Sequence[str],
    weights: Sequence[str],
    action: str,
    names: Sequence[str] = NAMES,
) -> Answer:
    """Count records by the fields ``by`` and sum ``weights``; ``names``: without a header."""
    answer = Answer()
    for log in logs:
        is_parquet, text = log.startswith(b"PAR1"), text_of(log)
        lines = [line for _offset, line in lines_of(text)]
        first = _record(lines[0]) if lines else b""
        own = first.decode("latin-1").split(" ") if _is_header(first) else list(names)
        for number, line in enumerate(lines):
            answer.lines += not (is_parquet and number == 0)
            values = _record(line).split(b" ")
            if [value.decode("latin-1") for value in values] == own:
                answer.skipped += not (is_parquet and number == 0)
            elif not line or line.replace(b'"', b"") == b"timestamp,message":
                answer.skipped += 1
            elif len(values) != len(own):
                answer.malformed += 1
            else:
                _add(answer, dict(zip(own, values, strict=True)), by, weights, action)
    return answer


def _record(line: bytes) -> bytes:
    """Return a line without what CloudWatch puts around it."""
    stamped = re.fullmatch(rb'[0-9T:.-]+Z (.*)|"?[0-9]+"?,"?(.*?)"?', line, re.DOTALL)
    return (stamped[1] or stamped[2]) if stamped else line


def _is_header(line: bytes) -> bool:
    return bool(re.fullmatch(rb"[a-z-]+( [a-z-]+)*", line)) and not {*line.split()}.isdisjoint(
        name.encode() for name in NAMES
    )


def _add(
    answer: Answer, record: dict[str, bytes], by: Sequence[str], weights: Sequence[str], action: str
) -> None:
    numbers = [name for name in by if name in LARGEST]
    absent = all(record[name] == b"-" for name in (numbers or by))
    if "log-status" in record:
        no_flow = record["log-status"] in (b"NODATA", b"SKIPDATA") and (absent or not numbers)
    elif numbers:
        no_flow = all(record[name] == b"-" for name in by)
    else:
        tells = [name for name in ("action", "protocol") if name in record]
        no_flow = record[tells[0]] == b"-" if tells else absent
    key = [
        number_of(record[name], LARGEST[name]) if name in LARGEST else record[name].decode()
        for name in by
    ]
    sums = [0 if record[name] == b"-" else number_of(record[name], 10**1000) for name in weights]
    if no_flow:
        answer.skipped += 1
    elif action != "all" and record["action"] != action.encode():
        known = record["action"] in (b"ACCEPT", b"REJECT", b"-")
        answer.skipped += known
        answer.malformed += not known
    elif None in key or None in sums:
        answer.malformed += 1
    else:
        measures = answer.keys.setdefault(
            tuple(part for part in key if part is not None), [0] * (1 + len(sums))
        )
        for number, value in enumerate([1, *sums]):
            measures[number] += value or 0
