"""Fuzz the splitter, the mapper, the kernels and the lookup reader, guided by coverage.

Not a test by itself: ``python tests/fuzz_coverage.py SECONDS [CORPUS]``. With atheris, inputs are
bred for new paths through our Python; without it, hypothesis draws them. Whatever comes is held to
the oracle, or must be refused with the error that is documented. ``fuzz_native.py`` has the C code
under sanitizers.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import count_fields, count_flow_logs, says_its_layout

HAS_ATHERIS = importlib.util.find_spec("atheris") is not None
if HAS_ATHERIS:
    import atheris

    watched: Any = atheris.instrument_imports(include=["mapreduce", "jobs"])
else:
    watched = nullcontext()
with watched:
    from held import unpack

    from mapreduce import Totals, UsageError, kernel
    from mapreduce.inputs.sources import find_sources
    from mapreduce.jobs.flowlogs.job import FlowLogs
    from mapreduce.jobs.flowlogs.lookup import read_lookup
    from mapreduce.kernel import _pure
    from mapreduce.mapping.task import MapSettings, forget_combiners, map_task
    from mapreduce.reducing.tree import merge
    from mapreduce.splits.split import find_splits

LOOKUP = {(443, 6): "web", (53, 17): "names"}
FLOWS = FlowLogs(LOOKUP)
RECORD = b"2 1 eni-1 10.0.0.1 10.0.0.2 49152 443 6 7 840 1700000000 1700000060 ACCEPT OK\n"
SEEDS = [
    RECORD * 3,
    RECORD.replace(b"443 6", b"- -").replace(b"OK", b"NODATA"),
    b"dstport,protocol,tag\n443,tcp,web\n53,17,names\n",
    b'protocol,"dstport",tag\r\nudp,53,"a, ""b"""\r\n',
    b"a b c\n\n\r\nd e f g\n",
]
BOM = b"\xef\xbb\xbf"


def flow_logs(data: bytes, path: Path, cuts: tuple[int, int]) -> None:
    """Split, map and merge a file; every figure is the oracle's."""
    if says_its_layout(data):
        return
    path.write_bytes(data)
    try:
        sources = find_sources([path])
    except UsageError:
        return  # something else than lines
    forget_combiners()
    split_settings = MapSettings(FLOWS.mapper, block_size=cuts[1], wanted=3)
    splits = find_splits(sources, workers=2, split_size=cuts[0], tick=lambda _size: None)
    parts = [map_task(split, split_settings) for split in splits]
    expected = count_flow_logs([data.removeprefix(BOM)], LOOKUP)
    if not parts:
        assert expected.lines == 0
        return
    whole = parts[0]
    for part in parts[1:]:
        whole = merge(whole, part, 3)
    found = (whole.lines, whole.counted, whole.skipped, whole.malformed)
    assert found == (expected.lines, expected.counted, expected.skipped, expected.malformed)
    shift = len(BOM) if data.startswith(BOM) else 0
    places = [offset + shift for _number, offset in expected.malformed_at[:3]]
    assert [reject.offset for reject in whole.rejects] == places
    tags, _pairs = FLOWS.finish(whole.totals)
    assert {**{tag: n for tag, n in tags.rows if n}} == dict(expected.tags)


def kernels(data: bytes, columns: tuple[bytes, tuple[int, ...], int | None]) -> None:
    """Count a block with each kernel; all agree with the oracle, and rank alike."""
    block = data + b"\n"
    expected = count_fields(block, *columns)
    rows = None
    for make in (_pure.FieldTable, kernel.FieldTable):
        table = make(*columns)
        scan = table.scan(memoryview(block))
        assert (scan.lines, scan.empty, scan.misshapen) == (
            expected.lines,
            expected.empty,
            expected.misshapen,
        )
        assert Counter(scan.fresh) == Counter(expected.keys.keys())
        counts = table.drain()
        rows = rows or list(Totals(counts).rows(split_at=columns[0]))
        assert rows == list(Totals(counts).rows(split_at=columns[0]))
        assert unpack(counts) == expected.keys


def lookups(data: bytes, path: Path) -> None:
    """Read a lookup; it is refused with lines that say where, or all its pairs are possible."""
    path.write_bytes(data)
    try:
        tags = read_lookup(path)
    except UsageError as error:
        check_refusal(str(error).splitlines(), path)
        return
    assert all(0 <= port <= 65535 and 0 <= number <= 255 for port, number in tags)
    assert all(tag and tag.casefold() != "untagged" for tag in tags.values())


def check_refusal(lines: list[str], path: Path) -> None:
    """Check that each line of an error says where."""
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith((f"{path}:", "... and ")) for line in lines)


def packed(data: bytes) -> None:
    """Read bytes as packed counts: they are some, or refused."""
    if not kernel.BUILT:
        return
    from mapreduce.kernel.native import PackedCounts

    try:
        counts = PackedCounts(data).columns()[0]
    except ValueError:
        return
    merged = PackedCounts(data).merge(PackedCounts.of({b"x": 1}))
    assert set(merged.columns()[0]) | {b"x"} >= {key for key, n in counts.items() if n}


def one_input(data: bytes, directory: Path) -> None:
    """Let the first bytes choose the target and its parameters, the rest is its input."""
    head, body = data[:4].ljust(4, b"\0"), data[4:]
    if head[0] % 4 == 0:
        flow_logs(body, directory / "log", (1 + head[1] * 4, 1 + head[2] * 4))
    elif head[0] % 4 == 1:
        delimiter = bytes([head[1]])
        fields = tuple({1 + head[2] % 5: 0, 1 + head[3] % 7: 0})
        if delimiter not in b"\r\n":
            kernels(body, (delimiter, fields, None if head[3] & 128 else max(fields)))
    elif head[0] % 4 == 2:
        lookups(body, directory / "lookup.csv")
    else:
        packed(body)


def run_hypothesis(directory: Path, seconds: float) -> None:
    """Draw inputs until the time is over."""
    end, rounds = time.monotonic() + seconds, itertools.count()
    texts = st.binary(max_size=2000) | st.lists(st.sampled_from(SEEDS)).map(b"".join)

    @settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=4, max_size=4), texts)
    def draw(head: bytes, body: bytes) -> None:
        next(rounds)
        one_input(head + body, directory)

    while time.monotonic() < end:
        draw()
    print(f"hypothesis: {next(rounds)} inputs, no failure")


def main(seconds: int, corpus: Path | None) -> None:
    """Fuzz for so many seconds; fail at the first input that breaks anything."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if not HAS_ATHERIS:
            run_hypothesis(directory, seconds)
            return
        corpus = corpus or directory / "corpus"
        corpus.mkdir(exist_ok=True)
        for number, (target, seed) in enumerate(itertools.product(range(4), SEEDS)):
            (corpus / f"seed-{number}").write_bytes(bytes([target, 32, 7, 1]) + seed)
        flags = [f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=4000"]
        os.chdir(directory)  # where a crash is kept; its bytes are printed, too
        atheris.Setup(
            [sys.argv[0], *flags, "-verbosity=0", str(corpus)],
            lambda data: one_input(data, directory),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None)
