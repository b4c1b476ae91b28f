"""How the commands start: from anywhere, beside anything, under any flag of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from promises import becomes, change, promise

import mapreduce

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / "data"
METHODS: Final = ["fork", "forkserver", "spawn"]
COMMANDS: Final = {
    "python -m mapreduce": ["-m", "mapreduce", "flowlogs"],
    "mapreduce": ["-P", "-c", "from mapreduce.__main__ import mapreduce as run; run()", "flowlogs"],
    "processflows": ["-P", "-c", "from mapreduce.__main__ import processflows as run; run()"],
}
"""``-P`` because a script of an installed package has its own directory first, not the current."""

HOSTILE: Final = (
    "socket.py",
    "jobs.py",
    "struct.py",
    "signal.py",
    "typing.py",
    "traceback.py",
    "multiprocessing.py",
    "typer.py",
    "tqdm.py",
    "isal.py",
    "obstore.py",
    "contextlib.py",
    "selectors.py",
    "tempfile.py",
    "pickle.py",
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a directory of modules, and a package ``jobs``, that say so when they are imported."""
    directory = tmp_path / "hostile"
    (directory / "jobs").mkdir(parents=True)
    for name in (*HOSTILE, "jobs/__init__.py"):
        (directory / name).write_text(
            f"import os\nos.open({str(tmp_path / 'imported')!r}, os.O_CREAT)\nraise SystemExit(77)"
        )
    return directory


@promise(
    "Nothing is imported from the current directory",
    broken_by=becomes("mapreduce.__main__:_leave_current_directory", "pass"),
)
@pytest.mark.parametrize(
    ("command", "method"),
    [
        *(("python -m mapreduce", method) for method in METHODS),
        ("mapreduce", "forkserver"),
        ("processflows", "spawn"),
    ],
)
def test_nothing_is_imported_from_the_current_directory(
    hostile: Path, command: str, method: str
) -> None:
    log = hostile / "log"
    log.write_bytes((DATA / "flowlogs-2000.log").read_bytes() * 200)  # worth a pool
    arguments = ["-l", str(DATA / "lookup.csv"), "-j", "2", "--start-method", method, str(log)]
    done = subprocess.run(
        [sys.executable, *COMMANDS[command], *arguments],
        cwd=hostile,
        env={**os.environ, "MAPREDUCE_KERNEL": "pure"},  # worth a pool
        capture_output=True,
        text=True,
        check=False,
    )
    assert not (hostile.parent / "imported").exists()
    assert (done.returncode, done.stdout) == (0, "")
    assert "400,000 lines" in done.stderr
    assert "2 processes" in done.stderr


@promise(
    "No worker imports from the current directory",
    broken_by=change(
        "mapreduce.backends.process:_safe_path_set", "set_variable(SAFE_PATH, before)", "pass"
    ),
)
def test_a_worker_has_the_environment_of_its_parent() -> None:
    """The variable that keeps the current directory off is set only while a worker starts."""
    script = (
        "import os, faulty\n"
        "from mapreduce.backends.pool import Pool\n"
        "if __name__ == '__main__':\n"
        "    for method in ('fork', 'forkserver', 'spawn'):\n"
        "        with Pool(1, start_method=method) as pool:\n"
        "            (mine,) = faulty.map_over(pool, faulty.variable, ['PYTHONSAFEPATH'])\n"
        "        print(mine, os.environ.get('PYTHONSAFEPATH'))\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    for value, said in ((None, "None None"), ("yes", "yes yes")):
        env = {**os.environ, "PYTHONPATH": path}
        env.pop("PYTHONSAFEPATH", None)
        if value:
            env["PYTHONSAFEPATH"] = value
        found = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        assert found.stdout.splitlines() == [said] * 3


@promise(
    "A checkout works without being installed",
    broken_by=change(
        "mapreduce.__main__:_leave_current_directory", "sys.path.append(first)", "pass"
    ),
)
def test_a_checkout_works_without_being_installed(tmp_path: Path) -> None:
    """Workers of a spawned interpreter, too, find the package in the current directory."""
    for name in ("mapreduce", "jobs"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    log = tmp_path / "log"
    log.write_bytes((DATA / "flowlogs-2000.log").read_bytes() * 200)
    path = [entry for entry in sys.path if entry and Path(entry) not in (ROOT, ROOT / "tests")]
    arguments = ["-l", str(DATA / "lookup.csv"), "-j", "2", "--start-method", "spawn", str(log)]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "mapreduce", "flowlogs", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": os.pathsep.join(path), "MAPREDUCE_KERNEL": "pure"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "400,000 lines" in done.stderr
    assert "2 processes" in done.stderr


@pytest.mark.parametrize("method", METHODS)
def test_the_command_works_without_docstrings_and_assertions(method: str, tmp_path: Path) -> None:
    log, output = tmp_path / "log", tmp_path / "output"
    log.write_bytes((DATA / "flowlogs-2000.log").read_bytes() * 200)
    arguments = ["-l", str(DATA / "lookup.csv"), "-j", "2", "--start-method", method, str(log)]
    done = subprocess.run(
        [sys.executable, "-m", "mapreduce", "flowlogs", *arguments, "-o", str(output)],
        env={**os.environ, "PYTHONOPTIMIZE": "2", "MAPREDUCE_KERNEL": "pure"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "400,000 lines" in done.stderr
    assert "2 processes" in done.stderr
    assert len([*output.glob("*.csv")]) == 2


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["jobs"], ["--version"], ["flowlogs", "--help"], ["count", "--help"]],
    ids=" ".join,
)
def test_everything_that_is_said_is_said_without_docstrings(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-OO", "-m", "mapreduce", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@promise(
    "The command imports nothing before it has taken over the signals",
    broken_by=change("mapreduce.__main__", "import gc", "import gc, json"),
)
def test_the_package_imports_nothing_before_it_is_used() -> None:
    script = (
        "import os, sys; before = {*sys.modules}; import mapreduce.__main__\n"
        "print(*sorted({*sys.modules} - before))"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(found.stdout.split()) <= {"__future__", "gc", "mapreduce", "mapreduce.__main__"}


RARE: Final = {
    *(f"mapreduce.backends.{name}" for name in ("cpus", "pool", "sending", "standard_pool")),
    *(f"mapreduce.formats.{name}" for name in ("bzip2", "compressed", "gzipped", "guess")),
    *(f"mapreduce.formats.{name}" for name in ("parquet", "rows", "xz", "zstd")),
    *(f"mapreduce.inputs.{name}" for name in ("lists", "objects", "s3", "tree")),
    *("mapreduce.outputs.rejects", "mapreduce.splits.explain", "mapreduce.cli.bar"),
    *("mapreduce.key_count", "mapreduce.mapping.lines", "mapreduce.job_files"),
    *("concurrent.futures", "importlib.metadata", "isal", "multiprocessing", "obstore", "pickle"),
    *("pyarrow", "pydantic", "rich", "tqdm"),
}
"""Modules that only a large run, an odd input, a fault or an option needs."""
MOST_DATACLASSES: Final = 20
"""Each takes 0.4 ms to make, a ``NamedTuple`` a seventh of that (Python 3.11)."""
SMALL_RUN: Final = """
import dataclasses, sys
from mapreduce.__main__ import main
assert main() == 0
print(*sys.modules)
kinds = [kind for name, module in [*sys.modules.items()] if name.startswith("mapreduce")
         for kind in vars(module).values() if dataclasses.is_dataclass(kind)]
print(*{kind.__qualname__ for kind in kinds if isinstance(kind, type)})
"""


def imports_and_dataclasses(directory: Path) -> tuple[set[str], set[str]]:
    """Return the modules that a small run over text imports, and the dataclasses that it makes."""
    arguments = ["flowlogs", str(DATA / "flowlogs-2000.log"), "-l", str(DATA / "lookup.csv")]
    done = subprocess.run(
        [sys.executable, "-c", SMALL_RUN, *arguments, "-o", str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    modules, kinds = done.stdout.splitlines()
    return {*modules.split()}, {*kinds.split()}


@promise(
    "A small run over text imports nothing that only other runs need",
    broken_by=change("mapreduce.cli.running", "import sys", "import sys, mapreduce.splits.explain"),
)
def test_a_small_run_over_text_imports_nothing_that_only_other_runs_need(tmp_path: Path) -> None:
    modules, _kinds = imports_and_dataclasses(tmp_path)
    assert "mapreduce.outputs.commit" in modules  # it has written tables
    assert not modules & RARE


def test_a_start_makes_few_dataclasses(tmp_path: Path) -> None:
    _modules, kinds = imports_and_dataclasses(tmp_path)
    assert "Options" in kinds
    assert len(kinds) <= MOST_DATACLASSES, kinds


def test_every_public_name_is_found() -> None:
    for name in mapreduce.__all__:
        assert getattr(mapreduce, name).__module__
    assert set(mapreduce.__all__) <= set(dir(mapreduce))
    assert mapreduce.__all__ == sorted(mapreduce.__all__, key=lambda n: (not n.isupper(), n))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = mapreduce.nonsense


def test_help_shows_the_public_names() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import mapreduce; help(mapreduce)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "run(job" in found.stdout
    assert "class Totals" in found.stdout
