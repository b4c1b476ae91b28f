"""Results appear complete or not at all; until then, what was there before stays."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from promises import change, promise

from mapreduce import MapReduceError, Table, UsageError
from mapreduce.errors import OutputError
from mapreduce.outputs.commit import commit
from mapreduce.outputs.targets import check_targets
from mapreduce.outputs.writers import table_text

OLD = "what was there before\n"
BOTH = [Table("a.csv", ("Key", "Count"), [("x", 1)]), Table("b.csv", ("Key", "Count"), [("y", 2)])]


def nothing() -> None:
    """Check nothing."""


def write_tables(tables: Iterable[Table], directory: Path) -> list[Path]:
    texts = {directory / table.name: table_text(table) for table in tables}
    commit(texts)
    return list(texts)


def broken() -> None:
    """Fail as any step may."""
    raise ZeroDivisionError


def broken_text() -> Iterator[bytes]:
    """Fail amid the text."""
    yield b"begun"
    raise ZeroDivisionError


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes, as on a full file system."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def contents(directory: Path) -> dict[str, str]:
    """Return every file below a directory, hidden and temporary ones included."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_text() for path in files}


def test_tables_are_written_with_line_feeds_into_a_directory_made_for_them(tmp_path: Path) -> None:
    directory = tmp_path / "made" / "for" / "them"
    assert write_tables(BOTH, directory) == [
        directory / "a.csv",
        directory / "b.csv",
    ]
    assert contents(directory) == {"a.csv": "Key,Count\nx,1\n", "b.csv": "Key,Count\ny,2\n"}


def test_bytes_that_are_no_utf_8_come_out_as_they_came_in(tmp_path: Path) -> None:
    raw = bytes(range(0x80, 0x100)) + "é".encode()
    table = Table("t.csv", ("Key",), [(raw.decode(errors="surrogateescape"),)])
    (path,) = write_tables([table], tmp_path)
    assert path.read_bytes() == b"Key\n" + raw + b"\n"


@promise(
    "Nothing is renamed before all files are complete",
    broken_by=change(
        "mapreduce.outputs.commit:commit",
        "directory_lock(directory, check)",
        "directory_lock(directory, lambda: None)",
    ),
)
@pytest.mark.parametrize(
    ("texts", "check"),
    [
        pytest.param({"a": broken_text, "b": lambda: [b"new"]}, nothing, id="first-write"),
        pytest.param({"a": lambda: [b"new"], "b": broken_text}, nothing, id="last-write"),
        pytest.param({"a": lambda: [b"new"], "b": lambda: [b"new"]}, broken, id="check"),
    ],
)
@pytest.mark.parametrize("before", [{}, {"a": OLD}, {"a": OLD, "b": OLD}], ids=len)
def test_a_failure_leaves_all_old_files_and_no_temporary_one(
    tmp_path: Path,
    texts: dict[str, Callable[[], Iterable[bytes]]],
    check: Callable[[], object],
    before: dict[str, str],
) -> None:
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ZeroDivisionError):
        commit({tmp_path / name: text() for name, text in texts.items()}, check=check)
    assert contents(tmp_path) == before


def test_nothing_is_renamed_before_all_files_are_complete(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(OLD)

    def last() -> Iterator[bytes]:
        yield b"new"
        assert (tmp_path / "a").read_text() == OLD

    def check() -> None:
        assert (tmp_path / "a").read_text() == OLD
        assert not (tmp_path / "b").exists()

    commit({tmp_path / "a": [b"new"], tmp_path / "b": last()}, check=check)
    assert contents(tmp_path) == {"a": "new", "b": "new"}


@promise(
    "A full disk leaves the old files and no temporary one",
    broken_by=change(
        "mapreduce.outputs.temporary:_create", "stack.callback(_remove, path)", "pass"
    ),
)
@pytest.mark.parametrize("existing", [True, False])
def test_a_full_file_system_is_an_output_error_and_the_old_files_stay(
    tmp_path: Path, existing: bool
) -> None:
    before = {"a.csv": OLD, "large.csv": OLD} if existing else {}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    large = Table("large.csv", ("Key", "Count"), [("k" * 1000, n) for n in range(1000)])
    with full_after(100_000), pytest.raises(OutputError, match=r"large\.csv: File too large"):
        write_tables([BOTH[0], large], tmp_path)
    assert contents(tmp_path) == before


def test_a_directory_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(OLD)
    with pytest.raises(OutputError, match="file/out: Not a directory"):
        write_tables(BOTH, tmp_path / "file" / "out")
    assert contents(tmp_path) == {"file": OLD}


@pytest.mark.parametrize("names", [["dir"], ["dir", "a"], ["a", "dir"]], ids="-".join)
def test_a_target_that_cannot_be_replaced_is_an_output_error_and_no_other_is(
    tmp_path: Path, names: list[str]
) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(OutputError, match="dir: Is a directory"):
        commit({tmp_path / name: [b"new"] for name in names})
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_gets_the_mode_that_the_umask_gives(
    tmp_path: Path, mask: int, mode: int
) -> None:
    with umask(mask):
        commit({tmp_path / "new": [b"text"]})
        assert os.umask(mask) == mask
    assert (tmp_path / "new").stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o440])
def test_a_file_that_exists_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "old"
    target.write_text(OLD)
    target.chmod(mode)
    with umask(0o027):
        commit({target: [b"new"]})
    assert (target.read_text(), target.stat().st_mode & 0o7777) == ("new", mode)


@promise(
    "A table gets no setuid bit of the file before",
    broken_by=change("mapreduce.outputs.temporary:_mode", "0o777", "0o7777"),
)
@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1644])
def test_a_table_gets_no_setuid_bit_of_the_file_before(tmp_path: Path, mode: int) -> None:
    """The system drops the bit when a file is written; a table has no use for it."""
    target = tmp_path / "old"
    target.write_text(OLD)
    target.chmod(mode)
    commit({target: [b"new"]})
    assert target.stat().st_mode & 0o7777 == mode & 0o777


@promise(
    "A symbolic link is written through",
    broken_by=change(
        "mapreduce.outputs.temporary:write_beside", "Path(os.path.realpath(target))", "target"
    ),
)
@pytest.mark.parametrize("dangling", [True, False])
def test_a_symlink_is_written_through(tmp_path: Path, dangling: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, middle, link = tmp_path / "elsewhere" / "real", tmp_path / "middle", tmp_path / "link"
    middle.symlink_to(Path("elsewhere") / "real")
    link.symlink_to(middle)
    if not dangling:
        real.write_text(OLD)
    check_targets([link], [])
    commit({link: [b"new"]})
    assert link.is_symlink()
    assert middle.is_symlink()
    assert contents(tmp_path) == {"elsewhere/real": "new", "middle": "new", "link": "new"}


def use_itself(directory: Path) -> Path:
    return directory / "input"


def use_another_spelling(directory: Path) -> Path:
    (directory / "sub").mkdir()
    return directory / "sub" / ".." / "input"


def use_hard_link(directory: Path) -> Path:
    (directory / "hard").hardlink_to(directory / "input")
    return directory / "hard"


def use_symlink(directory: Path) -> Path:
    (directory / "soft").symlink_to("input")
    return directory / "soft"


def use_linked_directory(directory: Path) -> Path:
    (directory / "dir").symlink_to(directory)
    return directory / "dir" / "input"


@promise(
    "An output that is an input is refused",
    broken_by=change("mapreduce.outputs.targets:_refusal", "any(...)", "False"),
)
@pytest.mark.parametrize(
    "alias",
    [use_itself, use_another_spelling, use_hard_link, use_symlink, use_linked_directory],
)
def test_an_output_that_is_an_input_is_refused(
    tmp_path: Path, alias: Callable[[Path], Path]
) -> None:
    (tmp_path / "input").write_text(OLD)
    target, free = alias(tmp_path), tmp_path / "free"
    for pair in [(target, tmp_path / "input"), (tmp_path / "input", target)]:
        with pytest.raises(UsageError, match="is an input; choose another output"):
            check_targets([free, pair[0]], [tmp_path / "other", pair[1]])


def make_directory(path: Path) -> Path:
    path.mkdir()
    return path


def make_file_as_parent(path: Path) -> Path:
    path.write_text(OLD)
    return path / "table.csv"


def make_file_as_ancestor(path: Path) -> Path:
    return make_file_as_parent(path) / "deeper" / "table.csv"


def make_symlink_to_directory(path: Path) -> Path:
    path.symlink_to(path.parent)
    return path


def make_symlink_loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


def make_symlink_loop_as_parent(path: Path) -> Path:
    return make_symlink_loop(path) / "table.csv"


def make_fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def make_symlink_to_fifo(path: Path) -> Path:
    path.symlink_to(make_fifo(path.with_name("fifo")))
    return path


@pytest.mark.parametrize(
    "make",
    [
        make_directory,
        make_file_as_parent,
        make_file_as_ancestor,
        make_symlink_to_directory,
        make_symlink_loop,
        make_symlink_loop_as_parent,
        make_fifo,
        make_symlink_to_fifo,
    ],
)
def test_a_target_that_no_file_can_replace_is_refused(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    target = make(tmp_path / "target")
    with pytest.raises(UsageError, match="target"):
        check_targets([tmp_path / "free", target], [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
@pytest.mark.parametrize("below", ["table.csv", "new/table.csv", "new/deep/table.csv"])
def test_a_directory_that_may_not_be_written_is_refused(
    tmp_path: Path, mode: int, below: str
) -> None:
    directory = tmp_path / "locked"
    directory.mkdir(mode=mode)
    try:
        with pytest.raises(UsageError, match=r"locked.*: permission denied"):
            check_targets([directory / below], [])
    finally:
        directory.chmod(0o700)


def test_targets_that_can_be_written_are_accepted_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text(OLD)
    (tmp_path / "input").write_text(OLD)
    targets = [tmp_path / "old.csv", tmp_path / "new.csv", tmp_path / "new" / "dir" / "x.csv"]
    check_targets(targets, [tmp_path / "input", "-", tmp_path / "missing"])
    assert contents(tmp_path) == {"old.csv": OLD, "input": OLD}


@pytest.mark.parametrize("name", ["new\nline", "\x1b[31m", "\udcff"])
def test_control_characters_in_a_path_are_escaped_in_errors(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(MapReduceError) as caught:
        check_targets([tmp_path / name], [])
    assert str(caught.value).isprintable()
