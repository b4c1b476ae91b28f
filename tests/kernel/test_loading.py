"""A native kernel that is not there says why: it was not built, or it does not load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from promises import change, promise

import mapreduce

Damage = Callable[[Path], None]
"""Changes the folder of the kernel in a copy of the package."""


def remove_native(folder: Path) -> None:
    for path in folder.glob("_native.*so"):
        path.unlink()


def break_native(folder: Path) -> None:
    remove_native(folder)
    (folder / f"_native{EXTENSION_SUFFIXES[0]}").write_bytes(b"no library")


def run_copy(tmp_path: Path, damage: Damage, *arguments: str, kernel: str = "") -> str:
    """Run the command of a damaged copy of the package; return what it prints to both outputs."""
    copy = tmp_path / "copy" / "mapreduce"
    if not copy.exists():
        shutil.copytree(Path(mapreduce.__file__).parent, copy)
        damage(copy / "kernel")
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "MAPREDUCE_KERNEL": kernel}
    return subprocess.run(
        [sys.executable, "-P", "-m", "mapreduce", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    ).stdout


@promise(
    "A native kernel that is missing says why",
    broken_by=change("mapreduce.kernel", "printable(...)", "''"),
)
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_native, "the native kernel is not built"),
        (break_native, "the native kernel does not load: /"),
    ],
)
def test_a_native_kernel_that_is_missing_says_why(
    tmp_path: Path, damage: Damage, reason: str
) -> None:
    (tmp_path / "log").write_bytes(b"a x\nb x\na x\n")
    version = run_copy(tmp_path, damage, "--version")
    assert f", pure kernel ({reason}" in version
    counted = run_copy(tmp_path, damage, "count", "-F", "1", "log")
    assert ": 3 counted, " in counted
    assert f", pure kernel, {reason}" in counted
    forced = run_copy(tmp_path, damage, "count", "-F", "1", "log", kernel="portable")
    assert (
        f"MAPREDUCE_KERNEL=portable: this machine has no such kernel; choose one of pure ({reason}"
        in forced
    )
    assert (str(tmp_path / "copy") in version) == (damage is break_native)


def test_an_import_that_fails_within_the_kernel_is_not_taken_for_one_that_is_not_built(
    tmp_path: Path,
) -> None:
    def forget_a_module(folder: Path) -> None:
        path = folder / "native.py"
        path.write_text(path.read_text().replace("import os\n", "import no_such_module\n"))

    text = run_copy(tmp_path, forget_a_module, "--version")
    assert "No module named 'no_such_module'" in text
    assert "kernel" not in text.splitlines()[-1]
