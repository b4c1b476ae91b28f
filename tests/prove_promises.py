"""See each test of PROMISES.md go red: break the promise with the change that stands beside it.

Not a test by itself: ``python tests/prove_promises.py [WORD ...]`` copies the project, makes one
change after the other, runs the test under pytest and says which did not go red. With words, only
rows that contain all of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROW = re.compile(r"\| (.+?) \| `(\S+?)` \| `(\S+?)`: `(.+?)` → `(.*?)` \|")


@dataclass(frozen=True)
class Promise:
    """A row of the table: what is promised, by which test, and the change that breaks it."""

    text: str
    test: str
    file: str
    old: str
    new: str


def read_promises() -> Iterator[Promise]:
    """Yield the rows of PROMISES.md; a bar within them is written ``\\|``."""
    for line in (HERE / "PROMISES.md").read_text().splitlines():
        if found := ROW.fullmatch(line.replace(r"\|", "\0")):
            yield Promise(*(part.replace("\0", "|") for part in found.groups()))


def goes_red(promise: Promise, project: Path) -> bool:
    """Make the change in a copy of the project, run the test, and take the change back."""
    path = project / promise.file
    source = path.read_text()
    if source.count(promise.old) != 1:
        raise SystemExit(f"{promise.file} has {source.count(promise.old)} times: {promise.old}")
    path.write_text(source.replace(promise.old, promise.new))
    try:
        return run_test(promise.test, project) == 1
    finally:
        path.write_text(source)


def run_test(test: str, project: Path) -> int:
    """Return pytest's exit code for one test: 0 green, 1 red."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--timeout", "15"]
    environment = {**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{project / 'tests'}"}
    command = [sys.executable, "-P", "-m", "pytest", *options, f"tests/{test}"]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, check=False
    ).returncode


def main(words: list[str]) -> int:
    """Try all promises; return 1 if a test stayed green."""
    wanted = [p for p in read_promises() if all(word in repr(p) for word in words)]
    green = []
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory) / "project"
        shutil.copytree(HERE.parent, project, ignore=shutil.ignore_patterns(".*", "runs", "build"))
        for promise in wanted:
            red = goes_red(promise, project)
            print("red  " if red else "GREEN", promise.text, flush=True)
            green += [] if red else [promise]
    print(f"{len(wanted) - len(green)} of {len(wanted)} tests go red when their promise is broken")
    return 1 if green or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
