"""Search the source for calls and imports that are forbidden."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from promises import change, promise

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*(ROOT / "mapreduce").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])


def names_in(source: Path) -> set[str]:
    """Return every module that is imported and every name that is called."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.add(node.func.id)
    return found


def using(*forbidden: str) -> set[str]:
    return {source.name for source in SOURCES if names_in(source) & set(forbidden)}


@promise(
    "Pickles come only from our own workers and parent",
    broken_by=change(
        "mapreduce.outputs.table",
        "from dataclasses import dataclass",
        "import pickle; from dataclasses import dataclass",
    ),
)
def test_pickles_are_read_only_where_our_own_processes_write_them() -> None:
    # checking.py tests the copies of values that it has pickled itself.
    assert using("pickle", "marshal", "shelve", "dill") == {"sending.py", "checking.py"}
    assert using("multiprocessing.reduction.ForkingPickler") == {"worker.py"}


def test_nobody_but_the_fork_server_asks_where_temporary_files_go() -> None:
    """Its socket lies there; every file of ours lies beside what it becomes."""
    assert using("tempfile") == {"process.py"}


@pytest.mark.parametrize("forbidden", ["eval", "exec", "compile", "subprocess", "mmap"])
def test_what_has_no_place_here_is_not_used(forbidden: str) -> None:
    assert using(forbidden) == set()
