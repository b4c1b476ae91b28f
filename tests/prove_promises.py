"""Prove that each promise's test can fail: break the promise, and run the test.

::

    python tests/prove_promises.py [WORD ...]    prove the promises that hold all of these words
    python tests/prove_promises.py --write       write tests/PROMISES.md anew

Not a test by itself, and too slow for every commit: run it nightly. It copies the project, makes
the change that stands beside a test (see ``promises.py``), runs that test under pytest, takes the
change back, and goes on to the next one. Before that it runs all of these tests without any change,
because a test that is red anyway proves nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from promises import PROJECT, TESTS, Change, ChangeError, Promise, read_promises

TABLE: Final = TESTS / "PROMISES.md"
HEAD: Final = """\
# Promises

Each row is a promise to the user and the test that keeps it. Beside the test stands a change of the
code that breaks the promise, with which the test was seen to go red. `python
tests/prove_promises.py` shows it again, `python tests/prove_promises.py --write` writes this file.
"""
NOT_COPIED: Final = shutil.ignore_patterns(".*", "__pycache__", "runs", "build")


def table_of(promises: Iterable[Promise]) -> str:
    """Return the text of PROMISES.md: one table for each directory of tests."""
    text = HEAD
    for room, rows in groupby(promises, key=lambda promise: promise.test.rpartition("/")[0]):
        text += f"\n## {room or 'the whole'}\n\n| promise | test |\n|---|---|\n"
        for row in rows:
            promised = row.text.replace("|", r"\|")
            text += f"| {promised} | `{row.test}` |\n"
    return text


def prove(promise: Promise, project: Path) -> tuple[bool, str]:
    """Break a promise in a copy of the project; return whether its test went red, and why."""
    kernels = project.glob("mapreduce/kernel/_native*.so")
    files = {*kernels, *(project / change.file for change in promise.changes)}
    before = {path: path.read_bytes() for path in files if path.exists()}
    try:
        break_promise(promise.changes, project)
        code, said = run_tests([promise.test], project, "-x")
    except ChangeError as error:
        return False, f"NOT BROKEN: {error}"
    finally:
        for path, content in before.items():
            path.write_bytes(content)
    if code > 1:
        return False, f"NOT RUN:\n{said}"
    if code < 0:  # of a signal that nobody took, or of a fault in C
        return True, f"killed by {signal.Signals(-code).name}"
    failed = re.search(r"^FAILED .+? - (.+)$", said, re.MULTILINE)
    return code == 1, failed[1] if failed else ""


def break_promise(changes: Sequence[Change], project: Path) -> None:
    """Make changes in a project, and build its kernel anew if they are in C."""
    for change in changes:
        path = project / change.file
        if not path.exists():
            raise ChangeError(f"there is no {change.file} any more")
        path.write_text(change.apply(path.read_text()))
    if any(change.file.endswith((".c", ".h")) for change in changes):
        command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--force"]
        environment = {**os.environ, "MAPREDUCE_REQUIRE_NATIVE": "1"}
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ChangeError(f"the kernel cannot be built: {done.stderr}")


def run_tests(tests: Iterable[str], project: Path, *more: str) -> tuple[int, str]:
    """Run tests in a copy of the project; return pytest's exit code and what it said."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command = [sys.executable, "-P", "-m", "pytest", *options, *more]
    command += [f"tests/{test}" for test in tests]
    path = f"{project}{os.pathsep}{project / 'tests'}"
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "240"}
    with tempfile.TemporaryFile("w+") as said:  # a worker that is left over may hold a pipe open
        done = subprocess.run(
            command, cwd=project, env=environment, stdout=said, stderr=said, check=False
        )
        said.seek(0)
        return done.returncode, said.read()


def red_anyway(promises: Iterable[Promise], project: Path) -> set[str]:
    """Return those tests of promises that are red although nothing is broken, alone, too."""
    tests = dict.fromkeys(promise.test for promise in promises)
    _code, said = run_tests(tests, project, "-rfE")
    red = set(re.findall(r"^(?:FAILED|ERROR) tests/(\S+?::\w+)", said, re.MULTILINE))
    return {test for test in red if run_tests([test], project)[0]}


def main(words: Sequence[str]) -> int:
    """Prove promises; return 1 unless each of them is broken, and seen to be."""
    if "--help" in words or "-h" in words:
        print(__doc__)
        return 0
    promises = read_promises()
    if words == ["--write"]:
        TABLE.write_text(table_of(promises))
        return 0
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_DFL)  # nohup and a shell's "&" ignore what tests send
    wanted = [promise for promise in promises if all(word in repr(promise) for word in words)]
    unseen = 0
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory) / "project"
        shutil.copytree(PROJECT, project, symlinks=True, ignore=NOT_COPIED)
        red = red_anyway(wanted, project)
        for promise in wanted:
            is_red, why = prove(promise, project)
            if promise.test in red:
                is_red, why = False, "it is red without the change, too"
            print("red  " if is_red else "GREEN", f"{promise.text} [{why}]", flush=True)
            unseen += not is_red
    print(f"{len(wanted) - unseen} of {len(wanted)} tests go red when their promise is broken")
    return 1 if unseen or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
