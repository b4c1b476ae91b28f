"""bzip2: its members begin with their level, then with a block or with their end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, Final

from mapreduce.formats.compressed import Compressed, Decoder

_MEMBER: Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")


class Bzip2(Compressed):
    """Members of bzip2; zeros may stand behind each of them, as behind those of gzip."""

    name: ClassVar[str] = "bzip2"  # type: ignore[misc]
    begins: ClassVar[bytes | None] = b"B"

    def recognises(self, head: bytes, /) -> bool:
        return bool(_MEMBER.match(head))

    def decoder(self) -> Callable[[], Decoder]:
        from bz2 import BZ2Decompressor  # noqa: PLC0415 - only where it is needed

        return BZ2Decompressor
