"""An input that the job refuses is refused before any line of any input is counted."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ReadStdin, WriteLogs
from promises import change, promise

from mapreduce import KeyCount, LineMapper, UsageError, run
from mapreduce.formats.format import FIRST_LINE
from mapreduce.inputs.local import Files
from mapreduce.inputs.sources import find_sources
from mapreduce.mapping.mapper import Mapper
from mapreduce.splits.choice import choose_mappers


def fail(line: bytes) -> bytes:
    """Count a line. Tests of refused inputs must not reach this function."""
    raise AssertionError(line)


@dataclass(frozen=True)
class Picky(KeyCount):
    """Refuses inputs that begin with ``refused``."""

    seen: list[tuple[str, bytes]] = field(default_factory=list, compare=False)

    def mapper_for(self, name: str, first_line: bytes, /) -> Mapper:
        self.seen.append((Path(name).name, first_line))
        if first_line.startswith(b"refused"):
            raise UsageError(f"{name}: is refused")
        return self.mapper


PICKY = Picky(LineMapper(fail), "x.csv", ("Key", "Count"))


@promise(
    "An input that the job refuses is refused before any line is counted",
    broken_by=change("mapreduce.splits.plan:make_plan", "choose_mappers(...)", "[*sources]"),
)
@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 2, "split_size": 1}], ids=str)
@pytest.mark.parametrize("packed", [False, True])
def test_a_refused_input_is_refused_before_any_line_is_counted(
    write_logs: WriteLogs, options: dict[str, Any], packed: bool
) -> None:
    data = [b"a\nb\n", b"c\n", b"refused\n"]
    paths = write_logs(*map(gzip.compress, data) if packed else data)
    with pytest.raises(UsageError, match="is refused") as caught:
        run(PICKY, paths, **options)
    assert str(paths[2]) in str(caught.value)


def test_the_first_line_is_seen_once_however_long_it_is(write_logs: WriteLogs) -> None:
    job = replace(PICKY, seen=[])
    long = b"x" * 10_000
    paths = write_logs(
        b"a\nb", long + b"\ny\n", b"z" * (FIRST_LINE + 9), b"\n", b"\xef\xbb\xbfbom\r\n"
    )
    fitted = choose_mappers(find_sources(paths), job.mapper_for, lambda _size: None)
    assert [line for _name, line in job.seen] == [b"a", long, b"z" * FIRST_LINE, b"", b"bom\r"]
    assert {source.mapper for source in fitted} == {job.mapper}
    assert {source.line for source in fitted} == {None}


def test_a_stream_is_refused_when_its_first_line_is_there(
    write_logs: WriteLogs, read_stdin: ReadStdin
) -> None:
    (path,) = write_logs(b"refused\n")
    read_stdin(path)
    assert choose_mappers(find_sources("-"), PICKY.mapper_for, lambda _size: None)[0].mapper is None
    with pytest.raises(UsageError, match="standard input: is refused"):
        run(PICKY, "-")


def test_a_source_whose_first_line_is_known_is_not_opened_again(
    write_logs: WriteLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = find_sources(write_logs(b"a\n", b"b\n", gzip.compress(b"c\n")))
    monkeypatch.setattr(Files, "open", fail)
    assert len(choose_mappers(sources, PICKY.mapper_for, lambda _size: None)) == 3


class Slow(Files):
    """A store whose client starts threads, as a store on a server does."""

    has_threads = True


def test_sources_of_a_server_keep_their_order_and_can_be_stopped(write_logs: WriteLogs) -> None:
    paths = write_logs(*(b"%d " % n + b"x" * 1000 + b"\n" for n in range(50)))
    sources = [replace(source, store=Slow(), line=None) for source in find_sources(paths)]
    job = replace(PICKY, seen=[])
    fitted = choose_mappers(sources, job.mapper_for, lambda _size: None)
    assert [source.path for source in fitted] == [str(path) for path in paths]
    assert {line.partition(b" ")[0] for _name, line in job.seen} == {b"%d" % n for n in range(50)}

    def stop(_size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        choose_mappers(sources, job.mapper_for, stop)
