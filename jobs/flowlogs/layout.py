"""The order of the fields in a flow log: from its header, from --log-format, or a default.

Sources: the AWS documentation, "Flow log records" (the fields of versions 2 to 11), "Transit
Gateway Flow Log records", "Publish flow logs to Amazon S3" (the header), and "Query flow logs using
Amazon Athena" and "Supported logs and discovered fields" of CloudWatch (other spellings of names).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from mapreduce import UsageError, named, printable

PAIR: Final = ("dstport", "protocol")
"""The fields that a tag belongs to; logs are counted by them by default."""
LOG_STATUS: Final = "log-status"
ACTION: Final = "action"

FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
COLUMN_NAME: Final = re.compile(r"[-_.]*[a-z][\w.-]*", re.ASCII)
"""A name that a column may have although AWS has no field of that name."""


class Layout(NamedTuple):
    """The names of the fields in their order, after ``before`` fields that are not named.

    ``version`` is the value of the field "version" in every record, if that is known. It
    distinguishes records of this layout from others with the same number of fields.
    """

    names: tuple[str, ...]
    before: int = 0
    version: bytes = b""

    @property
    def width(self) -> int:
        return self.before + len(self.names)

    @property
    def expected(self) -> tuple[int, bytes]:
        """The number (from 1) and the value of the version field; number 0 if it is not known."""
        return (self.numbers(["version"])[0], self.version) if self.version else (0, b"")

    def numbers(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers, from 1, of fields in a line."""
        return tuple(self.before + self.names.index(name) + 1 for name in names)

    def has_shape_of(self, record: Sequence[bytes]) -> bool:
        """Return whether the fields of a record have the number and the version of this layout.

        The ``before`` fields are not part of ``record``.
        """
        at = self.names.index("version") if self.version else 0
        return len(record) == len(self.names) and self.version in {b"", record[at]}

    def checked(self, where: str, needed: Sequence[str]) -> Layout:
        """Return this layout; raise ``UsageError`` if a needed field is missing or named twice.

        The message begins with ``where``.
        """
        if missing := [name for name in needed if name not in self.names]:
            raise UsageError(
                f"{where}: has no field {' and no field '.join(missing)}; "
                f"create the flow log with them. It has: {shown(self.names)}"
            )
        for name in needed or self.names:
            if self.names.count(name) > 1:
                raise UsageError(f"{where}: names the field {printable(name)} twice")
        return self


DEFAULT: Final = Layout(
    (
        *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
        *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
    ),
    version=b"2",
)
"""The layout of VPC flow logs that were created without a custom format."""
TRANSIT_GATEWAY: Final = Layout(
    (
        *("version", "resource-type", "account-id", "tgw-id", "tgw-attachment-id"),
        *("tgw-src-vpc-account-id", "tgw-dst-vpc-account-id", "tgw-src-vpc-id", "tgw-dst-vpc-id"),
        *("tgw-src-subnet-id", "tgw-dst-subnet-id", "tgw-src-eni", "tgw-dst-eni"),
        *("tgw-src-az-id", "tgw-dst-az-id", "tgw-pair-attachment-id", "srcaddr", "dstaddr"),
        *("srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "log-status"),
        *("type", "packets-lost-no-route", "packets-lost-blackhole", "packets-lost-mtu-exceeded"),
        *("packets-lost-ttl-expired", "tcp-flags", "region", "flow-direction"),
        *("pkt-src-aws-service", "pkt-dst-aws-service"),
    ),
    version=b"6",
)
"""The layout of Transit Gateway flow logs that were created without a custom format."""
DEFAULTS: Final = (DEFAULT, TRANSIT_GATEWAY)
_LATER: Final = (
    *("vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr"),
    *("region", "az-id", "sublocation-type", "sublocation-id", "pkt-src-aws-service"),
    *("pkt-dst-aws-service", "flow-direction", "traffic-path", "ecs-cluster-arn"),
    *("ecs-cluster-name", "ecs-container-instance-arn", "ecs-container-instance-id"),
    *("ecs-container-id", "ecs-second-container-id", "ecs-service-name"),
    *("ecs-task-definition-arn", "ecs-task-arn", "ecs-task-id", "reject-reason", "resource-id"),
    *("encryption-status", "tags", "next-hop-id", "next-hop-type", "next-hop-az-id"),
)
KNOWN: Final = tuple(dict.fromkeys((*DEFAULT.names, *_LATER, *TRANSIT_GATEWAY.names)))
SPELLINGS: Final = {name.replace("-", ""): name for name in KNOWN} | {
    "account": "account-id",
    "sourceaddress": "srcaddr",
    "destinationaddress": "dstaddr",
    "sourceport": "srcport",
    "destinationport": "dstport",
    "numpackets": "packets",
    "numbytes": "bytes",
    "starttime": "start",
    "endtime": "end",
}
"""The name of each known field by its spellings in lower case, without ``-``, ``_`` and blanks."""

_QUOTES: Final = "\"'`"
_SEPARATORS: Final = re.compile(r"[\s,;|]+")
_WORD: Final = re.compile(r"[@#_-]*[A-Za-z][\w@.:()*-]*", re.ASCII)
_VALUES: Final = frozenset(("OK", "NODATA", "SKIPDATA", "ACCEPT", "REJECT"))
"""Words in records that are values, never names of fields."""
_MANY: Final = 3
"""A line with so many names of known fields is a header, whatever else it holds."""


def parse_format(text: str) -> Layout:
    """Return the layout that ``a b c`` or, as AWS writes it, ``${a} ${b} ${c}`` describes.

    Raises ``UsageError`` for a word that cannot be the name of a field.
    """
    names = tuple(re.sub(r"\\?\$\{([^{} ]*)\}", r"\1", name) for name in text.split())
    for name in names:
        if not FIELD_NAME.fullmatch(name):
            raise UsageError(
                f"{named('log_format')}: {printable(repr(name))} is not the name of a field"
            )
    return DEFAULT if names == DEFAULT.names else Layout(names).checked(named("log_format"), ())


def field_name(text: str) -> str:
    """Return the name of a field as AWS writes it, from any spelling: ``dstPort`` is ``dstport``.

    >>> field_name('"Log_Status"'), field_name("${version}"), field_name("next_hop_x")
    ('log-status', 'version', 'next-hop-x')
    """
    plain = re.sub(r"\\?\$\{(.*)\}", r"\1", text.strip().strip(_QUOTES)).strip().lower()
    return SPELLINGS.get(re.sub("[-_ ]", "", plain), plain.replace("_", "-"))


_short_name = lru_cache(maxsize=1_000)(field_name)
"""``field_name`` for short texts; many malformed lines have few different words."""


def header_names(line: bytes) -> tuple[str, ...]:
    """Return the names in a line that looks like a header; return none for any other line.

    Names may be quoted, and separated by blanks, tabs, commas, semicolons or bars. A line looks
    like a header if it has only words, at least one of them the name of a known field, or if it
    has several names of known fields.
    """
    if line[:1].isdigit():
        return ()
    words = _words(line)
    names = tuple(_short_name(word) if len(word) < 100 else field_name(word) for word in words)
    known = sum(name in _KNOWN for name in names)
    if not known:
        return ()
    bare = [re.sub(r"\\?\$\{(.*)\}", r"\1", word.strip(_QUOTES)) for word in words]
    only_words = all(_WORD.fullmatch(word) and word not in _VALUES for word in bare)
    return names if known >= _MANY or only_words else ()


def unknown_names(line: bytes) -> list[str]:
    """Return the words of a line that may name the fields of a default layout, though none does.

    It has as many words as the layout has fields, and none of them is a value of a record.
    """
    words = _words(line)
    if len(words) not in {len(one.names) for one in DEFAULTS}:
        return []
    if any(word[0].isdigit() or word == "-" or word in _VALUES for word in words):
        return []
    return words


def _words(line: bytes) -> list[str]:
    return [word for word in _SEPARATORS.split(line.decode("utf-8", "replace")) if word]


_KNOWN: Final = frozenset(KNOWN)


def shown(names: Sequence[str]) -> str:
    """Return names of fields in a form that is fit for a message."""
    return printable(", ".join(names))


def excerpt(value: bytes) -> str:
    """Return the beginning of a value in a form that is fit for a message."""
    return repr(value[:20])[1:] + ("..." if len(value) > 20 else "")
