"""What every case of the benchmark needs: the data, commands in turns, and counts to compare."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from peers import Peer

HERE = Path(__file__).parent
OURS = "mapreduce"
BIN = Path(sys.executable).parent

Counts = dict[tuple[str, ...], tuple[int, ...]]
"""The count, and the sums, of each key."""


@dataclass
class Case:
    """The raw runs of one case: per name, the seconds and the peak memory of each round."""

    name: str
    bars: dict[str, float]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    peak_mib: dict[str, list[float]] = field(default_factory=dict)
    figures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """Where the data lies and how often each command is run."""

    directory: Path
    rounds: int

    def log(self, size: str) -> Path:
        """Return a flow log of some size, made if it is not there; seed 1."""
        return self.generated(f"{size.lower()}.log", "flowlogs", size)

    def generated(self, name: str, form: str, size: str) -> Path:
        """Return a file of a form and a size, made if it is not there; seed 1."""
        path = self.directory / name
        if not path.exists():
            generator = [sys.executable, str(HERE / "generate.py"), str(path), "--size", size]
            subprocess.run([*generator, "--form", form], check=True)
        return path

    def delivered(self, form: str, number: int) -> Path:
        """Return the directory of the 1 GB as it is delivered, made if it is not there."""
        directory = self.directory / "forms" / f"{form}-{number}"
        if not directory.exists():
            maker = [sys.executable, str(HERE / "deliveries.py"), str(self.log("1GB"))]
            subprocess.run([*maker, str(directory.parent), f"{form}:{number}"], check=True)
        return directory

    def ours(self, *arguments: str) -> list[str]:
        """Return our command with two workers; it writes into the directory `out`."""
        command = [str(BIN / OURS), *arguments, "-q", "-o", str(self.directory / "out")]
        return [*command, "-j", "2"]

    def alternate(
        self,
        case: Case,
        commands: dict[str, list[str]],
        before: Callable[[], object] = lambda: None,
    ) -> None:
        """Run all commands in turns; the first round warms up and is not kept."""
        for number in range(self.rounds + 1):
            for name, command in commands.items():
                before()
                seconds, peak, output = timed(command, keep="--stats" in command)
                if number == 0:
                    continue
                case.seconds.setdefault(name, []).append(seconds)
                case.peak_mib.setdefault(name, []).append(peak)
                if "--stats" in command:
                    case.figures.setdefault(name, []).append(json.loads(output))
                print(f"{case.name:<16} {name:<24} {seconds:8.3f} s {peak:7.0f} MiB", flush=True)


def timed(command: list[str], *, keep: bool = True) -> tuple[float, float, bytes]:
    """Return the seconds, the peak MiB of the largest process, and the output of a command.

    No peak is less than this process's own. So it must not keep much, nor read large tables.
    """
    with (Path(os.devnull)).open("w") as quiet:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet)
        assert process.stdout  # noqa: S101
        output = process.stdout.read() if keep else read_away(process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {command}")
    return seconds, usage.ru_maxrss / 1024, output


def read_away(pipe: IO[bytes]) -> bytes:
    """Read a pipe to its end, and keep nothing."""
    while pipe.read(1 << 16):
        pass
    return b""


def installed(case: Case, peers: Iterable[Peer]) -> list[Peer]:
    """Return those peers that are installed; print and record the missing ones."""
    found = []
    for peer in peers:
        if peer.version() is None:
            case.missing.append(peer.name)
            print(f"{case.name:<16} {peer.name}: not installed", flush=True)
        else:
            found.append(peer)
    return found


def table_counts(path: Path, keys: int) -> Counts:
    """Read our CSV, whose first columns are the key."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.reader(file)
        next(rows)
        return {tuple(row[:keys]): tuple(map(int, row[keys:])) for row in rows}


def printed_counts(output: bytes, keys: int) -> Counts:
    """Read what a peer printed, separated by tabs."""
    text = output.decode("utf-8", "surrogateescape")
    rows = (line.split("\t") for line in text.split("\n") if line)
    return {tuple(row[:keys]): tuple(map(int, row[keys:])) for row in rows}


def check_counts(peer: str, expected: Counts, found: Counts) -> None:
    """Stop if a peer counts otherwise than we do, and show keys that differ."""
    if expected == found:
        return
    keys = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    shown = "\n".join(f"  {key}: {expected.get(key)}, {found.get(key)}" for key in keys[:10])
    raise SystemExit(f"{peer} counts {len(keys)} keys otherwise than {OURS}, such as\n{shown}")


def add_up(counts: Counts, key: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Counts:
    """Return the counts by what a function makes of their keys."""
    total = Counter[tuple[str, ...]]()
    for found, (number, *_) in counts.items():
        total[key(found)] += number
    return {found: (number,) for found, number in total.items()}
