"""The store of a source opens it, and a URL of an unknown scheme is refused by name."""

from __future__ import annotations

import os
import pickle
import resource
import sys
from pathlib import Path

import pytest
from conftest import ReadStdin, record
from promises import change, promise

from mapreduce import UsageError, run
from mapreduce.formats.gzipped import Gzip
from mapreduce.inputs.objects import Objects
from mapreduce.inputs.sources import Source, find_sources
from mapreduce.jobs.count import count


@promise(
    "A URL that cannot be read is refused, with what can",
    broken_by=change("mapreduce.inputs.stores:store_of", "raise UsageError(...)", "return None"),
)
@pytest.mark.parametrize("url", ["gs://bucket/key", "https://host/log.gz", "foo+bar://x"])
def test_a_url_that_no_store_knows_is_refused_with_what_is_there(url: str) -> None:
    with pytest.raises(
        UsageError, match=r"cannot be read; name s3://\.\.\., a file of this machine"
    ):
        find_sources([url])


@promise(
    "A file whose path looks like a URL is a file",
    broken_by=change("mapreduce.inputs.stores:store_of", "os.path.lexists(path)", "False"),
)
def test_a_file_whose_path_looks_like_a_url_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("foo:").mkdir()
    Path("foo:/log").write_bytes(b"a\n")
    assert run(count("1"), ["foo://log"]).counts == {b"a": 1}


def test_an_empty_object_costs_nothing_and_a_stream_is_not_known() -> None:
    """Empty objects mark directories. Thousands of them must not be estimated as gigabytes."""
    assert Source(0, "s3://bucket/dir/", 0, Objects()).cost == 0
    assert Source(0, "-", None).cost is None
    assert Source(0, "a.gz", 10, format=Gzip()).cost == 10 * Gzip.cost


def test_a_source_travels_whole_and_small() -> None:
    source = Source(0, "a.gz", 10, identity=(1, 2), format=Gzip())
    packed = pickle.dumps(source)
    assert pickle.loads(packed) == source  # noqa: S301
    assert len(packed) < 400


@pytest.mark.skipif(sys.platform != "linux", reason="has files of /sys")
def test_a_file_of_sys_whose_size_is_a_page_is_read_to_its_end() -> None:
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not path.exists():
        pytest.skip("this kernel has no such file")
    assert path.stat().st_size > len(path.read_bytes())
    assert run(count("1"), [path]).stats.lines == 1


@promise(
    "A file with fewer bytes than its size says is read to its end",
    broken_by=change("mapreduce.inputs.local:_head", "not status.st_blocks and ...", "False"),
)
def test_a_file_with_fewer_bytes_than_its_size_says_is_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of ``/sys`` are like that: they occupy no block of a disk."""
    (tmp_path / "log").write_bytes(b"a\n")
    status = (tmp_path / "log").stat()

    class Page:
        st_mode, st_dev, st_ino = status.st_mode, status.st_dev, status.st_ino
        st_mtime_ns, st_size, st_blocks = 0, 4096, 0

    monkeypatch.setattr(os, "stat", lambda _path: Page)
    (found,) = find_sources([tmp_path / "log"])
    assert found.size is None


def test_a_file_with_holes_is_counted_by_name_and_as_standard_input(
    tmp_path: Path, read_stdin: ReadStdin
) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(record() + b"\n")
        file.seek(3_000_000)
        file.write(b"\n" + record() + b"\n")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(100_000)
    for one, lines in ((path, 3), (tmp_path / "hole", 1)):
        read_stdin(one)
        figures = [run(count("1"), [name]).stats for name in (one, "-")]
        assert [stats.lines for stats in figures] == [lines, lines]
        assert figures[0].counted == figures[1].counted


def test_a_stream_is_read_however_many_descriptors_are_open(read_stdin: ReadStdin) -> None:
    """``select.select`` refuses a descriptor from 1024 on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("no more descriptors can be had")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
    reading, writing = os.pipe()
    try:
        os.dup2(reading, 1500)
        os.write(writing, b"a\nb\n")
        os.close(writing)
        read_stdin(1500)
        assert run(count("1"), ["-"]).counts == {b"a": 1, b"b": 1}
    finally:
        os.close(reading)
        sys.stdin.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
