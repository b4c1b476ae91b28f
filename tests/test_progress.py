"""Workers report the progress of a run, and it adds up even if workers are killed."""

from __future__ import annotations

import time
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import slow
from conftest import WriteLogs
from promises import change, promise

from mapreduce import run

LINE: Final = b"a" * 63 + b"\n"
SLOW: Final[dict[str, Any]] = {"split_size": 1 << 20, "block_size": 5 * len(LINE)}
"""Each file is one split, and each block takes a twentieth of a second."""


@pytest.fixture(autouse=True)
def frequent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers report after each block, so that the tests need not take many seconds."""
    monkeypatch.setattr("mapreduce.backends.report.PERIOD", 0.05)


@promise(
    "Progress goes on while long splits are counted",
    broken_by=change("mapreduce.backends.report:report", "listener is None", "True"),
)
@pytest.mark.parametrize("workers", [1, 2])
def test_progress_goes_on_while_long_splits_are_counted(
    write_logs: WriteLogs, workers: int
) -> None:
    paths = write_logs(LINE * 60, LINE * 60)
    moved, ticks = [time.monotonic()], list[int]()

    def progress(size: int) -> None:
        ticks.append(size)
        if size:
            moved.append(time.monotonic())

    assert run(slow.slow_job(), paths, workers=workers, progress=progress, **SLOW).stats.splits == 2
    assert sum(ticks) == 2 * 60 * len(LINE)
    assert min(ticks) >= 0
    assert moved[-1] - moved[0] > 0.55
    assert max(later - earlier for earlier, later in pairwise(moved)) < 0.5


@promise(
    "What a killed worker had done is told once",
    broken_by=change(
        "mapreduce.reducing.tree:_Call.advance",
        "min(reported, self.size) - self.done",
        "min(reported, self.size)",
    ),
)
@pytest.mark.parametrize("deadly", [(20,), (20, 40), (10, 30, 59)])
def test_what_a_killed_worker_had_done_is_told_once(
    write_logs: WriteLogs, tmp_path: Path, deadly: tuple[int, ...]
) -> None:
    lines = [b"+%d" % n + b"." * 60 + b"\n" if n in deadly else LINE for n in range(60)]
    log = b"".join(lines)
    ticks: list[int] = []
    at_death: list[int] = []

    def progress(size: int) -> None:
        ticks.append(size)
        at_death.extend([sum(ticks)] * (len([*tmp_path.iterdir()]) - len(at_death)))

    found = run(
        slow.slow_job(tmp_path), write_logs(log, LINE), workers=2, progress=progress, **SLOW
    )
    assert found.stats.counted == 61
    assert len(at_death) == len(deadly)
    assert at_death[-1] > 5 * len(LINE)
    assert min(ticks) >= 0
    assert max(accumulate(ticks)) == sum(ticks) == len(log) + len(LINE)
