"""What the tests of the command share: a shell in a directory with small inputs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import without_manifest

HEADER = "dstport,protocol,tag\n"
RECORD = "2 123456789012 eni-0a1b 203.0.113.5 10.0.0.9 49152 {} {} 9 840 1 2 ACCEPT OK\n"
NODATA = "2 123456789012 eni-0a1b - - - - - - - 1 2 - NODATA\n"
FLOWS = RECORD.format(443, 6) * 3 + RECORD.format(9, 17) + NODATA + "\n"
TABLES = {
    "outputs/tag2count.csv": "Tag,Count\nweb,3\nUntagged,1\n",
    "outputs/portprotocolcount.csv": "Port,Protocol,Count\n443,tcp,3\n9,udp,1\n",
}
JUNK = "\x1b]0;owned\x07 \x9b31m\0\n"
MODULE = ("-m", "mapreduce")
PROCESSFLOWS = ("-c", "import sys, mapreduce.__main__ as m; sys.exit(m.processflows())")
STATS_KEYS = [
    "inputs",
    "bytes",
    "lines",
    "counted",
    "skipped",
    "malformed",
    "distinct_keys",
    "workers",
    "splits",
    "kernel",
    "seconds",
    "skipped_kinds",
    "mb_per_s",
]
PHASES = {"plan", "map", "reduce", "finish", "write", "total"}
BAR = "%|"
BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""The program that takes from root the right to pass over permissions."""


@dataclass(frozen=True)
class Shell:
    """A directory, and the command run in it; ``prefix`` is a program that runs programs."""

    directory: Path
    prefix: Sequence[str] = ()

    def run(
        self, *arguments: str, program: Sequence[str] = MODULE, **streams: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the real command; nothing that it prints may be a traceback."""
        done = self.run_with_traceback(*arguments, program=program, **streams)
        assert "Traceback" not in (done.stderr or "")
        return done

    def run_with_traceback(
        self, *arguments: str, program: Sequence[str] = MODULE, **streams: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the real command, which may print a traceback."""
        unnamed: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if "input" not in streams:
            unnamed["stdin"] = subprocess.DEVNULL
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [*self.prefix, sys.executable, *program, *arguments],
            cwd=self.directory,
            env=os.environ | {"COLUMNS": "200"},
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
            **unnamed | streams,
        )
        return done

    def write(self, **files: str) -> None:
        """Write files; ``_`` in a name stands for the dot."""
        for name, text in files.items():
            (self.directory / name.replace("_", ".")).write_text(text)

    def contents(self) -> dict[str, str]:
        """Return every file below the directory, hidden and temporary ones included."""
        return self._texts_of("*")

    def made(self) -> dict[str, str]:
        """Return what was not there at the beginning, without the manifest, which is checked."""
        files = self._texts_of("out*")
        encoded = {name: text.encode("utf-8", "surrogateescape") for name, text in files.items()}
        return {name: files[name] for name in without_manifest(encoded)}

    def _texts_of(self, names: str) -> dict[str, str]:
        """Return the files with such a name in this directory, and all below such directories."""
        found = self.directory.glob(names)
        paths = [path for top in found for path in ([top] if top.is_file() else top.rglob("*"))]
        files = [path for path in paths if path.is_file()]
        return {str(path.relative_to(self.directory)): path.read_text() for path in files}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return a shell in a directory with a log, a lookup and a text."""
    shell = Shell(tmp_path)
    shell.write(flows_log=FLOWS, lookup_csv=f"{HEADER}443,tcp,web\n", text_txt="to be or\nnot to\n")
    return shell


@cache
def can_bind_root() -> bool:
    return (
        bool(shutil.which(BOUND[0]))
        and not subprocess.run([*BOUND, "true"], check=False).returncode
    )


@pytest.fixture
def unprivileged(shell: Shell) -> Shell:
    """Return a shell whose command is bound by permissions, as root is not."""
    if os.geteuid():
        return shell
    if not can_bind_root():
        pytest.skip("root is not bound by permissions, and setpriv cannot bind it")
    return Shell(shell.directory, BOUND)


def error_line(stderr: str, program: str = "mapreduce") -> str:
    """Return the text of the one line that an error is."""
    (line,) = stderr.splitlines()
    assert line.isprintable()
    assert re.match(rf"{program}: error: \S", line)
    return line.removeprefix(f"{program}: error: ")


def read_stats(text: str) -> dict[str, Any]:
    """Return the figures in the JSON of ``--stats``, which must be consistent."""
    stats: dict[str, Any] = json.loads(text)
    assert list(stats) == STATS_KEYS
    assert set(stats["seconds"]) == PHASES
    assert stats["lines"] == stats["counted"] + stats["skipped"] + stats["malformed"]
    return stats
