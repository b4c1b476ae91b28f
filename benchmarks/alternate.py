"""Time commands against each other: A B A B, the median of several rounds, and the ratio.

    python benchmarks/alternate.py 'python -c "import typer, tqdm"' 'mapreduce flowlogs ...'

One absolute time on a shared machine is not a result; the ratio of medians of one run is. Each
command is run once beforehand, so that all of them find the page cache as warm.
"""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
import time
from typing import Annotated

import typer


def alternate(
    commands: Annotated[list[str], typer.Argument(help="Commands; ratios are to the first.")],
    rounds: Annotated[int, typer.Option("--rounds", "-n", min=1)] = 5,
) -> None:
    """Print the median seconds of each command and its ratio to the first."""
    seconds = measure([shlex.split(command) for command in commands], rounds)
    medians = [statistics.median(times) for times in seconds]
    for command, median, times in zip(commands, medians, seconds, strict=True):
        runs = " ".join(f"{one:.3f}" for one in times)
        print(f"{median:8.3f} s  {median / medians[0]:6.3f} x  {command}\n{'':12}({runs})")


def measure(commands: list[list[str]], rounds: int) -> list[list[float]]:
    """Return the seconds of each round of each command, run in turns."""
    seconds: list[list[float]] = [[] for _ in commands]
    for number in range(rounds + 1):
        for command, times in zip(commands, seconds, strict=True):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
            if number:
                times.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    typer.run(alternate)
