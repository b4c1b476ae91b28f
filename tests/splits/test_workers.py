"""The number of processes is chosen by what is fastest; the result does not depend on it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from naive import count_fields

from mapreduce import LineMapper, Result, kernel, run
from mapreduce.jobs.count import count
from mapreduce.jobs.wordcount import wordcount
from mapreduce.kernel.pace import NATIVE, PYTHON, WORDS, Pace

FEW = b"".join(b"%d x\n" % (n % 7) for n in range(40_000))
EVER_NEW = b"".join(b"%030d x\n" % n for n in range(40_000))

needs_native = pytest.mark.skipif(not kernel.VARIANTS, reason="the native kernel is not built")


@pytest.fixture
def run_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Return ``run`` of the count job, with a pace that treats a few bytes like many."""

    def run_it(data: bytes, pace: Pace, **options: Any) -> Result:
        monkeypatch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: pace)
        path = tmp_path / "log"
        path.write_bytes(data)
        return run(count("1"), [path], workers=2, **options)

    return run_it


@pytest.mark.skipif(kernel.NAME == "pure", reason="only packed counts are weighed")
@pytest.mark.parametrize(("data", "workers"), [(FEW, 2), (EVER_NEW, 1)])
def test_ever_new_keys_are_not_sent_between_processes(
    run_with: Callable[..., Result], data: bytes, workers: int
) -> None:
    ticks: list[int] = []
    found = run_with(data, Pace(1, 1 << 30, trial=90_000), progress=ticks.append)
    assert (found.stats.workers, found.stats.bytes) == (workers, len(data))
    assert found.counts == count_fields(data, b" ", (1,), None).keys
    assert sum(ticks) == len(data)


@pytest.mark.parametrize("data", [FEW, EVER_NEW])
@pytest.mark.parametrize(
    ("options", "trial"), [({"split_size": 400_000}, 90_000), ({}, 0), ({}, 10**9)]
)
def test_there_is_no_trial_where_none_is_wanted(
    run_with: Callable[..., Result], data: bytes, options: dict[str, int], trial: int
) -> None:
    found = run_with(data, Pace(1, 1 << 30, trial), **options)
    assert found.stats.workers == 2 or trial == 10**9
    assert found.counts == count_fields(data, b" ", (1,), None).keys


@pytest.mark.skipif(kernel.NAME == "pure", reason="only packed counts are weighed")
def test_compressed_inputs_are_not_tried(run_with: Callable[..., Result], tmp_path: Path) -> None:
    """The packed counts are large compared with compressed bytes, but not with the text."""
    found = run_with(gzip.compress(EVER_NEW), Pace(1, 1 << 30, trial=10**9))
    assert found.stats.workers == 2
    assert found.counts == count_fields(EVER_NEW, b" ", (1,), None).keys


def test_a_job_in_python_has_the_pace_of_python_whatever_the_kernel_is() -> None:
    assert LineMapper(bytes.split).pace is PYTHON
    assert wordcount().mapper.pace is (PYTHON if kernel.NAME == "pure" else WORDS)
    assert count("1").mapper.pace is (PYTHON if kernel.NAME == "pure" else NATIVE)
