"""Recognise formats that cannot be read, and refuse them with the command that converts them.

A format belongs here only if no text can be mistaken for it: either no line of text begins with its
first bytes, or a function checks more of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mapreduce.errors import UsageError
from mapreduce.formats.format import HEAD, Format, Head
from mapreduce.formats.skippable import behind_skippable

_CHECKSUM: Final = slice(148, 156)
"""The bytes of a tar header that hold its checksum (POSIX, "pax")."""

_WINDOWS: Final = frozenset((2 + half) << shift for shift in range(11, 31) for half in (0, 1))
"""The window sizes that ``lzma`` writes into its header."""


@dataclass(frozen=True)
class Refused(Format):
    """A format that cannot be read: its name, and what to do instead (``remedy``).

    An input has this format if it begins with one of ``magics`` or if ``check`` returns true.
    """

    name: str
    remedy: str
    magics: tuple[bytes, ...] = ()
    check: Callable[[bytes], bool] | None = None

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith(self.magics) or (self.check is not None and self.check(head))

    def may_begin_with(self, first: int) -> bool:
        """Return whether an input of this format may have this first byte."""
        return self.check is not None or first in {magic[0] for magic in self.magics}

    def inspect(self, name: str, _head: Head, /) -> tuple[int, bytes | None]:
        raise UsageError(f"{name}: is {self.name}; {self.remedy}")


def _is_tar(head: bytes) -> bool:
    """Return whether this is a tar header: it says ``ustar``, or its checksum is right."""
    if head[257:262] == b"ustar":
        return True
    try:
        written = int(head[_CHECKSUM].strip(b" \0"), 8)
    except ValueError:
        return False
    return len(head) >= 512 and written == sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])


def _is_lz4(head: bytes) -> bool:
    return behind_skippable(head).startswith(b"\x04\x22\x4d\x18")


def _is_lzma(head: bytes) -> bool:
    """Return whether this is a header of ``lzma``: 13 bytes of settings, window and size."""
    if len(head) < 13 or head[0] >= 225:
        return False
    window, size = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    return window in _WINDOWS and (size < 1 << 38 or size == (1 << 64) - 1)


def _is_zlib(head: bytes) -> bool:
    """Return whether these bytes can be decompressed as zlib (RFC 1950).

    Text may begin with the same bytes, such as ``x^``. So either the input ends here with the right
    checksum, or ``HEAD`` bytes of it are valid.
    """
    if not head.startswith((b"x\x01", b"x^", b"x\x9c", b"x\xda")):
        return False
    decoder = zlib.decompressobj()
    try:
        decoder.decompress(head, 1 << 20)
    except zlib.error:
        return False
    return decoder.eof or len(head) >= HEAD


def _is_orc(head: bytes) -> bool:
    return head.startswith(b"ORC") and b"\0" in head[:64]


def _is_pcapng(head: bytes) -> bool:
    return head.startswith(b"\n\r\r\n") and head[8:12] in {b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"}


def _is_utf_16_le(head: bytes) -> bool:
    """Return whether this is ASCII text in UTF-16 without a byte order mark, low bytes first.

    Then every second byte is zero, and no other one is. In UTF-8 text, a line of NULs and single
    characters would have to go on for as long as ``head``.
    """
    low, high = head[::2], head[1::2]
    return len(head) >= 8 and low.isascii() and 0 not in low and not high.strip(b"\0")


def _is_utf_16_be(head: bytes) -> bool:
    """Return whether this is ASCII text in UTF-16 without a byte order mark, high bytes first."""
    high, low = head[::2], head[1::2]
    return len(head) >= 8 and low.isascii() and 0 not in low and not high.strip(b"\0")


def _unpacked_by(command: str) -> str:
    return f"unpack it: {command} | mapreduce JOB -"


def _converted_by(tool: str) -> str:
    return f"write it as lines of text first, with {tool}"


def _encoding(name: str, *marks: bytes, check: Callable[[bytes], bool] | None = None) -> Refused:
    """Return the row for text in another encoding (The Unicode Standard, 23.8)."""
    remedy = f"convert it first: iconv -f {name} -t UTF-8 FILE | mapreduce JOB -"
    return Refused(f"text in {name}", remedy, marks, check)


REFUSED: Final = (
    _encoding("UTF-32", b"\xff\xfe\0\0", b"\0\0\xfe\xff"),
    _encoding("UTF-16", b"\xff\xfe", b"\xfe\xff"),
    _encoding("UTF-16LE", check=_is_utf_16_le),
    _encoding("UTF-16BE", check=_is_utf_16_be),
    Refused("a tar archive", _unpacked_by("tar -xOf FILE"), check=_is_tar),
    Refused(
        "a zip archive (as a jar or a workbook is)",
        _unpacked_by("unzip -p FILE"),
        (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"),
    ),
    Refused("a 7z archive", _unpacked_by("7z x -so FILE"), (b"7z\xbc\xaf\x27\x1c",)),
    Refused("a rar archive", _unpacked_by("unrar p -inul FILE"), (b"Rar!\x1a\x07",)),
    Refused("an ar archive", _unpacked_by("ar p FILE"), (b"!<arch>\n",)),
    Refused("compressed by lz4", _unpacked_by("lz4 -dc FILE"), (b"\x02\x21\x4c\x18",), _is_lz4),
    Refused("compressed by lzip", _unpacked_by("lzip -dc FILE"), (b"LZIP\0", b"LZIP\1")),
    Refused("compressed by lzop", _unpacked_by("lzop -dc FILE"), (b"\x89LZO\0\r\n\x1a\n",)),
    Refused("compressed by compress", _unpacked_by("gzip -dc < FILE"), (b"\x1f\x9d",)),
    Refused("compressed by lzma", _unpacked_by("xz --format=lzma -dc FILE"), check=_is_lzma),
    Refused("compressed by zlib", _unpacked_by("pigz -dc < FILE"), check=_is_zlib),
    Refused("compressed by snappy", _unpacked_by("snzip -dc FILE"), (b"\xff\x06\0\0sNaPpY",)),
    Refused("Parquet that is encrypted", _converted_by("the keys and pyarrow"), (b"PARE",)),
    Refused("ORC", _converted_by("orc-contents FILE, or pyarrow.orc"), check=_is_orc),
    Refused("Avro", _converted_by("avro cat FILE"), (b"Obj\x01",)),
    Refused("Arrow or Feather", _converted_by("pyarrow.feather"), (b"ARROW1\0\0", b"FEA1\0\0\0\0")),
    Refused("an SQLite database", _converted_by("sqlite3 FILE"), (b"SQLite format 3\0",)),
    Refused("HDF5", _converted_by("h5dump FILE"), (b"\x89HDF\r\n\x1a\n",)),
    Refused(
        "a capture of packets",
        _converted_by("tshark -r FILE"),
        (
            b"\xd4\xc3\xb2\xa1\2\0",
            b"\xa1\xb2\xc3\xd4\0\2",
            b"\x4d\x3c\xb2\xa1\2\0",
            b"\xa1\xb2\x3c\x4d\0\2",
        ),
        _is_pcapng,
    ),
    Refused(
        "a file of nfdump",
        _converted_by("nfdump -r FILE -o csv"),
        (b"\x0c\xa5\1\0", b"\x0c\xa5\2\0"),
    ),
    Refused("a systemd journal", _converted_by("journalctl --file FILE"), (b"LPKSHHRH",)),
    Refused("a Windows event log", _converted_by("evtx_dump FILE"), (b"ElfFile\0",)),
    Refused("a PDF", _converted_by("pdftotext FILE"), (b"%PDF-1.", b"%PDF-2.")),
    Refused("a program", "name a file of text", (b"\x7fELF",)),
    Refused(
        "a picture",
        "name a file of text",
        (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"GIF87a", b"GIF89a"),
    ),
)
