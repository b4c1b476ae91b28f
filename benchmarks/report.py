"""Make RESULTS.md and results.png from the raw runs in ``benchmarks/runs/``, and from nothing else.

python benchmarks/report.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

HERE: Final = Path(__file__).parent
OURS: Final = "mapreduce"
FAST: Final = ("Polars", "DuckDB", "ClickHouse (chdb)")
GIGABYTES: Final = {"flowlogs-8gb": 8, "line-function": 0.2, "regex": 0.2}
"""The size of a case's data, if it is not 1."""
MEGABYTES: Final = {"1MB": 1, "10MB": 10, "100MB": 100, "1GB": 1000, "8GB": 8000}

Runs = dict[str, Any]
Measured = tuple[str, float, bool]
"""What was measured, its value, and whether more is better."""


def load() -> dict[str, Runs]:
    """Return the newest run of each case."""
    paths = sorted((HERE / "runs").glob("*.json"))
    return {raw["name"]: raw for raw in (json.loads(path.read_text()) for path in paths)}


def seconds(case: Runs, name: str) -> float:
    return float(median(case["seconds"][name]))


def map_seconds(case: Runs, name: str) -> float:
    return float(median(figures["seconds"]["map"] for figures in case["figures"][name]))


def faster_than_best(case: Runs) -> Measured:
    best = min((name for name in FAST if name in case["seconds"]), key=lambda n: seconds(case, n))
    return f"times faster than {best}", seconds(case, best) / seconds(case, OURS), True


def faster_than_peers(case: Runs) -> Measured:
    best = min((name for name in case["seconds"] if name != OURS), key=lambda n: seconds(case, n))
    return f"times faster than {best}", seconds(case, best) / seconds(case, OURS), True


def read_limit(case: Runs) -> Measured:
    share = map_seconds(case, "read only") / map_seconds(case, OURS)
    return "of the rate of two processes that only read", share, True


def scaling(case: Runs) -> Measured:
    return (
        "times faster with 2 workers than with 1",
        seconds(case, "-j 1") / seconds(case, "-j 2"),
        True,
    )


def startup(case: Runs) -> Measured:
    ratio = seconds(case, OURS) / seconds(case, "import typer, tqdm")
    return "times `import typer, tqdm`", ratio, False


def memory(case: Runs) -> Measured:
    peaks = {
        size: median(figures["peak_mib"] for figures in case["figures"][size])
        for size in ("1GB", "8GB")
    }
    growth = peaks["8GB"] / peaks["1GB"] - 1
    return f"MiB in the largest process at 8 GB ({growth:+.0%} from 1 GB)", peaks["8GB"], False


def gzip_16(case: Runs) -> Measured:
    peers = [name for name in case["seconds"] if name not in (OURS, "bare isal")]
    best = min(peers, key=lambda name: seconds(case, name))
    bare = seconds(case, OURS) / seconds(case, "bare isal")
    return (
        f"times faster than {best}; {bare:.2f} times two processes that only decompress (bar 1.4)",
        seconds(case, best) / seconds(case, OURS),
        True,
    )


def gzip_1(case: Runs) -> Measured:
    ratio = seconds(case, "bare isal") / seconds(case, OURS)
    return "of the rate of one process that only decompresses it", ratio, True


def pure(case: Runs) -> Measured:
    rates = case["figures"]["MB/s"][0]
    ratio = median(rates["kernel"]) / median(rates["findall"])
    return "of the rate of `re.findall` into a Counter", ratio, True


def cold(case: Runs) -> Measured:
    return "times `cat`, both with a cold cache", seconds(case, OURS) / seconds(case, "cat"), False


CASES: Final[dict[str, tuple[str, Callable[[Runs], Measured]]]] = {
    "flowlogs-1gb": ("flowlogs, 1 GB", faster_than_best),
    "flowlogs-8gb": ("flowlogs, 8 GB", faster_than_best),
    "read-limit": ("map phase, 8 GB", read_limit),
    "scaling": ("2 workers, 8 GB", scaling),
    "startup": ("12 MB, whole command", startup),
    "memory": ("peak memory", memory),
    "count-addresses": ("count -F 4,5, 1 GB", faster_than_best),
    "pure": ("pure kernel, one core", pure),
    "gzip-16": ("16 gzip files, 1 GB plain", gzip_16),
    "gzip-1": ("one gzip file of 280 MB", gzip_1),
    "cold": ("1 GB, cold cache", cold),
    "words": ("words of text, 1 GB", faster_than_peers),
    "access-log": ("access log by path and status, 1 GB", faster_than_peers),
    "csv-quoted": ("CSV with quotes by two columns, a sum, 1 GB", faster_than_peers),
    "json-lines": ("JSON lines by two nested paths, 1 GB", faster_than_peers),
    "line-function": ("a Python function of a line, 200 MB", faster_than_peers),
    "regex": ("a regular expression with groups, 200 MB", faster_than_peers),
}
TABLES: Final = (
    "flowlogs-1gb",
    "flowlogs-8gb",
    *(name for name, (_, measure) in CASES.items() if measure is faster_than_peers),
)
"""The cases of which each tool is shown."""


def verdict(value: float, more_is_better: bool, bars: dict[str, float]) -> str:
    reached = [
        name for name, bar in bars.items() if (value >= bar) == more_is_better or value == bar
    ]
    return "stretch" if "stretch" in reached else "met" if "bar" in reached else "**missed**"


def case_rows(runs: dict[str, Runs]) -> list[str]:
    rows = ["| case | measured | bar | stretch | |", "|---|---|---|---|---|"]
    for name, (title, measure) in CASES.items():
        if name not in runs or not (runs[name]["seconds"] or runs[name]["figures"]):
            rows.append(
                f"| {title} | not measured: {runs.get(name, {}).get('missing', '')} | | | |"
            )
            continue
        text, value, more_is_better = measure(runs[name])
        bars = runs[name]["bars"]
        shown = [f"{bars[bar]:g}" if bar in bars else "" for bar in ("bar", "stretch")]
        result = verdict(value, more_is_better, bars)
        rows.append(f"| {title} | {value:.2f} {text} | {shown[0]} | {shown[1]} | {result} |")
    return rows


def tool_rows(case: Runs) -> list[str]:
    rows = ["| tool | version | median s | GB/s | peak MiB |", "|---|---|---|---|---|"]
    versions, size = case["machine"]["versions"], GIGABYTES.get(case["name"], 1)
    for name in sorted(case["seconds"], key=lambda name: seconds(case, name)):
        time, peak = seconds(case, name), median(case["peak_mib"][name])
        rows.append(
            f"| {name} | {versions.get(name) or ''} | {time:.2f} | {size / time:.2f} | {peak:.0f} |"
        )
    return [*rows, *(f"| {name} | not installed | | | |" for name in case["missing"])]


def write_tables(runs: dict[str, Runs]) -> None:
    first = next(iter(runs.values()))
    machine = first["machine"]
    lines = [
        "# Results",
        "",
        f"Made by `report.py` from the raw runs in `runs/`; {first['date'][:10]}, "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Python {machine['python']}. Whole processes in turns, medians; the machine is shared, so "
        "only ratios mean anything.",
        "",
        *case_rows(runs),
    ]
    for name in TABLES:
        if name in runs:
            lines += [
                "",
                f"## {CASES[name][0]}, all with the same counts",
                "",
                *tool_rows(runs[name]),
            ]
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")


def write_readme(runs: dict[str, Runs]) -> None:
    """Put the table of tools between its two marks in the README."""
    readme = HERE.parent / "README.md"
    begin, end = "<!-- made by benchmarks/report.py -->\n", "<!-- end -->"
    before, _, rest = readme.read_text().partition(begin)
    rows = "\n".join(tool_rows(runs["flowlogs-1gb"]))
    readme.write_text(f"{before}{begin}{rows}\n{end}{rest.partition(end)[2]}")


def draw(runs: dict[str, Runs]) -> None:
    """Draw throughput by tool, scaling by workers, throughput by size."""
    import matplotlib as mpl  # noqa: PLC0415 - only needed here

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    if case := runs.get("flowlogs-1gb"):
        names = sorted(case["seconds"], key=partial(seconds, case), reverse=True)
        colours = ["#d62728" if name == OURS else "#9aa5b1" for name in names]
        bars = axes[0].barh(names, [1 / seconds(case, name) for name in names], color=colours)
        axes[0].bar_label(bars, fmt="%.2f", padding=3)
        axes[0].set(title="1 GB of flow logs, 2 cores", xlabel="GB/s, whole process")
        axes[0].margins(x=0.15)
    if case := runs.get("scaling"):
        rates = [8 / seconds(case, name) for name in ("-j 1", "-j 2")]
        bars = axes[1].bar(["1 worker", "2 workers"], rates, color="#d62728", width=0.5)
        axes[1].bar_label(bars, fmt="%.2f", padding=3)
        axes[1].axhline(2 * rates[0], color="#9aa5b1", linestyle="--", label="twice one worker")
        axes[1].set(title="8 GB by workers", ylabel="GB/s, whole process")
        axes[1].margins(y=0.12)
        axes[1].legend()
    if case := runs.get("sizes"):
        for tool, colour in ((OURS, "#d62728"), ("Polars", "#1f77b4"), ("DuckDB", "#e0a800")):
            points = [(MEGABYTES[size], f"{tool} {size}") for size in MEGABYTES]
            found = [(size, size / seconds(case, n)) for size, n in points if n in case["seconds"]]
            axes[2].plot(*zip(*found, strict=True), marker="o", label=tool, color=colour)
        axes[2].set(title="By size of the log", xlabel="MB", ylabel="MB/s, whole process")
        axes[2].set(xscale="log", yscale="log")
        axes[2].legend()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "results.png", dpi=110)


def main() -> None:
    """Make the tables and the picture."""
    loaded = load()
    write_tables(loaded)
    write_readme(loaded)
    draw(loaded)


if __name__ == "__main__":
    main()
