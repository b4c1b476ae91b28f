"""Members of gzip are read whatever their headers hold, and however reads cut them."""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from pathlib import Path

import pytest
from conftest import record
from hypothesis import example, given
from hypothesis import strategies as st
from promises import becomes, promise

from mapreduce import run
from mapreduce.errors import InputError
from mapreduce.formats.compressed import decompress
from mapreduce.formats.gzipped import LONGEST_HEADER, Gzip, IsalDecoder
from mapreduce.jobs.count import count

FHCRC, FEXTRA, FNAME, FCOMMENT = 2, 4, 8, 16
NO_NUL = st.binary(max_size=40).map(lambda text: text.replace(b"\0", b"x"))


def member(
    text: bytes,
    extra: bytes | None = None,
    name: bytes | None = None,
    comment: bytes | None = None,
    has_checksum: bool = False,
) -> bytes:
    """Return a member with optional fields in its header (RFC 1952, 2.3)."""
    flags = FEXTRA * (extra is not None) + FNAME * (name is not None)
    flags += FCOMMENT * (comment is not None) + FHCRC * has_checksum
    header = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\x03"
    header += b"" if extra is None else struct.pack("<H", len(extra)) + extra
    header += b"".join(one + b"\0" for one in (name, comment) if one is not None)
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF) if has_checksum else b""
    packer = zlib.compressobj(wbits=-15)
    body = packer.compress(text) + packer.flush()
    return header + body + struct.pack("<II", zlib.crc32(text), len(text))


members = st.builds(
    member,
    st.binary(max_size=300),
    st.none() | st.binary(max_size=40),
    st.none() | NO_NUL,
    st.none() | NO_NUL,
    st.booleans(),
)


def unpack(data: bytes, read_size: int) -> bytes:
    pieces = iter([data[at : at + read_size] for at in range(0, len(data), read_size)])
    return b"".join(decompress(pieces, Gzip(), "x", 1000))


@promise(
    "A header of gzip may be long",
    broken_by=becomes("mapreduce.formats.gzipped:LONGEST_HEADER", "10"),
)
@pytest.mark.parametrize("library", ["isal", "zlib"])
@given(st.lists(members, min_size=1, max_size=4), st.integers(1, 200))
@example([member(b"text", b"x" * 40_000, b"name", b"comment", True)], 1000)
def test_a_header_may_hold_anything_and_lie_anywhere_across_the_reads(
    library: str, packed: list[bytes], read_size: int
) -> None:
    data = b"".join(packed)
    with pytest.MonkeyPatch.context() as patch:
        if library == "zlib":
            patch.setitem(sys.modules, "isal", None)
        else:
            pytest.importorskip("isal", reason="isal is not installed")
        assert unpack(data, read_size) == gzip.decompress(data)


@pytest.mark.parametrize("library", ["isal", "zlib"])
def test_a_long_extra_field_and_a_name_are_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    if library == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    log = (record() + b"\n") * 7
    (tmp_path / "log.dz").write_bytes(member(log, b"RA" + b"\1" * 65_000, b"log.txt"))
    assert run(count("7"), [tmp_path / "log.dz"]).counts == {b"443": 7}


@pytest.mark.parametrize(
    ("at", "value"),
    [(2, 7), (3, 0x20), (3, 0x80), (17, None)],
    ids=["method", "flag", "flag", "crc"],
)
def test_a_header_that_there_cannot_be_is_damage(at: int, value: int | None) -> None:
    data = bytearray(member(b"text", name=b"a name", has_checksum=True))
    data[at] = data[at] ^ 1 if value is None else value
    with pytest.raises(InputError, match="x: gzip: is damaged"):
        unpack(bytes(data), 100)
    with pytest.raises((OSError, zlib.error, EOFError)):
        zlib.decompress(bytes(data), wbits=31)


@pytest.mark.parametrize("size", range(1, 60))
def test_a_member_that_is_cut_off_in_its_header_or_behind_it_is_an_error(size: int) -> None:
    whole = member(b"text" * 9, b"extra", b"name", b"comment", True)
    if size < len(whole):
        with pytest.raises(InputError, match="gzip: is incomplete"):
            unpack(whole[:size], 7)


def test_a_name_without_an_end_takes_no_memory_for_ever() -> None:
    pytest.importorskip("isal", reason="isal is not installed")
    head, taken = b"\x1f\x8b\x08\x08" + bytes(6), 0

    def pieces() -> object:
        nonlocal taken
        yield head
        for _ in range(100):
            taken += 100_000
            yield b"n" * 100_000

    with pytest.raises(InputError, match=f"more than {LONGEST_HEADER:,} bytes"):
        b"".join(decompress(pieces(), Gzip(), "x"))  # type: ignore[arg-type]
    assert taken < 2 * LONGEST_HEADER


def test_isal_is_what_reads_gzip_where_it_is_installed() -> None:
    pytest.importorskip("isal", reason="isal is not installed")
    assert isinstance(Gzip().decoder()(), IsalDecoder)
