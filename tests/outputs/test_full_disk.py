"""A disk that is full, at whatever moment, is one clear error, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from promises import change, promise

SCRIPT = """
import resource, sys
from pathlib import Path
from mapreduce import KeyCount, LineMapper, MapReduceError, Malformed, run

def words(line):
    if line.startswith(b"bad"):
        raise Malformed("begins with bad")
    return line.split()

limit, directory = int(sys.argv[1]), Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
job = KeyCount(LineMapper(words), "words.csv", ("Word", "Count"))
try:
    run(job, [directory / "in.log"], output=directory / "new" / "out", workers=1, split_size=500,
        rejects=directory / "new" / "rejects.csv")
except MapReduceError as error:
    print(type(error).__name__, error)
"""


def write_input(directory: Path, words: int, malformed: int) -> None:
    lines = [f"word{number}" for number in range(words)] + ["bad line"] * malformed
    (directory / "in.log").write_text("\n".join(lines))


@promise(
    "A disk that is full at any moment is one clear error, and nothing is left",
    broken_by=change("mapreduce.outputs.rejects:Spool._blamed", "OSError", "ZeroDivisionError"),
)
@pytest.mark.parametrize(
    ("words", "malformed", "limit", "where"),
    [
        (1, 50, 3000, "malformed lines"),  # while lines are counted
        (1000, 1, 3000, "words.csv"),
        (1, 500, 30_000, "/rejects.csv"),  # no part is so large, but all of them together
        (1, 1, 300, "_SUCCESS.json"),
    ],
)
def test_a_disk_that_is_full_at_any_moment_leaves_nothing_behind(
    tmp_path: Path, words: int, malformed: int, limit: int, where: str
) -> None:
    write_input(tmp_path, words, malformed)
    command = [sys.executable, "-c", SCRIPT, str(limit), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("OutputError")
    assert f"{where}: File too large" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["in.log"]
