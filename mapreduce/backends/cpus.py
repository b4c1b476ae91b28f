"""Find out how many CPUs this process may use, by its affinity and the quota of its control group.

A container with half a CPU sees all CPUs of its machine. If one process were started for each of
them, all would be slowed down. Sources: the kernel's documentation of ``cpu.max`` (cgroup v2) and
of ``cpu.cfs_quota_us`` (v1).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")


def usable_cpus(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int:
    """Return how many CPUs this process may use. A fraction counts as a whole CPU."""
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    else:
        cpus = os.cpu_count() or 1
    quotas = [*_quotas(root, membership)]
    return max(1, min([cpus, *(ceil(quota) for quota in quotas)]))


def _quotas(root: Path, membership: Path) -> Iterator[float]:
    """Yield the quota, in CPUs, of each control group of this process and of the groups above.

    On a system without control groups, yield nothing.
    """
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _number, controllers, name = line.split(":", 2)
            if controllers == "":
                yield from _quotas_upwards(root, name, _quota_v2)
            elif "cpu" in controllers.split(","):
                for mount in (root / controllers, root / "cpu"):
                    yield from _quotas_upwards(mount, name, _quota_v1)


def _quotas_upwards(
    mount: Path, name: str, quota_of: Callable[[Path], float | None]
) -> Iterator[float]:
    """Yield the quotas of a group and of all groups above it that are visible."""
    group = PurePosixPath(name)
    for each in (group, *group.parents):
        directory = mount / str(each).lstrip("/")
        with suppress(OSError, ValueError):  # a container sees only its own group
            quota = quota_of(directory)
            if quota is not None:
                yield quota


def _quota_v2(directory: Path) -> float | None:
    quota, period = (directory / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(directory: Path) -> float | None:
    quota = int((directory / "cpu.cfs_quota_us").read_text())
    return None if quota <= 0 else quota / int((directory / "cpu.cfs_period_us").read_text())
