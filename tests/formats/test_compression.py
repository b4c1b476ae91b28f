"""Compressed inputs give the same result as plain ones; a damaged input gives no result."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, ReadStdin, record
from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce import Result, UsageError, run
from mapreduce.errors import InputError, NothingCountedError, install_hint
from mapreduce.formats.compressed import (
    SMALLEST_PIECE,
    Compressed,
    decompress,
    read_ahead,
    unpack_head,
)
from mapreduce.formats.gzipped import ZlibDecoder
from mapreduce.formats.table import find_format
from mapreduce.jobs.flowlogs.job import FlowLogs
from mapreduce.kernel.pace import Pace

FLOWS = FlowLogs(LOOKUP)
LOG = b"".join(b"%b\n%b\nbad %d\n" % (record(), record(b"53", b"17"), n) for n in range(1000))

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
try:
    from backports import zstd
except ImportError:
    pass
else:

    def pack_zstd(data: bytes) -> bytes:
        """Compress with a checksum. Without one, damage may go unnoticed in this format."""
        return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})

    PACK["zstd"] = pack_zstd

every_codec = pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
every_decoder = pytest.mark.parametrize(
    ("pack", "gzip_library"),
    [*((pack, "isal") for pack in PACK.values()), (PACK["gzip"], "zlib")],
    ids=[*PACK, "gzip by zlib"],
    indirect=["gzip_library"],
)


def run_split(inputs: list[Path | str], **options: Any) -> Result:
    """Run with processes from the first byte on (if ``workers`` are more than 1)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
        return run(FLOWS, inputs, **options)


@pytest.fixture(params=["isal", "zlib"])
def gzip_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let either library read gzip; return the name of the library."""
    if request.param == "isal":
        pytest.importorskip("isal", reason="isal is not installed")
    else:
        monkeypatch.setitem(sys.modules, "isal", None)
    return str(request.param)


@every_codec
@pytest.mark.parametrize(("workers", "suffix"), [(1, ".gz"), (2, ".log"), (2, "")])
def test_a_compressed_file_gives_what_the_plain_one_gives_whatever_its_name(
    tmp_path: Path, pack: Callable[[bytes], bytes], workers: int, suffix: str
) -> None:
    for number in range(3):
        (tmp_path / f"{number}{suffix}").write_bytes(pack(LOG))
    (tmp_path / "plain").write_bytes(LOG)
    found = run_split([tmp_path], workers=workers, rejects=tmp_path / "r.csv")
    alone = run(FLOWS, [tmp_path / "plain"])
    assert found.counts == {key: 4 * n for key, n in alone.counts.items()}
    assert found.stats.malformed == 4 * 1000
    places = [reject.offset for reject in alone.rejects]
    assert [reject.offset for reject in found.rejects] == places[: len(found.rejects)]


@every_codec
def test_a_compressed_stream_gives_what_a_plain_one_gives(
    tmp_path: Path, read_stdin: ReadStdin, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "log").write_bytes(pack(LOG[:-1]))
    read_stdin(tmp_path / "log")
    found = run_split(["-"], workers=2)
    assert found.counts == run(FLOWS, [_plain(tmp_path)]).counts
    assert found.stats.lines == 3000


def _plain(directory: Path) -> Path:
    (directory / "plain").write_bytes(LOG)
    return directory / "plain"


@promise(
    "Every member of a compressed file is read",
    broken_by=change(
        "mapreduce.formats.compressed:_members", "_next_member(decoder.unused_data, ...)", "b''"
    ),
)
@every_codec
@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=5), st.integers(1, 5000))
def test_members_one_after_the_other_are_one_text(
    pack: Callable[[bytes], bytes], parts: list[bytes], read_size: int
) -> None:
    packed = b"".join(map(pack, parts))
    assert unpack(packed, read_size) == b"".join(parts)


def codec_of(packed: bytes) -> Compressed:
    codec = find_format(packed[:512])
    assert isinstance(codec, Compressed)
    return codec


def unpack(packed: bytes, read_size: int = 100, piece: int = 1000) -> bytes:
    codec = codec_of(packed)
    pieces = iter([packed[at : at + read_size] for at in range(0, len(packed), read_size)])
    found = list(decompress(pieces, codec, "x", piece))
    assert all(0 < len(one) <= piece for one in found)
    return b"".join(found)


@every_codec
def test_a_file_that_is_cut_off_anywhere_is_an_error(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(LOG[:3000])
    for size in range(12, len(packed)):
        with pytest.raises(InputError, match=r"^x: \w+: "):
            unpack(packed[:size])


@every_decoder
def test_a_damaged_byte_is_an_error_or_makes_no_difference(
    pack: Callable[[bytes], bytes], gzip_library: str
) -> None:
    packed = pack(LOG[:3000])
    for at in range(12, len(packed)):
        damaged = bytearray(packed)
        damaged[at] ^= 0x10
        try:
            assert unpack(bytes(damaged)) == LOG[:3000], (gzip_library, at)
        except InputError:
            continue


BLOBS = {
    "truncated": gzip.compress(LOG)[:-20],
    "without its trailer": gzip.compress(LOG)[:-8],
    "of a wrong checksum": gzip.compress(LOG)[:-8] + bytes(4) + gzip.compress(LOG)[-4:],
    "of a wrong length": gzip.compress(LOG)[:-4] + b"\1\2\3\4",
    "followed by junk": gzip.compress(LOG) + b"junk",
    "followed by one byte": gzip.compress(LOG) + b"j",
    "with a second member cut off": gzip.compress(LOG) + gzip.compress(LOG)[:-20],
}


@promise(
    "A compressed file that is cut off, damaged or followed by junk is an error",
    broken_by=change("mapreduce.formats.compressed:_decode", "Exception", "ZeroDivisionError"),
)
@pytest.mark.parametrize("blob", BLOBS.values(), ids=BLOBS)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("gzip_library")
def test_nothing_is_written_of_a_file_that_is_damaged(
    tmp_path: Path, blob: bytes, workers: int
) -> None:
    (tmp_path / "good.gz").write_bytes(gzip.compress(LOG))
    (tmp_path / "some.gz").write_bytes(blob)
    with pytest.raises(InputError, match=r"some\.gz: gzip: "):
        run_split([tmp_path], workers=workers, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("gzip_library")
def test_padding_with_zeros_is_no_junk() -> None:
    assert unpack(gzip.compress(LOG) + bytes(1000)) == LOG
    assert unpack(gzip.compress(LOG) + bytes(3) + gzip.compress(LOG)) == LOG * 2


@promise(
    "A bomb is streamed in bounded memory",
    broken_by=change(
        "mapreduce.formats.compressed:_decode",
        "decoder.decompress(data, room)",
        "decoder.decompress(data, -1)",
    ),
)
@every_decoder
def test_a_bomb_is_streamed_in_bounded_memory(
    tmp_path: Path, pack: Callable[[bytes], bytes], gzip_library: str
) -> None:
    assert gzip_library
    line = b"\0" * 9_999 + b"\n"
    (tmp_path / "bomb").write_bytes(pack(line * 2_400))
    assert (tmp_path / "bomb").stat().st_size < 300_000
    tracemalloc.start()
    try:
        with pytest.raises(NothingCountedError) as caught:
            run(FLOWS, [tmp_path / "bomb"])
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.malformed == 2_400


def test_of_a_bomb_no_more_is_looked_at_than_of_any_other_file() -> None:
    codec = codec_of(bomb := lzma.compress(bytes(30_000_000)))
    assert len(unpack_head(bomb, codec)) <= 2 * SMALLEST_PIECE
    head = gzip.compress(b"a b\nc", 0) + b"junk"
    gzip_codec = codec_of(head)
    assert unpack_head(head, gzip_codec) == b"a b\nc"
    assert unpack_head(head[:14], gzip_codec) in (b"", b"a", b"a b\nc"[: len(head) - 10])


def test_a_line_beyond_the_limit_ends_a_compressed_file_too(tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(gzip.compress(b"ok\n" + bytes(3_000_000)))
    with pytest.raises(InputError, match="byte 3: a line of more than 1,000,000 bytes"):
        run(FLOWS, [tmp_path / "bomb"], max_line=1_000_000)


def test_progress_adds_up_to_the_bytes_of_compressed_files(tmp_path: Path) -> None:
    ticks: list[int] = []
    for name in "ab":
        (tmp_path / name).write_bytes(gzip.compress(LOG) + bytes(100))
    found = run(FLOWS, [tmp_path], progress=ticks.append)
    assert sum(ticks) == found.stats.bytes == sum(f.stat().st_size for f in tmp_path.iterdir())


def test_a_byte_order_mark_is_dropped_in_a_compressed_file(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(gzip.compress(b"\xef\xbb\xbf" + record() + b"\nbad\n"))
    found = run(FLOWS, [tmp_path / "log"])
    assert (found.stats.counted, found.rejects[0].offset) == (1, len(record()) + 4)


def test_what_zstd_needs_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(9))
    monkeypatch.setitem(sys.modules, "backports", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    with pytest.raises(UsageError, match=re.escape(install_hint("codecs"))):
        run(FLOWS, [tmp_path / "log.zst"])


def test_the_thread_that_works_ahead_ends_with_its_reader() -> None:
    def forever() -> Iterator[bytes]:
        while True:
            yield b"piece"

    before = threading.active_count()
    pieces = read_ahead(forever())
    assert next(pieces) == b"piece"
    pieces.close()
    assert threading.active_count() == before


def test_what_the_thread_raises_is_raised_where_the_pieces_are_wanted() -> None:
    def fail() -> Iterator[bytes]:
        yield b"piece"
        raise InputError("damaged")

    pieces = read_ahead(fail())
    assert next(pieces) == b"piece"
    with pytest.raises(InputError, match="damaged"):
        next(pieces)


def test_the_zlib_decoder_keeps_what_it_has_no_room_for() -> None:
    decoder = ZlibDecoder()
    assert decoder.decompress(gzip.compress(b"x" * 5000), 1000) == b"x" * 1000
    assert not decoder.needs_input
    assert decoder.decompress(b"", 9000) == b"x" * 4000
    assert decoder.eof
    with pytest.raises(zlib.error):
        ZlibDecoder().decompress(b"\x1f\x8b no gzip")


@every_codec
def test_many_tiny_members_are_few_pieces(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"ab") * 3000
    codec = codec_of(packed)
    pieces = iter([packed])
    found = list(decompress(pieces, codec, "x"))
    assert found == [b"ab" * 3000]
