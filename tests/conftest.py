"""Shared by many tests: strategies for the bytes of logs, fixtures for files, a small lookup."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TextIO

import pytest
from faulty import processes, workers_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from naive import says_its_layout

from mapreduce import Job, Result, run
from mapreduce.errors import NothingCountedError
from mapreduce.formats.format import HEAD
from mapreduce.formats.table import find_format

# A shell starts what runs in the background with SIGINT and SIGQUIT ignored, and nohup with SIGHUP;
# commands under test would inherit and then honour that.
for number, default in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, default)

pytest_plugins = ["engine_runs", "shell"]
"""Their fixtures are of several files."""

COMPILED: Final = """
import multiprocessing.forkserver, multiprocessing.resource_tracker, multiprocessing.spawn
import mapreduce.backends.pool, mapreduce.backends.worker, mapreduce.cli.app, mapreduce.engine
import hypothesis, pytest
"""
"""Imports what workers of any start method import. They read compiled modules, but never write
them, because multiprocessing passes them the flags of this Python."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled modules for the commands under test, though this Python is to write none.

    Otherwise each of hundreds of commands compiles the package again, which takes longer than all
    the rest of its start.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        cache = TemporaryDirectory(prefix="pycache-")
        config.add_cleanup(cache.cleanup)
        os.environ["PYTHONPYCACHEPREFIX"] = cache.name
        subprocess.run([sys.executable, "-c", COMPILED], check=True)


settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("many", settings.get_profile("any machine"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "any machine"))

LOOKUP: Final = {(443, 6): "web", (80, 6): "web", (53, 17): "names", (0, 1): "ping, zero"}

WriteLogs = Callable[..., list[Path]]
"""Takes the contents of each file and returns their paths."""

ReadStdin = Callable[[Path | int], TextIO]
"""Makes a file or a descriptor standard input, and returns it."""


def record(port: bytes = b"443", protocol: bytes = b"6", status: bytes = b"OK") -> bytes:
    """Return one flow-log record without its line end."""
    fields = [b"2", b"123456789012", b"eni-0a1b2c3d", b"10.0.0.1", b"10.0.0.2", b"49152", port]
    return b" ".join([*fields, protocol, b"7", b"840", b"1700000000", b"1700000060", b"A", status])


_FEW = st.binary(max_size=4)
_PORTS = st.one_of(
    st.sampled_from([b"443", b"80", b"53", b"0", b"65535", b"65536", b"00443", b"-", b"4_43"]),
    st.sampled_from([b"", b"+1", b"0" * 5000 + b"53", b"9" * 5000, "\u0664\u0664".encode()]),
    _FEW,
)
_PROTOCOLS = st.sampled_from([b"6", b"17", b"1", b"0", b"255", b"256", b"0" * 5000 + b"6", b"-"])
_STATUSES = st.sampled_from([b"OK", b"OK", b"NODATA", b"SKIPDATA", b"nodata", b"", b"\r", b"O\0K"])
_NO_FLOW = st.builds(record, st.just(b"-"), st.just(b"-"), _STATUSES)
_RECORDS = st.builds(record, _PORTS, _PROTOCOLS | _FEW, _STATUSES)
_PLAIN = st.builds(record, st.sampled_from([b"443", b"80", b"53"]), st.sampled_from([b"6", b"17"]))
_JUNK = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([b"", b"\r", b" ", b" " * 13, b"\0" * 40, b"\x0b\x0c\x1c\x85", b"x" * 700]),
    st.sampled_from([record() + b" more", record()[:-3], b" " + record(), b"\xef\xbb\xbf2 "]),
)
_ENDS = st.sampled_from([b"\n"] * 6 + [b"\r\n", b"\r\r\n", b"\n\n"])


def _ended(lines: st.SearchStrategy[bytes], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.tuples(lines, _ENDS).map(b"".join), max_size=most).map(b"".join)


def is_lines(data: bytes) -> bool:
    """Return whether the engine reads bytes as lines, which it decides by their beginning."""
    is_text = find_format(data[:HEAD]).is_plain and not data.startswith(b"\xef\xbb\xbf")
    return is_text and not says_its_layout(data)


flow_logs: Final = st.one_of(
    _ended(_PLAIN | _RECORDS | _NO_FLOW | _JUNK, 30),
    _ended(_PLAIN, 40),
    st.tuples(_ended(_PLAIN | _NO_FLOW, 10), _RECORDS | _JUNK).map(b"".join),  # no final newline
    st.binary(max_size=300),
).filter(is_lines)
"""The bytes of a file: a flow log, a damaged flow log, or anything else."""

cut_sizes: Final = st.integers(1, 80) | st.integers(1, 5000)
"""Sizes of splits, blocks or pieces, many of them shorter than a line."""


def counts_nothing(counted: int, skipped: int, malformed: int) -> bool:
    """Return whether a run of so many lines is no success: none counted, and half malformed."""
    return counted == 0 and malformed >= skipped and malformed > 0


def run_or_refuse(
    job: Job, inputs: Iterable[Path | str], **options: Any
) -> Result | NothingCountedError:
    """Run a job; return the error if it counts nothing."""
    try:
        return run(job, inputs, **options)
    except NothingCountedError as error:
        return error


def pairs_of(counts: Counter[bytes]) -> Counter[tuple[int, int]]:
    """Return the counts of the flow-log job by (port, protocol number); drops leading zeros."""
    pairs: Counter[tuple[int, int]] = Counter()
    for key, number in counts.items():
        port, protocol, _status = key.split(b" ")
        pairs[int(port[-5:]), int(protocol[-3:])] += number
    return pairs


def without_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files by path, without the manifests; check that each manifest is correct."""
    rest = dict(files)
    for path in [path for path in files if Path(path).name == "_SUCCESS.json"]:
        for name, said in json.loads(rest.pop(path))["outputs"].items():
            data = files[os.path.normpath(Path(path).parent / name)]
            assert said == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return rest


@pytest.fixture(scope="session")
def write_logs(tmp_path_factory: pytest.TempPathFactory) -> WriteLogs:
    """Return a function that writes new files; its scope lets property tests use it."""
    directory, numbers = tmp_path_factory.mktemp("logs"), count()

    def write(*contents: bytes) -> list[Path]:
        paths = [directory / f"{next(numbers):06}.log" for _ in contents]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths

    return write


@pytest.fixture(params=multiprocessing.get_all_start_methods())
def start_method(request: pytest.FixtureRequest) -> str:
    """How workers are started."""
    return str(request.param)


@pytest.fixture
def no_child_is_left() -> Iterator[None]:
    """Fail a test after which a worker is alive or a zombie."""
    before = set(processes())
    yield
    zombies = [p for p in processes() if p.parent == os.getpid() and p.state == "Z"]
    workers, children = workers_of(os.getpid()), multiprocessing.active_children()
    for child in children:  # so that the next test does not fail as well
        child.kill()
        child.join()
    assert set(zombies) <= before
    assert workers == []
    assert children == []


@pytest.fixture
def read_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadStdin]:
    """Return a function that makes a file or a descriptor standard input; closed after the test."""
    with ExitStack() as opened:

        def read(file: Path | int) -> TextIO:
            stdin = opened.enter_context(open(file))  # noqa: PTH123 - or a descriptor
            monkeypatch.setattr(sys, "stdin", stdin)
            return stdin

        yield read
