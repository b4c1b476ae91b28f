"""``mapreduce new NAME``: write a job of one's own to begin with, and its test."""

from __future__ import annotations

import keyword
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mapreduce.errors import UsageError, printable

JOB: Final = '''"""Count lines by their first word.

How to run it:

    mapreduce run NAME.py app.log              writes outputs/NAME.csv
    mapreduce run NAME.py app.log -c GET       only lines that contain GET
    mapreduce run NAME.py app.log --inline     in one process: print and breakpoint() work
    pytest test_NAME.py                        runs its test
"""

from functools import partial
from typing import Annotated

from mapreduce import KeyCount, LineMapper


def first_word(containing: bytes, line: bytes) -> list[bytes]:
    """Return the keys of one line, which has no line end; a line without a key is skipped.

    To refuse a line as malformed, raise mapreduce.Malformed("why").
    """
    if containing not in line:
        return []
    return line.split()[:1]


# Each parameter is an option of the command: its type, its short form if any, what it is.
def NAME(
    containing: Annotated[str, "-c", "Count only lines that contain this text."] = "",
) -> KeyCount:
    """Count lines by their first word."""
    # Other processes find first_word by its name: it must stand at the top level of this file.
    mapper = LineMapper(partial(first_word, containing.encode()))
    return KeyCount(mapper, output="NAME.csv", header=("Word", "Count"), name="NAME")
'''
TEST: Final = '''"""The test of the job NAME."""

from pathlib import Path

from mapreduce import run
from NAME import NAME

LOG = "alpha GET\\nbeta GET\\nalpha PUT\\n\\n"


def test_lines_are_counted_by_their_first_word(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(LOG)
    result = run(NAME(), tmp_path / "app.log")
    assert list(result.tables[0].rows) == [("alpha", 2), ("beta", 1)]
    assert (result.stats.counted, result.stats.skipped) == (3, 1)


def test_only_lines_that_contain_a_text_are_counted(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(LOG)
    result = run(NAME(containing="PUT"), tmp_path / "app.log")
    assert list(result.tables[0].rows) == [("alpha", 1)]
'''
_USED: Final = {"first_word", "partial", "mapreduce", "pytest", "run"} | {
    *("Annotated", "KeyCount", "LineMapper", "Path", "LOG")
}
"""Names that the job or its test uses for something else."""


def write_new_job(name: str) -> Iterator[str]:
    """Write ``NAME.py`` and ``test_NAME.py``; yield a line for each that says what to do with it.

    Raises ``UsageError`` if the name cannot be that of a job, or if one of the files is there.
    """
    _check_name(name)
    files = {Path(f"{name}.py"): JOB, Path(f"test_{name}.py"): TEST}
    for path in files:
        if os.path.lexists(path):
            raise UsageError(f"{path}: is there already; choose another name, or remove it")
    for path, text in files.items():
        _write(path, text.replace("NAME", name))
    yield f"{name}.py: a job; run it: mapreduce run {name}.py INPUTS"
    yield f"test_{name}.py: its test; run it: pytest test_{name}.py"


def _check_name(name: str) -> None:
    said = printable(name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{said}: must be a name in Python, such as errors_by_host: letters, digits and _, and "
            "a letter first"
        )
    if name.startswith("test"):
        raise UsageError(f"{said}: pytest would take a function of this name for a test")
    if name in sys.stdlib_module_names or name in _USED:
        raise UsageError(f"{said}: is a name that Python or the job itself needs; choose another")


def _write(path: Path, text: str) -> None:
    """Write a file that is not there yet."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
