"""A format that cannot be read is refused before any work, with the command that unpacks it."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from conftest import ReadStdin
from hypothesis import given
from hypothesis import strategies as st
from promises import becomes, change, promise

from mapreduce import UsageError, run
from mapreduce.formats.format import HEAD
from mapreduce.formats.table import find_format
from mapreduce.jobs.count import count

TEXT = b"443 6\n53 17\n" * 200


def tar(form: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        member = tarfile.TarInfo("log.txt")
        member.size = len(TEXT)
        archive.addfile(member, io.BytesIO(TEXT))
    return packed.getvalue()


def tar_v7() -> bytes:
    """Return an archive as the first tar wrote it: with a checksum but without ``ustar``."""
    header = bytearray(tar(tarfile.USTAR_FORMAT)[:512])
    header[257:] = bytes(255)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + TEXT + bytes(1024)


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.txt", TEXT)
    return packed.getvalue()


SKIPPABLE = b"\x5a\x2a\x4d\x18\3\0\0\0abc"
LZMA_OF_KNOWN_SIZE = lzma.compress(TEXT, lzma.FORMAT_ALONE)[:5] + len(TEXT).to_bytes(8, "little")

REFUSED = {
    "tar (GNU)": (tar(tarfile.GNU_FORMAT), "a tar archive", "tar -xOf FILE"),
    "tar (POSIX)": (tar(tarfile.PAX_FORMAT), "a tar archive", "tar -xOf FILE"),
    "tar (v7)": (tar_v7(), "a tar archive", "tar -xOf FILE"),
    "zip": (zipped(), "a zip archive", "unzip -p FILE"),
    "empty zip": (b"PK\5\6" + bytes(18), "a zip archive", "unzip -p FILE"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "7z x -so FILE"),
    "rar": (b"Rar!\x1a\7\1\0", "a rar archive", "unrar p -inul FILE"),
    "ar": (b"!<arch>\ndebian-binary", "an ar archive", "ar p FILE"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40", "compressed by lz4", "lz4 -dc FILE"),
    "old lz4": (b"\x02\x21\x4c\x18\x64", "compressed by lz4", "lz4 -dc FILE"),
    "lz4 behind a skippable frame": (
        SKIPPABLE + b"\x04\x22\x4d\x18",
        "compressed by lz4",
        "lz4 -dc FILE",
    ),
    "lzma": (lzma.compress(TEXT, lzma.FORMAT_ALONE), "by lzma", "xz --format=lzma -dc FILE"),
    "lzma of a known size": (LZMA_OF_KNOWN_SIZE, "by lzma", "xz --format=lzma -dc FILE"),
    "lzip": (b"LZIP\1\x0c", "compressed by lzip", "lzip -dc FILE"),
    "lzop": (b"\x89LZO\0\r\n\x1a\n\x10", "compressed by lzop", "lzop -dc FILE"),
    "compress": (b"\x1f\x9d\x90", "compressed by compress", "gzip -dc < FILE"),
    "snappy": (b"\xff\6\0\0sNaPpY", "compressed by snappy", "snzip -dc FILE"),
    "encrypted Parquet": (b"PARE", "Parquet that is encrypted", "pyarrow"),
    "ORC": (b"ORC\n\x1d\n\5\0\0", "ORC", "orc-contents FILE"),
    "Avro": (b"Obj\1\4\x14avro.codec", "Avro", "avro cat FILE"),
    "Arrow": (b"ARROW1\0\0", "Arrow or Feather", "pyarrow.feather"),
    "SQLite": (b"SQLite format 3\0", "an SQLite database", "sqlite3 FILE"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "HDF5", "h5dump FILE"),
    "pcap": (b"\xd4\xc3\xb2\xa1\2\0\4\0", "a capture of packets", "tshark -r FILE"),
    "pcapng": (
        b"\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a",
        "a capture of packets",
        "tshark -r FILE",
    ),
    "nfdump": (b"\x0c\xa5\1\0", "a file of nfdump", "nfdump -r FILE -o csv"),
    "journal": (b"LPKSHHRH", "a systemd journal", "journalctl --file FILE"),
    "evtx": (b"ElfFile\0", "a Windows event log", "evtx_dump FILE"),
    "PDF": (b"%PDF-1.7\n%\xe2", "a PDF", "pdftotext FILE"),
    "ELF": (b"\x7fELF\2\1\1", "a program", "name a file of text"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "a picture", "name a file of text"),
    **{
        f"zlib of level {level}": (zlib.compress(TEXT, level), "by zlib", "pigz -dc < FILE")
        for level in (0, 1, 5, 9)
    },
    "UTF-16, low bytes first": ("443 6\n".encode("utf-16-le"), "UTF-16LE", "iconv -f UTF-16LE"),
    "UTF-16, high bytes first": ("443 6\n".encode("utf-16-be"), "UTF-16BE", "iconv -f UTF-16BE"),
    "short zlib": (zlib.compress(b"443 6\n"), "compressed by zlib", "pigz -dc < FILE"),
}
every_kind = pytest.mark.parametrize(("data", "what", "remedy"), REFUSED.values(), ids=[*REFUSED])


@promise(
    "An archive is refused by name, with the command that unpacks it",
    broken_by=becomes("mapreduce.formats.refused:_is_tar", "return False"),
)
@every_kind
def test_what_cannot_be_read_is_refused_by_name_with_the_command_that_unpacks_it(
    tmp_path: Path, data: bytes, what: str, remedy: str
) -> None:
    (tmp_path / "good.log").write_bytes(TEXT)
    (tmp_path / "some.log").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        run(count("1"), [tmp_path], output=tmp_path / "out")
    assert str(caught.value).startswith(f"{tmp_path}/some.log: is ")
    assert what in str(caught.value)
    assert remedy in str(caught.value)
    assert not (tmp_path / "out").exists()


@promise(
    "What cannot be read is refused in a stream, too",
    broken_by=change("mapreduce.formats.table:read_stream", "found.inspect(...)", "pass"),
)
@every_kind
def test_it_is_refused_in_a_stream_too(
    tmp_path: Path, read_stdin: ReadStdin, data: bytes, what: str, remedy: str
) -> None:
    (tmp_path / "some.log").write_bytes(data)
    read_stdin(tmp_path / "some.log")
    with pytest.raises(UsageError) as caught:
        run(count("1"), ["-"])
    assert str(caught.value).startswith("standard input: is ")
    assert what in str(caught.value)
    assert remedy in str(caught.value)


@promise(
    "What cannot be read is refused within a compressed file, too",
    broken_by=[
        change(
            "mapreduce.formats.compressed:Compressed.inspect",
            "_inner_format(text).inspect(...)",
            "(0, None)",
        ),
        change("mapreduce.formats.compressed:Compressed.unpack", "inner.inspect(...)", "pass"),
    ],
)
@every_kind
def test_it_is_refused_where_it_is_compressed_once_more(
    tmp_path: Path, read_stdin: ReadStdin, data: bytes, what: str, remedy: str
) -> None:
    path = tmp_path / "some.log.gz"
    path.write_bytes(gzip.compress(data))
    read_stdin(path)
    for name in ("-", path):
        with pytest.raises(UsageError, match=r" \(unpacked by gzip\): is ") as caught:
            run(count("1"), [name])
        assert what in str(caught.value)
        assert remedy in str(caught.value)


def test_a_form_that_shows_only_behind_the_head_is_refused_by_the_worker(tmp_path: Path) -> None:
    """A decoder of bzip2 returns nothing before it has read a whole block."""
    import bz2
    import random

    member = tarfile.TarInfo("noise")
    noise = random.Random(1).randbytes(900_000)  # noqa: S311
    member.size = len(noise)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(member, io.BytesIO(noise))
    (tmp_path / "a.tar.bz2").write_bytes(bz2.compress(packed.getvalue()))
    with pytest.raises(UsageError, match=r"a\.tar\.bz2 \(unpacked by bzip2\): is a tar archive"):
        run(count("1"), [tmp_path / "a.tar.bz2"], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


ONLY_ALIKE = [
    *(
        b"PK\n",
        b"x^2 + y\n",
        b"x^2 + y^2 = z^2 and so on\n" * 40,
        b"x\1y\n",
        b"ORCHID\n",
        b"Rar! me",
    ),
    *(b"LZIPPER\n", b"P*M is text\n", b"%PDF is text\n", b"ARROW1 a\n", b"Obj 1\n", b"7z a\n"),
    *(
        b"!<arch> no\n",
        b"GIF87 a\n",
        b"\n\r\r\nmore text here\n",
        b"]\0\0 text\n",
        b"a" * 257 + b"usta",
    ),
    b"0000644 " * 100,
]


@promise(
    "Text that only begins like something else is counted",
    broken_by=becomes(
        "mapreduce.formats.refused:_is_zlib",
        "return head.startswith((b'x\\x01', b'x^', b'x\\x9c', b'x\\xda'))",
    ),
)
@pytest.mark.parametrize("data", ONLY_ALIKE)
def test_text_that_only_begins_like_something_else_is_counted(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "some.log").write_bytes(data)
    assert run(count("1"), [tmp_path / "some.log"]).stats.counted > 0


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=600))
def test_no_text_without_control_characters_is_refused_but_the_names_of_formats(text: str) -> None:
    named = ("BZh", "%PDF-", "GIF8", "LPKSHHRH", "PAR", "x^")
    data = text.encode()[:HEAD]
    assert find_format(data).is_plain or text.startswith(named) or "ustar" in text
