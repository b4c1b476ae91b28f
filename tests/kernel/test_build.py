"""The C code builds without a warning, with and without the limited API, and keeps its limits."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from promises import becomes, change_text, promise

import mapreduce
from mapreduce import kernel

PROJECT = Path(__file__).parents[2]
INCLUDE = Path(sysconfig.get_path("include"))
LIMITED = "-DPy_LIMITED_API=0x030B0000"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
BUILT_WITH = [] if FREE_THREADED else [LIMITED]

pytestmark = pytest.mark.skipif(
    not shutil.which("cc") or not (INCLUDE / "Python.h").exists(),
    reason="no C compiler, or no headers of Python",
)


def build_native(compiler: str, flags: Sequence[str], sources: Path, target: Path) -> str:
    """Compile the native kernel; return what the compiler says."""
    files = [str(source) for source in sorted(sources.glob("*.c"))]
    command = [compiler, "-std=c11", "-O1", "-fPIC", "-shared", f"-I{INCLUDE}", *flags, *files]
    run = subprocess.run([*command, "-o", target], capture_output=True, text=True, check=False)
    return run.stderr


@promise(
    "The kernel builds without a warning",
    broken_by=change_text(
        "mapreduce/kernel/_batch.h", "#pragma once", "#pragma once\nstatic int unused;"
    ),
)
@pytest.mark.parametrize(
    ("compiler", "flags"),
    [("gcc", []), ("gcc", BUILT_WITH), ("clang", BUILT_WITH)],
    ids=["gcc without the limited API", "gcc", "clang"],
)
def test_the_native_kernel_builds_without_a_warning(
    tmp_path: Path, compiler: str, flags: list[str]
) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    flags = ["-Wall", "-Wextra", "-Werror", *flags]
    sources = PROJECT / "mapreduce" / "kernel"
    assert build_native(compiler, flags, sources, tmp_path / "native.so") == ""


SANITIZED = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]


def can_sanitize(program: str) -> bool:
    command = ["cc", *SANITIZED, "-x", "c", "-", "-o", program]
    run = subprocess.run(command, input=b"int main(void) {}", capture_output=True, check=False)
    return run.returncode == 0


@pytest.mark.parametrize(
    ("compiler", "emulator"), [("cc", ""), ("aarch64-linux-gnu-gcc", "qemu-aarch64")]
)
def test_the_table_keeps_its_promises_without_memory_and_with_long_keys(
    tmp_path: Path, compiler: str, emulator: str
) -> None:
    missing = [tool for tool in (compiler, emulator) if tool and not shutil.which(tool)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    program = str(tmp_path / "table")
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    flags += ["-static"] if emulator else SANITIZED if can_sanitize(program) else []
    source = str(Path(__file__).with_name("table.c"))
    subprocess.run([compiler, *flags, source, "-o", program], check=True)
    command = [*filter(None, [emulator]), program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "held\n")


@pytest.fixture(scope="module")
def with_short_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project whose native kernel takes keys of at most 100 bytes."""
    copy = tmp_path_factory.mktemp("copy")
    folder = copy / "mapreduce" / "kernel"
    shutil.copytree(Path(mapreduce.__file__).parent, copy / "mapreduce")
    for path in folder.glob("_native.*so"):
        path.unlink()
    target = folder / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    assert build_native("cc", ["-DLONGEST_KEY=100"], folder, target) == ""
    return copy


def run_in(copy: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    environment.pop("MAPREDUCE_KERNEL", None)
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=cwd
    )


@promise(
    "Every kernel refuses the same keys as too long",
    broken_by=becomes("mapreduce.kernel._pure:check_lengths", "pass"),
)
def test_every_kernel_refuses_the_same_keys_as_too_long(
    with_short_keys: Path, tmp_path: Path
) -> None:
    script = """
from mapreduce import InputError, kernel
from mapreduce.kernel import _pure

_pure.LONGEST_KEY = 100
for name in [*kernel.VARIANTS, "pure"]:
    for fields, weights, line in [
        ((1,), (), b"k" * 100 + b" x"),
        ((1,), (), b"k" * 101 + b" x"),
        ((1,), (), b"k" * 300 + b" x"),
        ((1, 2), (), b"k" * 98 + b" x"),
        ((1, 2), (), b"k" * 99 + b" x"),
        ((1, 1, 1), (), b"k" * 34 + b" x"),
        ((1,), (2,), b"k" * 100 + b" 1234567890"),
        ((1,), (2,), b"k" * 93 + b" 12345x"),
        ((1,), (2,), b"k" * 94 + b" 12345x"),
    ]:
        table = kernel.choose(name)[1](b" ", fields, None, weights)
        try:
            table.scan(memoryview(b"a 1\\n" * 40 + line + b"\\n" + b"b 2\\n" * 40), False)
            print("counted", end=" ")
        except InputError as error:
            assert str(error) == "a key of more than 100 bytes; count fewer or shorter fields"
            print("refused", end=" ")
    print(table.forget([b"k" * 101]), table.forget([b"a"]))
"""
    run = run_in(with_short_keys, "-c", script, cwd=tmp_path)
    outcomes = "counted refused refused counted refused refused counted counted refused"
    lines = run.stdout.splitlines()
    assert run.stderr == ""
    assert len(lines) == len(kernel.VARIANTS) + 1
    assert {line.rpartition(" [0] ")[0] for line in lines} == {outcomes}


def test_a_run_with_a_key_that_is_too_long_says_where(
    with_short_keys: Path, tmp_path: Path
) -> None:
    (tmp_path / "log").write_bytes(b"a x\n" + b"k" * 101 + b" x\n")
    run = run_in(with_short_keys, "-m", "mapreduce", "count", "-F", "1", "log", cwd=tmp_path)
    assert run.returncode == 1
    where = "mapreduce: error: log, bytes 0 to 108"
    assert run.stderr == f"{where}: a key of more than 100 bytes; count fewer or shorter fields\n"
    assert not (tmp_path / "outputs").exists()


@pytest.mark.skipif(not kernel.BUILT, reason="the native kernel is not built")
def test_both_kernels_have_the_same_longest_key() -> None:
    from mapreduce.kernel import _native, _pure

    assert _native.LONGEST_KEY == _pure.LONGEST_KEY


@pytest.mark.parametrize("free_threaded", [True, False])
def test_the_limited_api_is_asked_for_wherever_python_has_it(
    monkeypatch: pytest.MonkeyPatch, free_threaded: bool
) -> None:
    setuptools = pytest.importorskip("setuptools")
    asked: dict[str, Any] = {}
    monkeypatch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": int(free_threaded)}.get)
    monkeypatch.setattr(setuptools, "setup", lambda **options: asked.update(options))
    monkeypatch.delenv("MAPREDUCE_REQUIRE_NATIVE", raising=False)
    monkeypatch.chdir(PROJECT)
    runpy.run_path("setup.py")
    (extension,) = asked["ext_modules"]
    assert extension.optional
    assert extension.py_limited_api is not free_threaded
    assert bool(extension.define_macros) is not free_threaded
    assert bool(asked["options"]) is not free_threaded
