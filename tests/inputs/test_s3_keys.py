"""Objects of any key are read, or one line says why not: odd keys, archived objects, markers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest
from promises import becomes, change, promise
from test_s3 import Server, Shell, failure, server, shell

__all__ = ["server", "shell"]


@promise(
    "Keys of S3 that are no paths of files are read all the same",
    broken_by=becomes("mapreduce.inputs.odd_keys:is_odd", "return False"),
)
def test_keys_that_are_no_paths_of_files_are_read_all_the_same(
    server: Server, shell: Shell
) -> None:
    expected = {
        "": "abcdefgh",
        "/x": "abcdefg",
        "/x/": "abcdefg",
        "/x//b.log": "b",
        "/x/../c.log": "c",
        "/x/f/": "fg",
        "/x/f": "fg",
    }
    bucket = server.bucket(
        {
            "x/a.log": b"a\n",
            "x//b.log": b"b\n",
            "x/../c.log": b"c\n",
            "x/./d.log": b"d\n",
            "x/y//z/e.log": b"e\n",
            "x/f/f.log": b"f\n",
            "x/f//g.log": b"g\n",
            "x/_hidden//h.log": b"not counted\n",
            "x/": b"",
            "/h.log": b"h\n",
        }
    )
    assert letters_found(shell, [f"{bucket}{name}" for name in expected]) == [*expected.values()]
    done = shell.run("wordcount", bucket, "-o", "-")
    assert sorted(line[0] for line in done.stdout.splitlines()[1:]) == [*expected[""]], done.stderr


def letters_found(shell: Shell, names: Sequence[str]) -> list[str]:
    """Return the letters of the objects that each name stands for, all found by one process."""
    script = """
import sys
from mapreduce.inputs.sources import find_sources

for name in sys.argv[1:]:
    print("".join(sorted(source.name.removesuffix(".log")[-1] for source in find_sources([name]))))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *names],
        cwd=shell.directory,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_key_is_cut_into_ranges_however_odd_it_is(server: Server, shell: Shell) -> None:
    lines = b"".join(b"%d\n" % (number % 10) for number in range(700_000))
    bucket = server.bucket({"a//b.log": lines})
    done = shell.run("wordcount", bucket, "-o", "-", "-j", "2")
    assert [line.split(",")[1] for line in done.stdout.splitlines()[1:]] == ["70000"] * 10


@promise(
    "An archived object of S3 is named, with what restores it",
    broken_by=change(
        "mapreduce.inputs.s3:_reason", "code and code[1] == 'InvalidObjectState'", "False"
    ),
)
@pytest.mark.parametrize("kind", ["GLACIER", "DEEP_ARCHIVE"])
@pytest.mark.parametrize("key", ["cold log.gz", "a//b.log"])
def test_an_archived_object_is_named_with_what_restores_it(
    server: Server, shell: Shell, kind: str, key: str
) -> None:
    bucket = server.bucket({"warm.log": b"a\n"})
    path = f"/{bucket.removeprefix('s3://')}/{key.replace(' ', '%20')}"
    server.ask("PUT", path, b"a\n", **{"x-amz-storage-class": kind})
    said = failure(shell.run("wordcount", bucket), 2)
    assert said.startswith(f"{bucket}/{key}, bytes 0 to 2: is archived (GLACIER, DEEP_ARCHIVE); ")
    assert "aws s3api restore-object --bucket logs-" in said
    assert f"--key {repr(key) if ' ' in key else key} --restore-request Days=7" in said


def test_no_thread_to_be_had_is_one_clear_line(server: Server, shell: Shell) -> None:
    bucket = server.bucket({"x.log": b"a\n"})
    script = """
import threading
def refuse(*args, **kwargs):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
from mapreduce.__main__ import mapreduce
mapreduce()
"""
    done = subprocess.run(
        [shell.command()[0], "-c", script, "wordcount", bucket, "--no-progress"],
        cwd=shell.directory,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "can't start new thread" in failure(done, 2)
