"""What the tests of whole runs share: a log, ways to run, and the comparison with the oracle."""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.pool import Pool as StockPool
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    LOOKUP,
    counts_nothing,
    pairs_of,
    record,
    without_manifest,
)
from naive import count_flow_logs

from mapreduce import KeyCount, LineMapper, Result, run
from mapreduce.engine import SHOWN
from mapreduce.errors import (
    NothingCountedError,
)
from mapreduce.jobs.flowlogs.job import FlowLogs
from mapreduce.kernel.pace import Pace

FLOWS = FlowLogs(LOOKUP)
LOG = b"".join(
    line + b"\n"
    for line in [record(), record(b"-", b"-", b"NODATA"), b"bad", record(b"53", b"17"), b"\r"]
) * 10 + record(b"22")
MARK: list[str] = []
"""What a test puts in here is seen only by workers that are forked afterwards."""

Run = Callable[..., Result]


class StopError(Exception):
    """Raised by a progress callback to end a run."""


def run_split(inputs: Iterable[Path | str], job: Any = FLOWS, **options: Any) -> Result:
    """Run with processes from the first byte on (if ``workers`` are more than 1)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
        return run(job, inputs, **options)


@contextmanager
def open_stock_pool() -> Iterator[StockPool]:
    """Yield a pool whose threads no other test sees: forking beside them would not be safe.

    It ends by itself before ``terminate``, which kills workers and may hang on what they held
    (CPython gh-73945).
    """
    method = "fork" if sys.platform == "linux" else None
    with multiprocessing.get_context(method).Pool(2) as pool:
        try:
            yield pool
        finally:
            pool.close()
            pool.join()


@pytest.fixture(params=["parent", "own pool", "stock pool"])
def run_by(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Return ``run_split`` in this process, with a pool of our own, or with a standard pool."""
    crew: dict[str, Any] = {"workers": 1 if request.param == "parent" else 2}

    def run_it(inputs: Iterable[Path | str], job: Any = FLOWS, **options: Any) -> Result:
        return run_split(inputs, job, **crew, **options)

    with ExitStack() as stack:
        if request.param == "stock pool":
            crew = {"backend": stack.enter_context(open_stock_pool())}
        yield run_it


def line_job(function: Callable[[bytes], Iterable[bytes]]) -> KeyCount:
    return KeyCount(LineMapper(function), "keys.csv", ("Key", "Count"))


def check(result: Result, contents: Sequence[bytes]) -> None:
    """Compare all that a run of the flow-log job says with the oracle."""
    expected, stats = count_flow_logs(contents, LOOKUP), result.stats
    assert pairs_of(result.counts) == expected.pairs
    assert (stats.lines, stats.counted, stats.skipped, stats.malformed) == (
        expected.lines,
        expected.counted,
        expected.skipped,
        expected.malformed,
    )
    places = [(reject.index, reject.offset) for reject in result.rejects]
    assert places == expected.malformed_at[:SHOWN]
    tags, pairs = (table.rows for table in result.tables)
    assert Counter({str(tag): int(number) for tag, number in tags}) == expected.tags
    assert sum(int(row[-1]) for row in tags) == sum(int(row[-1]) for row in pairs) == stats.counted
    assert (stats.inputs, stats.bytes) == (len(contents), sum(map(len, contents)))
    assert stats.distinct_keys == len(result.counts)


def check_run(contents: Sequence[bytes], call: Callable[[], Result]) -> None:
    """Make a run and check its result, or that it refuses lines of which none could be counted."""
    expected = count_flow_logs(contents, LOOKUP)
    if not counts_nothing(expected.counted, expected.skipped, expected.malformed):
        check(call(), contents)
        return
    with pytest.raises(NothingCountedError) as caught:
        call()
    assert caught.value.malformed == expected.malformed
    places = [(reject.index, reject.offset) for reject in caught.value.rejects]
    assert places == expected.malformed_at[:SHOWN]


def listing(directory: Path) -> dict[str, bytes]:
    return without_manifest({path.name: path.read_bytes() for path in directory.rglob("*")})


@pytest.fixture
def old_output(tmp_path: Path) -> Iterator[Path]:
    """Return a directory with results of an earlier run; they must still be there at the end."""
    for name in FLOWS.outputs:
        (tmp_path / name).write_bytes(b"old\n")
    yield tmp_path
    assert listing(tmp_path) == dict.fromkeys(FLOWS.outputs, b"old\n")


def divide(_line: bytes) -> list[bytes]:
    """Fail."""
    return [b"%d" % (1 // len(MARK))]
