"""The number of workers respects the affinity and the CPU quota of the process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from promises import becomes, promise

from mapreduce.backends.cpus import usable_cpus


def make(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


@promise(
    "A quota of a control group limits the number of workers",
    broken_by=becomes("mapreduce.backends.cpus:_quotas", "return iter(())"),
)
@pytest.mark.usefixtures("eight_cpus")
@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"}, 2),
        ("0::/gone\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/../x\n", {}, 8),
        (
            "4:cpu,cpuacct:/x\n3:memory:/x\n",
            {
                "cpu,cpuacct/x/cpu.cfs_quota_us": "150000\n",
                "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            "4:cpu:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
            8,
        ),
        ("4:cpuset:/x\n", {"cpuset/x/cpu.cfs_quota_us": "1000\n"}, 8),
        ("0::/\n", {"cpu.max": "nonsense\n"}, 8),
    ],
)
def test_a_quota_of_a_control_group_limits_the_workers(
    tmp_path: Path, membership: str, files: dict[str, str], expected: int
) -> None:
    make(tmp_path / "cgroup", files)
    said = tmp_path / "self"
    said.write_text(membership)
    assert usable_cpus(tmp_path / "cgroup", said) == expected


@pytest.mark.usefixtures("eight_cpus")
def test_a_system_without_control_groups_grants_its_affinity(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path, tmp_path / "missing") == 8
