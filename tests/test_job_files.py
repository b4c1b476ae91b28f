"""The module of a job file is found by its name alone, in any process, with or without the file."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from pathlib import Path
from typing import Final

import pytest

from mapreduce import UsageError, run
from mapreduce.job_files import load_file, load_source

JOB: Final = b"""
from mapreduce import KeyCount, LineMapper

def words(line):
    return line.split()

def job():
    return KeyCount(LineMapper(words), output="words.csv", header=("Word", "Count"))
"""


def test_the_pool_of_a_caller_finds_a_job_file_too(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_bytes(JOB)
    (tmp_path / "text").write_text("a b a\n")
    job = load_file(str(tmp_path / "job.py")).job()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = run(job, tmp_path / "text", backend=pool)
    assert result.counts == {b"a": 2, b"b": 1}


def test_a_process_without_the_file_may_be_given_its_content(tmp_path: Path) -> None:
    module = load_source("/nowhere/job.py", JOB)
    name = module.__name__
    sent = pickle.dumps(module.words)
    del sys.modules[name]
    assert pickle.loads(sent)(b"a b") == [b"a", b"b"]  # noqa: S301
    assert sys.modules[name].__file__ == "/nowhere/job.py"


def test_the_same_content_is_run_once_and_another_one_anew(tmp_path: Path) -> None:
    path = tmp_path / "job.py"
    path.write_text("x = []")
    first = load_file(str(path))
    assert load_file(os.path.relpath(path)) is first
    path.write_text("x = [1]")
    assert load_file(str(path)).x == [1]
    assert first.x == []


def test_a_file_that_fails_is_run_again_when_it_is_loaded_again(tmp_path: Path) -> None:
    path, flag = tmp_path / "job.py", tmp_path / "flag"
    path.write_text(f"assert __import__('os').path.exists({str(flag)!r}), 'no flag'")
    with pytest.raises(UsageError, match=r"job\.py, line 1: AssertionError: no flag"):
        load_file(str(path))
    flag.touch()
    assert load_file(str(path)).__file__ == str(path)
