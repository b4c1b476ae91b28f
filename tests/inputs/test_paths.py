"""Directories, patterns and lists stand for files; each file is found once, sorted by path."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import becomes, change, promise

from mapreduce import UsageError, run
from mapreduce.inputs.names import expand
from mapreduce.inputs.sources import find_sources
from mapreduce.jobs.count import count

FILES = [
    "b.log",
    "a.log",
    ".hidden",
    "_SUCCESS.json",
    "sub/c.log",
    "sub/deep/d.log",
    "sub/_temporary/e.log",
    ".git/f.log",
    "plain.txt",
]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a tree of files, and work in it."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a b\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@promise(
    "No result depends on the order of a listing",
    broken_by=[
        change("mapreduce.inputs.names:expand", "sorted(wanted, key=os.fsencode)", "list(wanted)"),
        change("mapreduce.inputs.sources:find_sources", "sources.sort(...)", "pass"),
    ],
)
@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["."], ["./a.log", "./b.log", "./plain.txt", "./sub/c.log", "./sub/deep/d.log"]),
        (["sub"], ["sub/c.log", "sub/deep/d.log"]),
        (["*.log"], ["a.log", "b.log"]),
        (["*"], ["a.log", "b.log", "plain.txt", "sub/c.log", "sub/deep/d.log"]),
        (["**/*.log"], ["a.log", "b.log", "sub/c.log", "sub/deep/d.log"]),
        (["sub/**"], ["sub/c.log", "sub/deep/d.log"]),
        (["[ab].log", "?.log"], ["a.log", "b.log"]),
        (["s?b"], ["sub/c.log", "sub/deep/d.log"]),
        (["_SUCCESS.json", ".hidden"], [".hidden", "_SUCCESS.json"]),
        (["_*"], ["_SUCCESS.json"]),
        (["**"], ["a.log", "b.log", "plain.txt", "sub/c.log", "sub/deep/d.log"]),
        (["**/"], ["a.log", "b.log", "plain.txt", "sub/c.log", "sub/deep/d.log"]),
        (["**/*"], ["a.log", "b.log", "plain.txt", "sub/c.log", "sub/deep/d.log"]),
        (["*/"], ["sub/c.log", "sub/deep/d.log"]),
        (["*/*.log"], ["sub/c.log"]),
        (["./s*/../*.txt"], ["./sub/../plain.txt"]),
        (["s*/deep/d.log"], ["sub/deep/d.log"]),
        (["**/deep/**"], ["sub/deep/d.log"]),
        (["**/**/d.log"], ["sub/deep/d.log"]),
        (["sub/_*"], ["sub/_temporary/e.log"]),
        (["*/_t*/*"], ["sub/_temporary/e.log"]),
        ([".*"], [".git/f.log", ".hidden"]),
        (["**/_temporary/*.log"], ["sub/_temporary/e.log"]),
        (["sub/_temporary"], ["sub/_temporary/e.log"]),
        (["-", "b.log", "-"], ["-", "b.log"]),
        (["nowhere.log"], ["nowhere.log"]),
    ],
    ids=str,
)
def test_a_name_stands_for_its_files(names: list[str], found: list[str]) -> None:
    assert expand(names).paths == found
    assert expand([*reversed(names * 2)]).paths == found


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_names_what_could_be_named_itself(end: str) -> None:
    Path("list").write_text(end.join(["sub", "", "b.log", "*.txt", "@odd"]))
    found = ["@odd", "a.log", "b.log", "plain.txt", "sub/c.log", "sub/deep/d.log"]
    assert expand(["@list", "a.log"]).paths == found


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tree: Path) -> None:
    (tree / "[ab].log").write_text("")
    assert expand(["[ab].log"]).paths == ["[ab].log"]
    assert expand(["./@x"]).paths == ["./@x"]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("*.gz", "*.gz: matches no file"),
        ("a.log/*", "a.log/*: matches no file"),
        ("*/*/*/*/*", "*/*/*/*/*: matches no file"),
        ("sub/[_]*", "sub/[_]*: matches no file"),
        ("**/nowhere/*", "**/nowhere/*: matches no file"),
        ("", "the name of an input is empty"),
        ("empty", "empty: holds no file"),
        ("@nowhere", "@nowhere: No such file"),
        ("@sub", "@sub: Is a directory"),
        ("@", "@: No such file"),
        ("@a\0b", "cannot be read"),
        ("\x1b*", r"\x1b*: matches no file"),
    ],
)
def test_what_names_no_file_is_refused(name: str, fault: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(UsageError) as caught:
        expand([name])
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


@promise(
    "Nothing behind a link to a directory is counted unasked",
    broken_by=change(
        "mapreduce.inputs.tree:Tree.walk",
        "not entry.is_symlink() and ...",
        "self._is_wanted(below)",
    ),
)
def test_links_in_a_directory_are_files_but_not_directories(tree: Path) -> None:
    (tree / "sub" / "loop").symlink_to("..")
    (tree / "sub" / "link.log").symlink_to("../plain.txt")
    (tree / "sub" / "broken.log").symlink_to("nowhere")
    assert expand(["sub"]).paths == [
        "sub/broken.log",
        "sub/c.log",
        "sub/deep/d.log",
        "sub/link.log",
    ]
    assert expand(["**/*.log"]).paths == [
        *("a.log", "b.log", "sub/broken.log", "sub/c.log", "sub/deep/d.log", "sub/link.log")
    ]


def test_a_link_to_itself_is_a_file_that_cannot_be_read(tree: Path) -> None:
    (tree / "sub" / "self").symlink_to("self")
    for name in ("sub", "sub/*", "**/self"):
        with pytest.raises(UsageError, match="sub/self: Too many levels of symbolic links"):
            find_sources([name])


@pytest.mark.parametrize("name", ["deep", "deep/**", "deep/**/*", "**/x.log"])
def test_directories_may_be_nested_deeper_than_calls(tree: Path, name: str) -> None:
    here = os.open(tree, os.O_RDONLY)
    handle = here
    for directory in ["deep", *["d"] * 1200]:
        os.mkdir(directory, dir_fd=handle)
        inner = os.open(directory, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("x.log", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)
    try:
        assert expand([name]).paths == ["/".join(["deep", *["d"] * 1200, "x.log"])]
    finally:  # shutil.rmtree of Python 3.11 and 3.12 calls itself
        subprocess.run(["rm", "-r", "deep"], check=True)


@promise(
    "A directory that cannot be read is an error, however it was met",
    broken_by=change(
        "mapreduce.inputs.tree:_entries", "raise UsageError(...) from error", "return []"
    ),
)
@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("name", ["sub", "**/*.log", "sub/*/*.log", "*/*/d.log", "sub/**"])
def test_a_directory_that_cannot_be_read_is_an_error_however_it_was_met(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.rstrip("/") == "sub/deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)  # root may read everything
    if name == "*/*/d.log":  # nothing is looked for in it but one name
        assert expand([name]).paths == ["sub/deep/d.log"]
        return
    with pytest.raises(UsageError, match=r"sub/deep/?: Permission denied"):
        expand([name])


def make_specials(directory: Path) -> None:
    os.mkfifo(directory / "fifo.log")
    (directory / "link.log").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("sub/socket.log")


@promise(
    "FIFOs, sockets and devices in a directory are left out, and the run says so",
    broken_by=becomes("mapreduce.inputs.tree:Tree._regular", "yield path"),
)
@pytest.mark.timeout(10)
def test_fifos_sockets_and_devices_in_a_directory_are_left_out(tree: Path) -> None:
    make_specials(tree / "sub")
    for name in ("sub", "sub/*", "sub/*.log", "**/*.log"):
        found = expand([name])
        assert {*found.paths} - {"a.log", "b.log"} == {"sub/c.log", "sub/deep/d.log"} - (
            {"sub/deep/d.log"} if name == "sub/*.log" else set()
        )
        assert found.special == ["sub/fifo.log", "sub/link.log", "sub/socket.log"]
    assert expand(["sub/fifo.log"]).paths == ["sub/fifo.log"]
    for name in ("sub/f*", "sub/**/l*"):
        with pytest.raises(UsageError, match="matches no file, only FIFOs, sockets or devices"):
            expand([name])


@promise(
    "A file that several names lead to is counted once",
    broken_by=becomes("mapreduce.inputs.seen_files:SeenFiles.is_new", "return True"),
)
def test_a_file_that_several_paths_lead_to_is_one(tree: Path) -> None:
    (tree / "hard.log").hardlink_to("b.log")
    (tree / "soft.log").symlink_to("b.log")
    names = ["soft.log", "hard.log", "./b.log", str(tree / "b.log"), "b.log"]
    assert len(find_sources(names)) == 1
    assert len(find_sources([*names, "a.log"])) == 2


@pytest.mark.usefixtures("tree")
@given(st.permutations(["a.log", "sub", "*.log", "sub/c.log", "./plain.txt", "sub/**"]))
def test_the_order_of_the_names_makes_no_difference(names: list[str]) -> None:
    assert find_sources(names) == find_sources(sorted(names))


def test_ten_thousand_files_are_all_counted(tmp_path: Path) -> None:
    for number in range(250):
        directory = tmp_path / f"{number:03}"
        directory.mkdir()
        for name in range(40):
            handle = os.open(directory / f"{name}.log", os.O_WRONLY | os.O_CREAT)
            os.write(handle, b"%d x\n" % name)
            os.close(handle)
    found = run(count("1"), [tmp_path], workers=2)
    assert (found.stats.inputs, found.stats.lines) == (10_000, 10_000)
    assert set(found.counts.values()) == {250}


class OnlyAccountOne:
    """A selector that leaves out whole directories."""

    prunes = True
    nothing_left = "nothing of account 1"

    def holds(self, path: str, /) -> bool:
        return "/1/" in path

    def may_hold(self, prefix: str, /) -> bool:
        return "/2/" not in prefix


class NoText:
    """A selector that is asked about each file, and leaves out no whole directory."""

    prunes = False
    nothing_left = "only text is left"

    def holds(self, path: str, /) -> bool:
        return not path.endswith(".txt")

    def may_hold(self, prefix: str, /) -> bool:
        raise AssertionError(prefix)


def test_directories_that_hold_nothing_selected_are_not_looked_into(tmp_path: Path) -> None:
    logs = tmp_path / "AWSLogs"
    for account in "12":
        (logs / account).mkdir(parents=True)
        (logs / account / "x.log").touch()
    (logs / "2").chmod(0)
    looked: list[str] = []
    scandir = os.scandir

    def look(path: str) -> object:
        looked.append(path)
        return scandir(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.scandir", look)
        found = expand([str(tmp_path)], OnlyAccountOne()).paths
    (logs / "2").chmod(0o700)
    assert found == [str(logs / "1" / "x.log")]
    assert str(logs / "2") not in looked


@pytest.mark.usefixtures("tree")
def test_a_selector_chooses_among_files_however_they_were_named() -> None:
    Path("empty").mkdir()
    assert expand([".", "plain.txt"], NoText()).paths == [
        *("./a.log", "./b.log", "./sub/c.log", "./sub/deep/d.log")
    ]
    for names in (["plain.txt"], ["*.txt", "plain.txt"]):
        with pytest.raises(UsageError, match="only text is left"):
            expand(names, NoText())
    with pytest.raises(UsageError, match="empty: holds no file"):
        expand(["empty"], NoText())
    for names in (["empty"], ["*.nothing"], ["sub"]):
        with pytest.raises(UsageError, match="nothing of account 1"):
            expand(names, OnlyAccountOne())
    assert expand([], OnlyAccountOne()).paths == []
