"""Measure this project against its peers and against the limits of the machine.

    python benchmarks/run.py --directory bench          # all cases; data is made there if needed
    python benchmarks/run.py --directory bench flowlogs-1gb words

Whole processes, a warm page cache (but for ``cold``), two workers. All commands of a case are run
in turns, A B A B; each peer's counts are compared with ours first. The raw runs of a case go into
``benchmarks/runs/DATE-CASE.json``, and ``report.py`` makes the tables and the picture from them.
The cases of flow logs stand in ``flowlog_cases.py``, the others in ``shape_cases.py``.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import flowlog_cases
import report
import shape_cases
import shape_peers
import typer
from bench import HERE, OURS, Bench, Case
from peers import PEERS

import mapreduce

CASES = {**flowlog_cases.CASES, **shape_cases.CASES}
ALL_PEERS = (*PEERS, *shape_peers.WORDS, *shape_peers.ACCESS)


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
        "versions": {peer.name: peer.version() for peer in ALL_PEERS}
        | {OURS: mapreduce.__version__, "typer": importlib.metadata.version("typer")},
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
