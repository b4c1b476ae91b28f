"""Read bzip2. A member begins with its compression level, then comes a block or the end mark."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, Final

from mapreduce.formats.compressed import Compressed, Decoder

_MEMBER: Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")


class Bzip2(Compressed):
    """Members of bzip2. Zero bytes may follow each member, as in gzip."""

    name: ClassVar[str] = "bzip2"  # type: ignore[misc]

    def recognises(self, head: bytes, /) -> bool:
        return bool(_MEMBER.match(head))

    def decoder(self) -> Callable[[], Decoder]:
        from bz2 import BZ2Decompressor  # noqa: PLC0415 - most runs do not need it

        return BZ2Decompressor
