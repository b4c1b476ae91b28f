"""A list names one input on each line; errors in it are reported with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from promises import becomes, change, promise

from mapreduce import UsageError
from mapreduce.inputs.lists import read_list
from mapreduce.inputs.sources import find_sources


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_in(data: bytes) -> list[str]:
    Path("list").write_bytes(data)
    return [name for name, _where in read_list("list")]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\n\nb", ["a", "b"]),
        (b"\xef\xbb\xbfa\nb\n", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"a\r\n\r\nb\r\n", ["a", "b"]),
        (b"a\r\nb\n", ["a\r", "b"]),
        (b"a\nb\r", ["a", "b\r"]),
        (b"a\r", ["a\r"]),
        (b"a\rb\r\nc\r\n", ["a\rb", "c"]),
        (b"a\rb\nc\n", ["a\rb", "c"]),
        (b"a\x0bb\x0c\x1c\x85\xe2\x80\xa8c\n", ["a\x0bb\x0c\x1c\udc85\u2028c"]),
        (b" a b \n", [" a b "]),
        (b"\xff\n", ["\udcff"]),
        (b"", []),
        (b"\n\n", []),
    ],
    ids=repr,
)
def test_only_a_line_end_ends_a_name(data: bytes, names: list[str]) -> None:
    assert names_in(data) == names


@promise(
    "A list of inputs in another encoding is refused by name",
    broken_by=change("mapreduce.inputs.lists:_text", "text.startswith(mark)", "False"),
)
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-16", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32", "UTF-32"), ("utf-32-be", "UTF-32")],
)
def test_a_list_in_another_encoding_is_refused_by_name(encoding: str, name: str) -> None:
    mark = "\ufeff" if encoding.endswith("be") else ""
    Path("list").write_bytes(f"{mark}log.txt\r\n".encode(encoding))
    with pytest.raises(UsageError) as caught:
        find_sources(["@list"])
    assert str(caught.value) == (
        f"@list: is text in {name}; convert it first: iconv -f {name} -t UTF-8"
    )


@promise(
    "What is wrong in a list of inputs is told with its line",
    broken_by=becomes("mapreduce.inputs.names:with_list_line", "return error"),
)
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"a\nb\0c\n", "@list, line 2: has a NUL byte; "),
        ("a\nb\n".encode("utf-16-le"), "@list, line 1: has a NUL byte; "),
        (b"\na\r\nnowhere\x1b\n", r"@list, line 3: nowhere\x1b: No such file or directory"),
        (b"a\n\nempty\n", "@list, line 3: empty: holds no file"),
        (b"a\n*.gz\n", "@list, line 2: *.gz: matches no file"),
        (b"a\n@inner\n", "@list, line 2: @inner: No such file or directory"),
        (b"a\na/b\n", "@list, line 2: a/b: Not a directory"),
    ],
    ids=repr,
)
def test_what_is_wrong_in_a_list_is_told_with_its_line(data: bytes, fault: str) -> None:
    for name in ("a", "a\r", "inner"):
        Path(name).write_text("a\n")
    Path("empty").mkdir()
    Path("list").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        find_sources(["@list"])
    assert str(caught.value).startswith(fault)
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("here")
def test_a_list_that_a_list_names_is_a_file() -> None:
    Path("@inner").write_text("a\n")
    Path("list").write_text("@inner\n")
    assert [source.path for source in find_sources(["@list"])] == ["@inner"]
