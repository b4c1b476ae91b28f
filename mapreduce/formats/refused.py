"""What is recognised only to be refused, each with what it is and with the command that helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mapreduce.errors import UsageError
from mapreduce.formats.format import Format


@dataclass(frozen=True)
class Refused(Format):
    """A form that cannot be read; it begins with ``magic``."""

    name: str
    magic: bytes
    remedy: str

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith(self.magic)

    def check(self, name: str, head: bytes, *, in_order: bool) -> None:  # noqa: ARG002
        raise UsageError(f"{name}: is {self.name}; {self.remedy}")


def _encoding(name: str, magic: bytes) -> Refused:
    """Return the row of text in another encoding (The Unicode Standard, 23.8)."""
    remedy = f"convert it first: iconv -f {name} -t UTF-8"
    return Refused(f"text in {name}", magic, remedy)


REFUSED: Final = (
    _encoding("UTF-32", b"\xff\xfe\0\0"),
    _encoding("UTF-32", b"\0\0\xfe\xff"),
    _encoding("UTF-16", b"\xff\xfe"),
    _encoding("UTF-16", b"\xfe\xff"),
)
