"""Inputs that cannot be read are refused before any work; special files are read as streams."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ReadStdin, WriteLogs
from hypothesis import given
from hypothesis import strategies as st
from promises import becomes, change, promise

from mapreduce import UsageError, run
from mapreduce.errors import InputError, printable
from mapreduce.inputs.sources import Source, find_sources
from mapreduce.jobs.count import count

linux = pytest.mark.skipif(sys.platform != "linux", reason="has /proc")


def test_sources_stand_in_the_order_of_their_names(write_logs: WriteLogs) -> None:
    one, two = write_logs(b"1\n", b"22\n")
    sources = find_sources([two, str(one), two])
    assert [(source.index, source.path, source.size) for source in sources] == [
        (0, str(one), 2),
        (1, str(two), 3),
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file"),
        ("nul\0", "cannot be read"),
        ("empty", "holds no file"),
        ("log/below", "Not a directory"),
    ],
)
def test_an_input_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("log").write_bytes(b"x\n")
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=reason) as caught:
        find_sources(["log", name])
    assert str(caught.value).startswith(f"{printable(name)}: ")


@promise(
    "What may not be read is refused before any work",
    broken_by=change(
        "mapreduce.inputs.local:_inspect", "path != STDIN and not os.access(path, os.R_OK)", "False"
    ),
)
def test_an_input_without_permission_is_refused(
    write_logs: WriteLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_logs(b"secret\n")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(UsageError, match="permission denied"):
        find_sources([path])


def test_no_input_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="no input"):
        find_sources([])


def test_standard_input_is_one_however_often_it_is_named(
    write_logs: WriteLogs, read_stdin: ReadStdin
) -> None:
    (path,) = write_logs(b"x\n")
    read_stdin(path)
    source, _plain = find_sources(["-", path, "-"])
    assert (source.name, source.size) == ("standard input", None)


def test_a_closed_standard_input_is_refused(write_logs: WriteLogs, read_stdin: ReadStdin) -> None:
    read_stdin(*write_logs(b"x\n")).close()
    with pytest.raises(UsageError, match=r"^-: "):
        find_sources(["-"])


def test_a_missing_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match=r"^-: "):
        find_sources(["-"])


def make_fifo(directory: Path) -> Path:
    os.mkfifo(directory / "fifo")
    return directory / "fifo"


def make_empty_file(directory: Path) -> Path:
    (directory / "empty").touch()
    return directory / "empty"


@promise(
    "A FIFO, a file of /proc and the like are read as streams",
    broken_by=change(
        "mapreduce.inputs.local:_inspect",
        "path == STDIN or not stat.S_ISREG(status.st_mode) or not status.st_size",
        "path == STDIN",
    ),
)
@pytest.mark.parametrize(
    "make",
    [
        make_fifo,
        make_empty_file,
        pytest.param(lambda _: Path("/dev/null"), id="device"),
        pytest.param(lambda _: Path("/proc/self/status"), id="proc", marks=linux),
    ],
)
def test_what_is_no_plain_file_with_a_size_is_a_stream(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    (source,) = find_sources([make(tmp_path)])
    assert source.size is None


def test_a_link_is_the_file_that_it_points_to(tmp_path: Path, write_logs: WriteLogs) -> None:
    (path,) = write_logs(b"x\n")
    (tmp_path / "link").symlink_to(path)
    (link,), (plain,) = find_sources([tmp_path / "link"]), find_sources([path])
    assert (link.size, link.identity) == (plain.size, plain.identity)


def test_a_source_opens_at_its_start_as_often_as_asked(write_logs: WriteLogs) -> None:
    (source,) = find_sources(write_logs(b"one\ntwo\n"))
    for _ in range(2):
        with source.open() as file:
            assert file.read(4) == b"one\n"


def remove(path: Path) -> None:
    path.unlink()


def replace_by_a_file(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)


def replace_by_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


@promise(
    "A file that is replaced is an error at its next opening",
    broken_by=change(
        "mapreduce.inputs.local:Files.open",
        "_identity(os.fstat(handle)) != source.identity",
        "False",
    ),
)
@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove, "No such file"),
        (replace_by_a_file, "was replaced while it was being read"),
        (replace_by_a_fifo, "was replaced while it was being read"),
    ],
)
def test_a_file_that_is_not_the_one_found_before_is_not_opened(
    write_logs: WriteLogs, change: Callable[[Path], None], reason: str
) -> None:
    (path,) = write_logs(b"x\n")
    (source,) = find_sources([path])
    change(path)
    with pytest.raises(InputError, match=reason) as caught:
        source.open()
    assert str(path) in str(caught.value)


@given(st.text(st.characters(), max_size=20))
def test_a_shown_name_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


def test_a_source_is_named_as_it_may_be_shown() -> None:
    assert Source(0, "a\x1b[31m\udcff.log", 1).name == r"a\x1b[31m\udcff.log"


TEXT = "a b\nc d\n"


@promise(
    "A UTF-8 byte order mark is dropped",
    broken_by=change(
        "mapreduce.formats.text:Text.inspect", "head.data.removeprefix(BOM_UTF8)", "head.data"
    ),
)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_a_utf_8_byte_order_mark_is_no_part_of_the_first_line(
    tmp_path: Path, read_stdin: ReadStdin, workers: int, stream: bool
) -> None:
    path = tmp_path / "bom.log"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    if stream:
        read_stdin(path)
    inputs = ["-"] if stream else [path]
    found = run(count("1"), inputs, workers=workers, split_size=5, rejects=tmp_path / "r.csv")
    assert found.counts == {b"a": 1, b"c": 1}
    assert found.stats.bytes == len(TEXT)


def test_a_reject_behind_a_byte_order_mark_lies_where_it_lies_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "bom.log").write_bytes(b"\xef\xbb\xbfonly\na b\n")
    (reject,) = run(count("2"), [tmp_path / "bom.log"]).rejects
    assert (reject.offset, reject.excerpt) == (3, b"only")


FOREIGN = {
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 of the other order": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-32": TEXT.encode("utf-32"),
}


@promise(
    "UTF-16, an archive and the like are refused by name, with what to do",
    broken_by=becomes("mapreduce.formats.refused:Refused.inspect", "return 0, None"),
)
@pytest.mark.parametrize(("name", "data"), FOREIGN.items(), ids=FOREIGN)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_lines_of_text_is_refused_by_name_with_what_to_do(
    tmp_path: Path, read_stdin: ReadStdin, name: str, data: bytes, stream: bool
) -> None:
    path = tmp_path / "some.log"
    path.write_bytes(data)
    if stream:
        read_stdin(path)
    with pytest.raises(UsageError) as caught:
        run(count("1"), ["-" if stream else path])
    assert name.split(" of ", maxsplit=1)[0] in str(caught.value)
    assert str(caught.value).startswith("standard input: is " if stream else f"{path}: is ")


@pytest.mark.parametrize("data", [b"BZh but text\n", b"\x1f\n", b"\xef\xbb", b"\xff", b"PK\n"])
def test_what_only_begins_like_something_else_is_counted(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "some.log").write_bytes(data)
    assert run(count("1"), [tmp_path / "some.log"]).stats.counted == 1


@promise(
    "A file that grows while it is counted is told",
    broken_by=change("mapreduce.inputs.local:Files.growth", "max(...)", "0"),
)
def test_growth_while_a_file_is_counted_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a\tb.log"
    path.write_text(TEXT)

    def append(size: int) -> None:
        if size:
            with path.open("a") as file:
                file.write("e f\n")

    found = run(count("1"), [path], progress=append)
    assert found.counts == {b"a": 1, b"c": 1}
    (note,) = found.notes
    assert note.startswith(f"{tmp_path}/a\\tb.log: grew by 4 bytes while it was counted; only the")
    assert note.isprintable()
    assert not run(count("1"), [path]).notes


def test_parquet_in_a_stream_is_refused_with_what_to_do(
    tmp_path: Path, read_stdin: ReadStdin
) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(20))
    read_stdin(tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=r"standard input: is Parquet, which .* name the file"):
        run(count("1"), ["-"])


def test_what_has_been_found_is_counted_like_what_is_named(write_logs: WriteLogs) -> None:
    one, two = write_logs(b"a\n", b"b\n")
    ways: list[list[Any]] = [[one, two], find_sources([one, two]), [*find_sources([one]), two]]
    for inputs in ways:
        assert run(count("1"), inputs).counts == {b"a": 1, b"b": 1}
