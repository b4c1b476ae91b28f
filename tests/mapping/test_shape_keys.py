"""A job maps the keys of shaped lines: once for each distinct key, with its values."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mapreduce import (
    SKIPPED,
    KeyCount,
    Malformed,
    MapReduceError,
    access_log,
    csv_lines,
    json_lines,
    run,
)
from mapreduce.mapping.mapper import Verdict

CSV = b"""host,status,size\n10.0.0.1,200,5\n"10.0.0.9",404,x\n10.0.1.1,200,7\n10.0.0.1,500,1
\n127.0.0.1,200,1\n,200,1\n10.0.0.1,200,-25\n"""


def network(host: bytes, status: bytes) -> tuple[bytes, ...] | Verdict:
    if not host:
        raise Malformed("has no host")
    if host.startswith(b"127."):
        return SKIPPED
    return host.rpartition(b".")[0], status[:1] + b"xx"


@pytest.mark.parametrize("split_size", [None, 10])
def test_keys_that_become_equal_are_added_up_with_their_sums(
    tmp_path: Path, split_size: int | None
) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    mapper = csv_lines("host", "status", summed=("size",)).map_keys(network, "network", "class")
    result = run(KeyCount(mapper, "networks.csv"), tmp_path / "a.csv", split_size=split_size)
    [table] = result.tables
    assert table.header == ("network", "class", "Count", "Sum(size)")
    assert list(table.rows) == [
        ("10.0.0", "2xx", 2, -20),
        ("10.0.0", "5xx", 1, 1),
        ("10.0.1", "2xx", 1, 7),
    ]
    stats = result.stats
    assert (stats.lines, stats.counted, stats.skipped, stats.malformed) == (9, 4, 3, 2)
    assert [reject.reason for reject in result.rejects] == [
        "size 'x' is not a whole number",
        "has no host",
    ]


seen = Counter[bytes]()


def note(level: bytes) -> bytes:
    seen[level] += 1
    return level.upper()


def test_each_distinct_key_is_mapped_once(tmp_path: Path) -> None:
    lines = [b'{"level": "warn"}', rb'{"level": "w\u0061rn"}', b'{"level": "info"}'] * 5
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    seen.clear()
    mapper = json_lines("level").map_keys(note, "LEVEL")
    [table] = run(KeyCount(mapper, "levels.csv"), tmp_path / "a.jsonl").tables
    assert list(table.rows) == [("WARN", 10), ("INFO", 5)]
    assert seen == {b"warn": 2, b"info": 1}  # two ways to write one of them


def broken(_status: bytes) -> bytes:
    return b"%d" % (1 // 0)


def test_a_function_that_fails_is_told_with_the_line_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'\nh - - [x] "GET / HTTP/1.0" 200 1\n')
    job = KeyCount(access_log("status").map_keys(broken, "status"), "x.csv")
    with pytest.raises(MapReduceError, match=r"log: byte 1: the job failed in .* line \d+: Zero"):
        run(job, tmp_path / "log")
