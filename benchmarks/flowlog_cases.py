"""The cases of flow logs: against the peers, and against the limits of the machine."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import BIN, HERE, OURS, Bench, Case, installed, timed
from peers import GZIP_PEERS, PEERS, Peer, bare_isal

from mapreduce.jobs.flowlogs.protocols import protocol_number


def flowlogs(bench: Bench, path: Path, *options: str) -> list[str]:
    """Return our command that tags a flow log; it writes into the directory `out`."""
    lookup = str(HERE.parent / "data" / "lookup.csv")
    command = [str(BIN / OURS), "flowlogs", str(path), "-l", lookup, "-q"]
    return [*command, "-o", str(bench.directory / "out"), *options]


def our_counts(path: Path) -> dict[tuple[str, str], int]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {(port, str(protocol_number(name))): int(count) for port, name, count in rows}


def peer_counts(output: bytes) -> dict[tuple[str, str], int]:
    rows = [line.replace("\t", ",").split(",") for line in output.decode().split("\n") if line]
    return {(first, second): int(count) for first, second, count in rows}


def against_peers(bench: Bench, case: Case, size: str, peers: Sequence[Peer]) -> None:
    """Check that all give the same counts, then time all of them."""
    path = bench.log(size)
    commands = {OURS: flowlogs(bench, path, "-j", "2", "--stats", "-")}
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
    directory = bench.delivered("gzip", number)
    pattern, paths = directory / "*.gz", sorted(directory.glob("*.gz"))
    commands = {OURS: flowlogs(bench, directory, "-j", "2", "--stats", "-")}
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


FAST = PEERS[:3]


def flowlogs_1gb(bench: Bench, case: Case) -> None:
    against_peers(bench, case, "1GB", PEERS)


def flowlogs_8gb(bench: Bench, case: Case) -> None:
    against_peers(bench, case, "8GB", FAST)


def scaling(bench: Bench, case: Case) -> None:
    path = bench.log("8GB")
    workers = {f"-j {n}": flowlogs(bench, path, "-j", str(n), "--stats", "-") for n in (1, 2)}
    bench.alternate(case, workers)


def read_limit(bench: Bench, case: Case) -> None:
    """The map phase alone against two processes that only read, each its half."""
    path = bench.log("8GB")
    read = [sys.executable, str(HERE / "read_limit.py"), str(path), "2"]
    ours = flowlogs(bench, path, "-j", "2", "--stats", "-")
    bench.alternate(case, {OURS: ours, "read only": [*read, "--stats"]})


def startup(bench: Bench, case: Case) -> None:
    imports = [sys.executable, "-c", "import typer, tqdm"]
    ours = flowlogs(bench, bench.log("12MB"))
    bench.alternate(case, {OURS: ours, "import typer, tqdm": imports})


def memory(bench: Bench, case: Case) -> None:
    """Start each command from a small process: ``wait4`` never reports less than its memory."""
    peak = [sys.executable, "-S", str(HERE / "peak.py")]
    sizes = {
        size: [*peak, *flowlogs(bench, bench.log(size), "-j", "2"), "--stats"]
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
        OURS: flowlogs(bench, path, "-j", "2"),
        "cat": ["sh", "-c", f"cat '{path}' >/dev/null"],
    }
    bench.alternate(case, commands, forget)


def sizes(bench: Bench, case: Case) -> None:
    peers = installed(case, FAST[:2])
    for size in ("1MB", "10MB", "100MB", "1GB", "8GB"):
        path = bench.log(size)
        commands = {f"{OURS} {size}": flowlogs(bench, path, "-j", "2")}
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
