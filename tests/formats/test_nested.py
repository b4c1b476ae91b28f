"""An input compressed twice is unpacked twice; one compressed too often is refused by name."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from conftest import ReadStdin, record
from promises import becomes, change, promise

from mapreduce import UsageError, run
from mapreduce.errors import InputError
from mapreduce.formats.compressed import MAX_DEPTH
from mapreduce.jobs.count import count

LOG = b"\xef\xbb\xbf" + (record() + b"\n") * 4_000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
every_pair = pytest.mark.parametrize(
    ("outer", "inner"), [(outer, inner) for outer in PACK for inner in PACK]
)


@cache
def packed_twice(outer: str, inner: str) -> bytes:
    return PACK[outer](PACK[inner](LOG))


@promise(
    "What is compressed twice is unpacked twice",
    broken_by=change(
        "mapreduce.formats.compressed:Compressed.unpack", "inner.unpack(...)", "chain(first, texts)"
    ),
)
@every_pair
@pytest.mark.parametrize("stream", [False, True])
def test_a_codec_within_a_codec_is_unpacked_again(
    tmp_path: Path, read_stdin: ReadStdin, outer: str, inner: str, stream: bool
) -> None:
    path = tmp_path / "log"
    path.write_bytes(packed_twice(outer, inner))
    if stream:
        read_stdin(path)
    assert run(count("7"), ["-" if stream else path]).counts == {b"443": 4_000}


def packed(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = gzip.compress(data)
    return data


@promise(
    "What a file is compressed by too often is refused",
    broken_by=becomes("mapreduce.formats.compressed:MAX_DEPTH", "9"),
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_compressed_too_often_is_named(
    tmp_path: Path, read_stdin: ReadStdin, stream: bool
) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(packed(LOG, MAX_DEPTH))
    assert run(count("7"), [path]).counts == {b"443": 4_000}
    path.write_bytes(packed(LOG, MAX_DEPTH + 1))
    if stream:
        read_stdin(path)
    with pytest.raises(UsageError, match="is compressed more than 3 times; unpack it first"):
        run(count("7"), ["-" if stream else path])


@promise(
    "Damage within what was compressed twice is an error that says where",
    broken_by=becomes("mapreduce.formats.compressed:Compressed.inside", "return name"),
)
def test_damage_within_is_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(gzip.compress(LOG)[:-9]))
    with pytest.raises(InputError, match=r"log\.gz \(unpacked by gzip\): gzip: is incomplete"):
        run(count("7"), [tmp_path / "log.gz"])


def test_parquet_within_a_codec_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(b"PAR1" + bytes(20)))
    with pytest.raises(UsageError, match=r"\(unpacked by gzip\): is Parquet, which cannot be read"):
        run(count("7"), [tmp_path / "a.parquet.gz"])


@pytest.mark.parametrize("pack", PACK.values(), ids=[*PACK])
def test_zeros_behind_a_member_are_padding(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """``tar`` and tapes leave such zeros; the commands gzip, bzip2 and xz accept them, too."""
    for data in (pack(LOG) + bytes(400), pack(LOG) + bytes(200_000)):
        (tmp_path / "log").write_bytes(data)
        assert run(count("7"), [tmp_path / "log"]).counts == {b"443": 4_000}
