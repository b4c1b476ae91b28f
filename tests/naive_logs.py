"""The oracle of flow logs in all their forms, which can be asked anything."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
from collections import Counter
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
    kinds: Counter[str] = field(default_factory=Counter)

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
        first = next((line for line in lines if line), b"")
        form = "Parquet" if is_parquet else _form_of(first)
        own = [plain_name(title) for title in _values(first.rstrip(b" \t"), form) if title]
        if not set(own) & {*SPELLINGS.values(), "message"}:
            own = [*names]
        for number, whole in enumerate(lines):
            line = whole if is_parquet or form == "CSV" else whole.rstrip(b"\t")
            answer.lines += not (is_parquet and number == 0)
            values = _values(line, form)
            header = [plain_name(value) for value in values if value] == own
            if "message" in own and len(values) == len(own) and not header:
                values = values[own.index("message")].split(b" ")
            width = len(names if "message" in own else own)
            if len(values) != width and not form.startswith("CSV"):
                values = _values(line.rstrip(b" \t"), form)
            if header or not line:
                answer.skipped += not (is_parquet and number == 0)
            elif len(values) != width:
                answer.malformed += 1
            else:
                keys = names if "message" in own else own
                _add(answer, dict(zip(keys, values, strict=True)), by, weights, action)
    return answer


SPELLINGS = {
    name.replace("-", ""): name
    for name in (*NAMES, "vpc-id", "flow-direction", "region", "instance-id", "tcp-flags")
} | {"starttime": "start", "endtime": "end", "account": "account-id"}


def plain_name(title: bytes) -> str:
    """Return the name of a field or of another column, of any spelling."""
    word = title.decode("latin-1").strip(" \"'@").lower()
    return SPELLINGS.get(word.replace("_", "").replace("-", ""), word)


def _form_of(first: bytes) -> str:
    """Return the form of a log by the first line that is not empty."""
    if stamp := re.match(rb"[0-9-]+T[0-9:.]+(Z|[+]00:00)? ", first):
        return "detailed" if b"+" in stamp[0] else "stamped"
    words = first.split(b",")
    return (
        "CSV"
        if any(plain_name(word) in {"message", *SPELLINGS.values()} for word in words)
        and (len(words) > 1 or b" " not in first)
        else "plain"
    )


def _values(line: bytes, form: str) -> list[bytes]:
    """Return the values of a line without what CloudWatch puts before them."""
    if form == "CSV":
        (row,) = csv.reader([line.decode("latin-1")]) if line else ([],)
        return [value.encode("latin-1") or b"-" for value in row]
    before = {"stamped": 1, "detailed": 2}.get(form, 0)
    return line.split(b" ")[before:]


def _add(
    answer: Answer, record: dict[str, bytes], by: Sequence[str], weights: Sequence[str], action: str
) -> None:
    numbers = [name for name in by if name in LARGEST]
    if "log-status" in record:
        no_flow = record["log-status"] in (b"NODATA", b"SKIPDATA")
    elif numbers:
        no_flow = all(record[name] == b"-" for name in by)
    else:
        tells = [name for name in ("action", "protocol") if name in record]
        no_flow = record[tells[0]] == b"-" if tells else all(record[name] == b"-" for name in by)
    key = [
        number_of(record[name], LARGEST[name]) if name in LARGEST else record[name].decode()
        for name in by
    ]
    sums = [0 if record[name] == b"-" else number_of(record[name], 10**1000) for name in weights]
    if no_flow:
        answer.skipped += 1
        answer.kinds[record.get("log-status", b"without a flow").decode()] += 1
    elif action != "all" and record["action"] != action.encode():
        known = record["action"] in (b"ACCEPT", b"REJECT", b"-")
        answer.skipped += known
        answer.kinds["of another action"] += known
        answer.malformed += not known
    elif None in key or None in sums:
        answer.malformed += 1
    else:
        measures = answer.keys.setdefault(
            tuple(part for part in key if part is not None), [0] * (1 + len(sums))
        )
        for number, value in enumerate([1, *sums]):
            measures[number] += value or 0
