"""The oracle for shapes of lines: values found in the plainest way, with no code of the project."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Part: TypeAlias = tuple[int, int, bytes, int]
"""The number of a value, the blanks to skip in it, the bytes that end it, its most bytes (or 0)."""

DIGITS = b"0123456789"
STAND_IN = "\ue000"
"""Stands for a carriage return, which ends a line for Python's csv module."""


@dataclass
class ShapeCounts:
    """The figures of a block; the keys and sums are those of the kernel's tables."""

    lines: int = 0
    empty: int = 0
    misshapen: int = 0
    keys: Counter[bytes] = field(default_factory=Counter)
    sums: list[Counter[bytes]] = field(default_factory=list)


def split_csv(line: bytes, delimiter: bytes) -> list[bytes] | None:
    """Split a line as Python's own csv module does; return ``None`` for what it refuses."""
    text = line.decode("latin-1").replace("\r", STAND_IN)
    try:
        (row,) = csv.reader([text], delimiter=delimiter.decode("latin-1"), strict=True)
    except csv.Error:
        return None
    return [value.replace(STAND_IN, "\r").encode("latin-1") for value in row]


def split_access(line: bytes) -> list[bytes] | None:
    """Split a line of an access log byte by byte; return ``None`` if it is none."""
    values, opened, at = [], [], 0
    while True:
        sign = line[at : at + 1]
        opened.append(sign)
        value = bytearray()
        if sign in (b"[", b'"'):
            end = b"]" if sign == b"[" else b'"'
            at += 1
            while line[at : at + 1] != end:
                if sign == b'"' and line[at : at + 1] == b"\\":
                    value += line[at : at + 1]
                    at += 1
                if at >= len(line):
                    return None
                value += line[at : at + 1]
                at += 1
            at += 1
            if line[at : at + 1] not in (b" ", b""):
                return None
        else:
            while line[at : at + 1] not in (b" ", b""):
                value += line[at : at + 1]
                at += 1
        values.append(bytes(value))
        if at >= len(line):
            break
        at += 1
    is_log = len(values) >= 7 and opened[3] == b"[" and opened[4] == b'"'
    return values if is_log else None


def split_blanks(line: bytes) -> list[bytes]:
    """Split a line at blanks and tabs, of which any number stand together."""
    return [value for value in line.replace(b"\t", b" ").split(b" ") if value]


def part_of(value: bytes, part: Part) -> bytes:
    """Cut a value byte by byte."""
    _number, skip, until, most = part
    found, blanks = bytearray(), 0
    for byte in value:
        if blanks < skip:
            blanks += byte == ord(" ")
        elif byte in until:
            break
        else:
            found.append(byte)
    return bytes(found[:most] if most else found)


def is_weight(text: bytes) -> bool:
    """Tell whether a text is a number of 1 to 19 digits."""
    return 1 <= len(text) <= 19 and all(byte in DIGITS for byte in text)


@dataclass(frozen=True)
class Question:
    """What to count: parts of values by their numbers, and the numbers of values to sum."""

    shape: str
    parts: Sequence[Part]
    weights: Sequence[int] = ()
    width: int | None = None
    delimiter: bytes = b","


def count_shaped(block: bytes, asked: Question) -> ShapeCounts:
    """Count the lines of a block by parts of their values, as the kernels should."""
    found = ShapeCounts(sums=[Counter() for _ in asked.weights])
    lines = block.split(b"\n")
    for line in lines[:-1] if lines[-1] == b"" else lines:
        found.lines += 1
        values = _split(line[:-1] if line[-1:] == b"\r" else line, asked)
        least = max([number for number, *_ in asked.parts] + [*asked.weights])
        if values == []:
            found.empty += 1
        elif values is None or len(values) < least or asked.width not in (None, len(values)):
            found.misshapen += 1
        else:
            _count_values(found, values, asked)
    return found


def _split(line: bytes, asked: Question) -> list[bytes] | None:
    if not line:
        return []
    if asked.shape == "quoted":
        return split_csv(line, asked.delimiter)
    if asked.shape == "access":
        return split_access(line)
    return split_blanks(line) if asked.shape == "blanks" else line.split(asked.delimiter)


def _count_values(found: ShapeCounts, values: Sequence[bytes], asked: Question) -> None:
    key = [part_of(values[part[0] - 1], part) for part in asked.parts]
    texts = [values[number - 1] for number in asked.weights]
    if all(map(is_weight, texts)):
        for sums, text in zip(found.sums, texts, strict=True):
            sums[b"\n".join(key)] += int(text)
    else:
        key += texts
    found.keys[b"\n".join(key)] += 1
