"""Measure the pure kernel on one core against the obvious loops, in one process, in turns.

python benchmarks/pure_kernel.py flows.log
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from mapreduce.kernel import _pure
from mapreduce.options import BLOCK

PAIR = re.compile(rb"(?m)^(?:\S+ ){6}(\S+ \S+)")


def blocks(data: bytes) -> Iterator[memoryview]:
    """Yield data in blocks of whole lines."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + BLOCK) + 1
        yield memoryview(data)[start:end]
        start = end


def findall(data: bytes) -> int:
    """Count (dstport, protocol) with re.findall; no line is checked."""
    counts: Counter[bytes] = Counter()
    for block in blocks(data):
        counts.update(PAIR.findall(block))
    return counts.total()


def split_lines(data: bytes) -> int:
    """Count (dstport, protocol) with a split of each line."""
    counts: Counter[tuple[bytes, bytes]] = Counter()
    for block in blocks(data):
        for line in bytes(block).split(b"\n"):
            fields = line.split(b" ")
            if len(fields) == 14:
                counts[fields[6], fields[7]] += 1
    return counts.total()


def kernel(data: bytes) -> int:
    """Count (dstport, protocol, log-status), every line checked to have 14 fields."""
    table = _pure.FieldTable(b" ", (7, 8, 14), 14)
    for block in blocks(data):
        table.scan(block)
    return sum(table.drain()[0].values())


def main(path: Path, megabytes: int = 200, rounds: int = 5, raw: bool = False) -> None:
    """Print the median rate of each way and its ratio to re.findall, or all rates as JSON."""
    with path.open("rb") as file:
        data = file.read(megabytes * 10**6)
    data = data[: data.rfind(b"\n") + 1]
    ways: list[Callable[[bytes], int]] = [findall, split_lines, kernel]
    rates: dict[Callable[[bytes], int], list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            start = time.perf_counter()
            way(data)
            rates[way].append(len(data) / 1e6 / (time.perf_counter() - start))
    if raw:
        print(json.dumps({way.__name__: rates[way] for way in ways}))
        return
    base = statistics.median(rates[findall])
    for way in ways:
        rate = statistics.median(rates[way])
        print(f"{way.__name__:<12} {rate:6.0f} MB/s  {rate / base:5.2f} x re.findall")


if __name__ == "__main__":
    typer.run(main)
