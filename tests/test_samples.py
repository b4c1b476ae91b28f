"""The real command gives the expected tables of the committed samples, byte for byte."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import without_manifest
from naive import count_flow_logs

DATA = Path(__file__).parents[1] / "data"
NAMES = sorted(path.name for path in (DATA / "expected").iterdir())
LINES = {"flowlogs-small": 27, "flowlogs-2000": 2000}


def read_rows(name: str, table: str) -> list[list[str]]:
    """Return the rows of an expected table without its header."""
    with (DATA / "expected" / name / table).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def test_every_log_has_expected_tables() -> None:
    assert {path.stem for path in DATA.glob("flowlogs-*.log")} == set(NAMES) == set(LINES)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_the_command_gives_the_expected_tables(name: str, workers: int, tmp_path: Path) -> None:
    log, lookup, expected = DATA / f"{name}.log", DATA / "lookup.csv", DATA / "expected" / name
    command: list[str | Path] = [sys.executable, "-m", "mapreduce", "flowlogs", log, "-l", lookup]
    command += ["-o", tmp_path, "-j", str(workers), "--strict"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert without_manifest({path.name: path.read_bytes() for path in tmp_path.iterdir()}) == {
        path.name: path.read_bytes() for path in expected.iterdir()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_expected_tables_agree_with_the_oracle(name: str) -> None:
    with (DATA / "lookup.csv").open(newline="") as file:
        numbers = {"tcp": 6, "udp": 17, "icmp": 1, "50": 50}
        lookup = {
            (int(row["dstport"]), numbers[row["protocol"]]): row["tag"]
            for row in csv.DictReader(file)
        }
    found = count_flow_logs([(DATA / f"{name}.log").read_bytes()], lookup)
    tags = {tag: int(count) for tag, count in read_rows(name, "tag2count.csv")}
    pairs = [int(count) for _port, _protocol, count in read_rows(name, "portprotocolcount.csv")]
    assert (found.lines, found.malformed) == (LINES[name], 0)
    assert {"Untagged": 0, **found.tags} == tags
    assert sorted(found.pairs.values(), reverse=True) == pairs
    assert sum(tags.values()) == sum(pairs) == found.counted
