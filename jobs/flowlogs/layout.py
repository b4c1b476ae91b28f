"""Which field stands where in a flow log: by its header, by --log-format, or by default.

Sources: the AWS documentation, "Flow log records" (the fields of versions 2 to 11), "Publish flow
logs to Amazon S3" (the header) and "Export log data to Amazon S3" of CloudWatch (the timestamps).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mapreduce import UsageError, printable

PAIR: Final = ("dstport", "protocol")
"""What has a tag, and is counted by default."""
LOG_STATUS: Final = "log-status"
ACTION: Final = "action"

FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
_TIMESTAMP: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z ")
CSV_HEADERS: Final = (b"timestamp,message", b'"timestamp","message"')
"""First lines of a CSV whose second column is the record, with blanks between its fields."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of the fields in their order; ``before`` more fields stand before the first.

    ``in_csv``: each record is the last value of a row.
    """

    names: tuple[str, ...]
    before: int = 0
    in_csv: bool = False

    @property
    def width(self) -> int:
        return self.before + len(self.names)

    def numbers(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers, from 1, of fields in a line."""
        return tuple(self.before + self.names.index(name) + 1 for name in names)

    def checked(self, where: str, needed: Sequence[str]) -> Layout:
        """Return itself; raise ``UsageError``, ``where`` first, if a field is missing."""
        missing = [name for name in needed if name not in self.names]
        if missing:
            raise UsageError(
                f"{where}: has no field {' and no field '.join(missing)}; "
                "the flow log must be made with them"
            )
        if self.in_csv and self.names[0] in needed:
            raise UsageError(
                f"{where}: {self.names[0]} is the first field of a CSV's messages, where it cannot "
                "be told from the timestamp; export the log as text"
            )
        if len(set(self.names)) < len(self.names):
            raise UsageError(f"{where}: names a field twice")
        return self


DEFAULT: Final = Layout(
    (
        *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
        *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
    )
)
_LATER: Final = (
    *("vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr"),
    *("region", "az-id", "sublocation-type", "sublocation-id", "pkt-src-aws-service"),
    *("pkt-dst-aws-service", "flow-direction", "traffic-path", "reject-reason", "resource-id"),
    *("encryption-status", "tags", "tgw-id", "tgw-attachment-id"),
)
_KNOWN: Final = frozenset((*DEFAULT.names, *_LATER))


def parse_format(text: str) -> Layout:
    """Return the layout that ``a b c`` or, as AWS writes it, ``${a} ${b} ${c}`` describes.

    Raises ``UsageError`` if it is none.
    """
    names = tuple(re.sub(r"\\?\$\{([^{} ]*)\}", r"\1", name) for name in text.split())
    for name in names:
        if not FIELD_NAME.fullmatch(name):
            raise UsageError(f"--log-format: {printable(repr(name))} is no name of a field")
    return Layout(names).checked("--log-format", ())


def find_layout(line: bytes, otherwise: Layout) -> Layout:
    """Return the layout of a log that begins with this line: that of its header, if it is one.

    ``otherwise`` holds for a log without a header.
    """
    line = line.removesuffix(b"\r")
    stamped = _TIMESTAMP.match(line)
    rest = line[stamped.end() :] if stamped else line
    before = 1 if stamped else 0
    if names := header_names(rest):
        return Layout(names, before)
    return Layout(otherwise.names, before, in_csv=line in CSV_HEADERS)


def header_names(line: bytes) -> tuple[str, ...]:
    """Return the names in a header; none if the line is not one."""
    names = tuple(line.decode("ascii", "replace").split(" "))
    if all(map(FIELD_NAME.fullmatch, names)) and not _KNOWN.isdisjoint(names):
        return names
    return ()
