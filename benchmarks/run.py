"""Measure this project against its peers and against the limits of the machine.

    python benchmarks/run.py --directory bench          # all cases; data is made there if needed
    python benchmarks/run.py --directory bench flowlogs-1gb startup

Whole processes, a warm page cache (but for ``cold``), two workers. All commands of a case are run
in turns, A B A B; each peer's counts are compared with ours first. The raw runs of a case go into
``benchmarks/runs/DATE-CASE.json``, and ``report.py`` makes the tables and the picture from them.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import report
import typer
from peers import GZIP_PEERS, PEERS, Peer, bare_isal

from mapreduce.jobs.flowlogs.protocols import protocol_number

HERE = Path(__file__).parent
OURS = "mapreduce"
BIN = Path(sys.executable).parent


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
        path = self.directory / f"{size.lower()}.log"
        if not path.exists():
            generator = [sys.executable, str(HERE / "generate.py"), str(path), "--size", size]
            subprocess.run(generator, check=True)
        return path

    def forms(self, form: str, number: int) -> Path:
        """Return the directory of the 1 GB in a form, made if it is not there."""
        directory = self.directory / "forms" / f"{form}-{number}"
        if not directory.exists():
            maker = [sys.executable, str(HERE / "forms.py"), str(self.log("1GB"))]
            subprocess.run([*maker, str(directory.parent), f"{form}:{number}"], check=True)
        return directory

    def flowlogs(self, path: Path, *options: str) -> list[str]:
        lookup = str(HERE.parent / "data" / "lookup.csv")
        command = [str(BIN / OURS), "flowlogs", str(path), "-l", lookup, "-q"]
        return [*command, "-o", str(self.directory / "out"), *options]

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
                seconds, peak, output = timed(command)
                if number == 0:
                    continue
                case.seconds.setdefault(name, []).append(seconds)
                case.peak_mib.setdefault(name, []).append(peak)
                if "--stats" in command:
                    case.figures.setdefault(name, []).append(json.loads(output))
                print(f"{case.name:<16} {name:<24} {seconds:8.3f} s {peak:7.0f} MiB", flush=True)


def timed(command: list[str]) -> tuple[float, float, bytes]:
    """Return the seconds, the peak MiB of the largest process, and the output of a command."""
    with (Path(os.devnull)).open("w") as quiet:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet)
        assert process.stdout  # noqa: S101
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {command}")
    return seconds, usage.ru_maxrss / 1024, output


def our_counts(path: Path) -> dict[tuple[str, str], int]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {(port, str(protocol_number(name))): int(count) for port, name, count in rows}


def peer_counts(output: bytes) -> dict[tuple[str, str], int]:
    rows = [line.replace("\t", ",").split(",") for line in output.decode().split("\n") if line]
    return {(first, second): int(count) for first, second, count in rows}


def installed(case: Case, names: list[str]) -> list[Peer]:
    """Return those peers that are installed; print and record the missing ones."""
    found = []
    for peer in PEERS:
        if peer.name not in names:
            continue
        if peer.version() is None:
            case.missing.append(peer.name)
            print(f"{case.name:<16} {peer.name}: not installed", flush=True)
        else:
            found.append(peer)
    return found


def against_peers(bench: Bench, case: Case, size: str, peers: list[str]) -> None:
    """Check that all give the same counts, then time all of them."""
    path = bench.log(size)
    commands = {OURS: bench.flowlogs(path, "-j", "2", "--stats", "-")}
    timed(commands[OURS])
    expected = our_counts(bench.directory / "out" / "portprotocolcount.csv")
    for peer in installed(case, peers):
        command = peer.command(path, "c7, c8", "WHERE c14 = 'OK'")
        if peer_counts(timed(command)[2]) != expected:
            raise SystemExit(f"{peer.name} counts otherwise than {OURS}")
        commands[peer.name] = command
    bench.alternate(case, commands)


def gzipped(bench: Bench, case: Case, number: int) -> None:
    """Count the 1 GB as so many gzip files, against the peers and against bare decompression."""
    directory = bench.forms("gzip", number)
    pattern, paths = directory / "*.gz", sorted(directory.glob("*.gz"))
    commands = {OURS: bench.flowlogs(directory, "-j", "2", "--stats", "-")}
    timed(commands[OURS])
    expected = our_counts(bench.directory / "out" / "portprotocolcount.csv")
    for peer in GZIP_PEERS:
        command = peer.command(pattern, "c7, c8", "WHERE c14 = 'OK'")
        if peer.version() is None:
            case.missing.append(peer.name)
        elif peer_counts(timed(command)[2]) != expected:
            raise SystemExit(f"{peer.name} counts otherwise than {OURS}")
        else:
            commands[peer.name] = command
    bench.alternate(case, {**commands, "bare isal": bare_isal(paths)})


ALL = [peer.name for peer in PEERS]
FAST = ALL[:3]


def flowlogs_1gb(bench: Bench, case: Case) -> None:
    against_peers(bench, case, "1GB", ALL)


def flowlogs_8gb(bench: Bench, case: Case) -> None:
    against_peers(bench, case, "8GB", FAST)


def scaling(bench: Bench, case: Case) -> None:
    path = bench.log("8GB")
    workers = {f"-j {n}": bench.flowlogs(path, "-j", str(n), "--stats", "-") for n in (1, 2)}
    bench.alternate(case, workers)


def read_limit(bench: Bench, case: Case) -> None:
    """The map phase alone against two processes that only read, each its half."""
    path = bench.log("8GB")
    read = [sys.executable, str(HERE / "read_limit.py"), str(path), "2"]
    ours = bench.flowlogs(path, "-j", "2", "--stats", "-")
    bench.alternate(case, {OURS: ours, "read only": [*read, "--stats"]})


def startup(bench: Bench, case: Case) -> None:
    imports = [sys.executable, "-c", "import typer, tqdm"]
    ours = bench.flowlogs(bench.log("12MB"))
    bench.alternate(case, {OURS: ours, "import typer, tqdm": imports})


def memory(bench: Bench, case: Case) -> None:
    """Start each command from a small process: ``wait4`` never reports less than its memory."""
    peak = [sys.executable, "-S", str(HERE / "peak.py")]
    sizes = {
        size: [*peak, *bench.flowlogs(bench.log(size), "-j", "2"), "--stats"]
        for size in ("1GB", "8GB")
    }
    bench.alternate(case, sizes)


def pure(bench: Bench, case: Case) -> None:
    """The pure kernel on one core, in one process, in turns; see ``pure_kernel.py``."""
    script = [sys.executable, str(HERE / "pure_kernel.py"), str(bench.log("1GB"))]
    case.figures["MB/s"] = [json.loads(timed([*script, "--rounds", str(bench.rounds), "--raw"])[2])]
    print(f"{case.name:<16} {case.figures['MB/s']}", flush=True)


def count_addresses(bench: Bench, case: Case) -> None:
    path = bench.log("1GB")
    ours = [str(BIN / OURS), "count", str(path), "-F", "4,5", "--fields-expected", "14", "-q"]
    commands = {OURS: [*ours, "-o", str(bench.directory / "out"), "-j", "2"]}
    timed(commands[OURS])
    with (bench.directory / "out" / "counts.csv").open(newline="") as file:
        expected = {(first, second): int(n) for first, second, n in list(csv.reader(file))[1:]}
    for peer in installed(case, FAST[:2]):
        commands[peer.name] = peer.command(path, "c4, c5", "")
        found = peer_counts(timed(commands[peer.name])[2])
        if {(a or "-", b or "-"): n for (a, b), n in found.items()} != expected:
            raise SystemExit(f"{peer.name} counts otherwise than {OURS}")
    bench.alternate(case, commands)


def cold(bench: Bench, case: Case) -> None:
    path = bench.log("1GB")
    drop = Path("/proc/sys/vm/drop_caches")

    def forget() -> None:
        os.sync()
        drop.write_text("3\n")

    if not os.access(drop, os.W_OK):
        case.missing.append("dropping caches is not allowed here")
        return
    commands = {
        OURS: bench.flowlogs(path, "-j", "2"),
        "cat": ["sh", "-c", f"cat '{path}' >/dev/null"],
    }
    bench.alternate(case, commands, forget)


def sizes(bench: Bench, case: Case) -> None:
    peers = installed(case, FAST[:2])
    for size in ("1MB", "10MB", "100MB", "1GB", "8GB"):
        path = bench.log(size)
        commands = {f"{OURS} {size}": bench.flowlogs(path, "-j", "2")}
        for peer in peers:
            command = peer.command(path, "c7, c8", "WHERE c14 = 'OK'")
            commands[f"{peer.name} {size}"] = command
        bench.alternate(case, commands)


CASES: dict[str, tuple[Callable[[Bench, Case], None], dict[str, float]]] = {
    "flowlogs-1gb": (flowlogs_1gb, {"bar": 5, "stretch": 8}),
    "flowlogs-8gb": (flowlogs_8gb, {"bar": 7, "stretch": 10}),
    "read-limit": (read_limit, {"bar": 0.45, "stretch": 0.60}),
    "scaling": (scaling, {"bar": 1.9, "stretch": 1.97}),
    "startup": (startup, {"bar": 1.5, "stretch": 1.2}),
    "memory": (memory, {"bar": 80, "stretch": 50}),
    "count-addresses": (count_addresses, {"bar": 1, "stretch": 2}),
    "pure": (pure, {"bar": 0.9, "stretch": 1}),
    "cold": (cold, {"bar": 1}),
    "gzip-16": (partial(gzipped, number=16), {"bar": 2}),
    "gzip-1": (partial(gzipped, number=1), {"bar": 1}),
    "sizes": (sizes, {}),
}


def machine() -> dict[str, Any]:
    """Describe the machine and the software versions, without the name of the machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {peer.name: peer.version() for peer in PEERS}
        | {OURS: importlib.metadata.version(OURS), "typer": importlib.metadata.version("typer")},
    }


def main(
    cases: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(CASES)}.")] = None,
    directory: Annotated[Path, typer.Option(help="Where the data is made.")] = Path("bench"),
    rounds: Annotated[int, typer.Option("--rounds", "-n", min=1)] = 5,
) -> None:
    """Run cases (default: all), write their raw runs, and make the report from all raw runs."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in cases or CASES:
        measure, bars = CASES[name]
        case = Case(name, bars)
        started = datetime.now(UTC)
        measure(Bench(directory, rounds), case)
        raw = {"date": started.isoformat(timespec="seconds"), "machine": machine(), **asdict(case)}
        runs = HERE / "runs"
        runs.mkdir(exist_ok=True)
        path = runs / f"{started:%Y-%m-%d}-{name}.json"
        path.write_text(json.dumps(raw, indent=1) + "\n")
    report.main()


if __name__ == "__main__":
    typer.run(main)
