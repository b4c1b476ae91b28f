"""Each source is found once and numbered; own files are sources only if the user names them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import record
from promises import becomes, change, promise

from mapreduce import UsageError, run
from mapreduce.inputs.sources import Sources, find_sources
from mapreduce.jobs.count import count
from mapreduce.jobs.flowlogs.job import flowlogs

LOOKUP = "dstport,protocol,tag\n443,tcp,web\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory with two flow logs and a lookup."""
    monkeypatch.chdir(tmp_path)
    Path("a.log").write_bytes(record() + b"\n")
    Path("b.log").write_bytes(record(b"53", b"17") + b"\n")
    Path("lookup.csv").write_text(LOOKUP)
    return tmp_path


def found(*names: Any, **options: Any) -> list[str]:
    return [source.path for source in find_sources(names, **options)]


@pytest.mark.usefixtures("here")
def test_one_path_is_one_input() -> None:
    (source,) = find_sources("a.log")
    for one in ("a.log", Path("a.log"), source, [source], ("a.log",), iter(["a.log"])):
        assert [source.path for source in find_sources(one)] == ["a.log"]
        assert run(count("1"), one if not hasattr(one, "__next__") else "a.log").stats.lines == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("inputs", [5, None, b"a.log", [5], [None], ["a.log", b"b.log"], [["a"]]])
def test_what_is_no_path_is_one_clear_line(inputs: Any) -> None:
    with pytest.raises(UsageError, match=r"is not an input: name paths, each as str or Path$"):
        run(count("1"), inputs)


@promise(
    "The lines of an open file are not taken for names of inputs",
    broken_by=change(
        "mapreduce.inputs.sources:_as_list", "not isinstance(inputs, Iterable) or ...", "False"
    ),
)
@pytest.mark.usefixtures("here")
def test_the_lines_of_an_open_file_are_not_taken_for_names() -> None:
    with Path("a.log").open() as file, pytest.raises(UsageError, match="is not an input"):
        run(count("1"), file)


@pytest.fixture
def one_inode_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system give all files one inode number, as some do."""

    def faked(real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def fake(*args: Any, **kwargs: Any) -> os.stat_result:
            status = real(*args, **kwargs)
            times = {key: getattr(status, key) for key in ("st_mtime_ns", "st_blocks")}
            return os.stat_result([status[0], 7, 7, *status[3:10]], times)

        return fake

    monkeypatch.setattr(os, "stat", faked(os.stat))
    monkeypatch.setattr(os, "fstat", faked(os.fstat))


@promise(
    "Equal inode numbers are no proof of one file",
    broken_by=change(
        "mapreduce.inputs.seen_files:SeenFiles.is_new", "_real(path) in known or ...", "True"
    ),
)
@pytest.mark.usefixtures("here", "one_inode_number")
def test_equal_inode_numbers_are_no_proof_of_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(count("7"), ["a.log", "b.log", "./a.log"], workers=1)
    assert ran.counts == {b"443": 1, b"53": 1}
    assert ran.notes == ["counted, though with the inode number of another file: 1 file (b.log)"]


@pytest.mark.usefixtures("here", "one_inode_number")
def test_hard_links_and_soft_links_are_one_file_all_the_same() -> None:
    Path("c.log").hardlink_to("a.log")
    Path("d.log").symlink_to("b.log")
    assert found("a.log", "b.log", "c.log", "d.log") == ["a.log", "b.log"]


@pytest.mark.usefixtures("here")
def test_sources_are_numbered_in_their_run(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        Path(name).write_text("x\ny z\n")
    sources = [*find_sources("b.log"), *find_sources("a.log")]
    ran = run(count("2"), sources, rejects=tmp_path / "rejects.csv")
    assert ran.stats.malformed == 2
    rejects = Path("rejects.csv").read_text().splitlines()[1:]
    assert [line.partition(",")[0] for line in rejects] == ["b.log", "a.log"]


@promise(
    "A source that is given twice is counted once",
    broken_by=change("mapreduce.inputs.sources:find_sources", "seen.is_new(...)", "True"),
)
@pytest.mark.usefixtures("here")
def test_a_source_that_is_given_twice_is_counted_once() -> None:
    (one,) = find_sources("a.log")
    (two,) = find_sources("./a.log")
    assert run(count("1"), [one, one, two]).stats.lines == 1
    assert run(count("1"), [one, "a.log", "b.log"]).stats.lines == 2


@pytest.mark.usefixtures("here")
def test_a_source_is_not_taken_for_a_list_or_a_pattern() -> None:
    Path("@x").write_text("1\n")
    Path("list").write_text("@x\n")
    sources = find_sources("@list")
    assert found(*sources, "a.log") == ["@x", "a.log"]


@promise(
    "A run does not count its own files",
    broken_by=becomes("mapreduce.inputs.own_files:own_files", "return []"),
)
@pytest.mark.usefixtures("here")
def test_a_run_does_not_count_its_own_files() -> None:
    job = flowlogs(Path("lookup.csv"))
    for _ in range(2):
        ran = run(job, ".", output="outputs", rejects="rejects.csv", strict=True)
        assert (ran.stats.inputs, ran.stats.counted) == (2, 2)
    assert ran.notes == [
        "left out 4 files (./lookup.csv, ./outputs/portprotocolcount.csv, "
        "./outputs/tag2count.csv, ...): outputs of a run or files that the job was built from; "
        "to count one, name it itself"
    ]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", [".", "*", "**", "**/*", "**/*.csv", "outputs", "out*/*"])
def test_tables_of_an_earlier_run_are_left_out(name: str) -> None:
    run(count("1"), "a.log", output="outputs")
    Path("outputs/more.csv").write_text("kept\n")
    kept = {"outputs/more.csv", "./outputs/more.csv", "lookup.csv", "a.log", "b.log"}
    sources = find_sources(name)
    assert not any("counts.csv" in source.path for source in sources)
    assert {"more.csv"} <= {Path(source.path).name for source in sources}
    assert {source.path.removeprefix("./") for source in sources} <= kept
    assert len(sources.notes) == 1
    assert "outputs/counts.csv" in sources.notes[0]


@pytest.mark.usefixtures("here")
def test_an_own_file_that_is_named_is_counted() -> None:
    run(count("1"), "a.log", output="outputs")
    assert found("outputs/counts.csv") == ["outputs/counts.csv"]
    assert found(".", "./outputs/counts.csv", without=[Path("lookup.csv")]) == [
        *("./a.log", "./b.log", "./outputs/counts.csv")
    ]
    Path("list").write_text("outputs/counts.csv\n")
    assert found("outputs/*.csv", "@list") == ["outputs/counts.csv"]


@pytest.mark.usefixtures("here")
def test_if_nothing_but_own_files_is_found_that_is_said() -> None:
    run(count("1"), "a.log", output="outputs")
    with pytest.raises(UsageError, match=r"no input: .*left out 1 file \(outputs/counts.csv\)"):
        find_sources("outputs")


@pytest.mark.usefixtures("here")
def test_what_was_left_out_is_told_of_sources_that_were_found_before() -> None:
    os.mkfifo("fifo")
    sources = find_sources(".")
    assert isinstance(sources, Sources)
    assert run(count("1"), sources).notes == [
        "left out 1 file (./fifo): FIFOs, sockets or devices; to count one, name it itself"
    ]


@pytest.mark.usefixtures("here")
def test_the_command_does_not_count_its_own_files_either() -> None:
    command = [sys.executable, "-m", "mapreduce", "flowlogs", ".", "-l", "lookup.csv", "--strict"]
    for _ in range(2):
        done = subprocess.run(
            [*command, "--stats", "stats.json", "--rejects", "rejects.jsonl"],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert json.loads(Path("stats.json").read_text())["inputs"] == 2
    assert "left out 5 files (./lookup.csv, ./outputs/portprotocolcount.csv, " in done.stderr
