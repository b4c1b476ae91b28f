"""Read what stands in a lookup for many ports or protocols, and find the tag of a pair by it.

The most specific row that covers a pair gives it its tag. A row for one port and one protocol,
which ``lookup`` keeps itself, wins over all rules here. Of two rules, the one for fewer ports wins;
of two for equally many, the one that names its protocol. Rules that are equal in both, overlap and
have different tags are conflicts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from operator import attrgetter
from typing import Final, NamedTuple

from mapreduce.jobs.flowlogs.lookup import BadRow, OnConflict, Pair, shown
from mapreduce.jobs.flowlogs.protocols import protocol_name, protocol_number, small_number
from mapreduce.jobs.flowlogs.services import find_service

LAST_PORT: Final = 65535
ANY: Final = ("*", "any")
_TRANSPORTS: Final = (6, 17)
_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE: Final = re.compile(rf"\d{{1,2}}[- ]({_MONTHS})|({_MONTHS})[- ]\d{{1,2}}", re.IGNORECASE)
_WHOLE: Final = re.compile(r"([0-9]+)\.0+")
_RANGE: Final = re.compile(r"([0-9]+) *- *([0-9]+)")


class Rule(NamedTuple):
    """The tag of the ports from ``first`` to ``last``, with a protocol or (``None``) with any."""

    first: int
    last: int
    protocol: int | None
    tag: str
    line: int

    @property
    def ports(self) -> int:
        return self.last - self.first + 1


class _Segments(NamedTuple):
    """The tag of the ports from each start up to the next one."""

    starts: Sequence[int]
    tags: Sequence[str | None]


def tags_of(pairs: Iterable[Pair], rules: Sequence[Rule]) -> dict[Pair, str]:
    """Return the tags of those pairs that a rule covers; the first of several rules holds."""
    named = {rule.protocol for rule in rules}
    segments: dict[int | None, _Segments] = {}
    found = {}
    for pair in pairs:
        protocol = pair[1] if pair[1] in named else None
        if protocol not in segments:
            segments[protocol] = _segments_of(rules, protocol)
        starts, tags = segments[protocol]
        tag = tags[bisect_right(starts, pair[0]) - 1]
        if tag is not None:
            found[pair] = tag
    return found


def _segments_of(rules: Sequence[Rule], protocol: int | None) -> _Segments:
    """Return the tags of all ports with a protocol, or with one that no rule names."""
    ours = [(rank, rule) for rank, rule in enumerate(rules) if rule.protocol in (protocol, None)]
    ours.sort(key=lambda ranked: ranked[1].first, reverse=True)
    starts = sorted({0}.union(*({rule.first, rule.last + 1} for _, rule in ours)))
    open_rules: list[tuple[int, Rule]] = []
    tags: list[str | None] = []
    for start in starts:
        while ours and ours[-1][1].first == start:
            heappush(open_rules, ours.pop())
        while open_rules and open_rules[0][1].last < start:
            heappop(open_rules)
        tags.append(open_rules[0][1].tag if open_rules else None)
    return _Segments(starts, tags)


def ordered(rules: Iterable[Rule], on_conflict: OnConflict) -> Sequence[Rule]:
    """Return the rules, the most specific first; equal ones in the order that a conflict is for."""
    later = -1 if on_conflict == "last" else 1
    return sorted(rules, key=lambda rule: (rule.ports, rule.protocol is None, later * rule.line))


def conflicts(rules: Iterable[Rule]) -> Iterator[tuple[int, str]]:
    """Yield the line and the fault of each rule that an equally specific one contradicts."""
    # If two rules that are no neighbours contradict each other, so do two neighbours between them.
    by_length = sorted(rules, key=_protocol_length_and_start)
    for one, other in pairwise(by_length):
        equal = (one.protocol, one.ports) == (other.protocol, other.ports)
        if equal and other.first <= one.last and one.tag != other.tag:
            before, here = sorted((one, other), key=attrgetter("line"))
            yield (
                here.line,
                f"{_described(here)} has the tag {here.tag!r}, and {_described(before)} in line "
                f"{before.line} has {before.tag!r}; keep one, or choose with --on-conflict first "
                "or last",
            )


def _protocol_length_and_start(rule: Rule) -> tuple[int, int, int]:
    return -1 if rule.protocol is None else rule.protocol, rule.ports, rule.first


def _described(rule: Rule) -> str:
    ports = f"port {rule.first}" if rule.ports == 1 else f"ports {rule.first}-{rule.last}"
    return f"{ports}, {'any protocol' if rule.protocol is None else f'protocol {rule.protocol}'}"


def read_row(port_text: str, protocol_text: str) -> tuple[int, int, Sequence[int | None]]:
    """Return the first and the last port and the protocols of a row; ``None`` is any protocol."""
    service = find_service(port_text)
    if service is None:
        return *_ports(port_text), _protocols(protocol_text)
    protocols = _protocols(protocol_text)
    asked = [*_TRANSPORTS] if None in protocols else [one for one in protocols if one is not None]
    wrong = [one for one in asked if one not in service.protocols]
    if wrong:
        raise BadRow(
            f"the service {shown(port_text)} is registered for "
            f"{'/'.join(map(protocol_name, sorted(service.protocols)))}, not for "
            f"{'/'.join(map(protocol_name, wrong))}; write the port {service.port} if you mean it"
        )
    return service.port, service.port, protocols


def _ports(text: str) -> tuple[int, int]:
    if text.lower() in ANY:
        return 0, LAST_PORT
    whole, between = _WHOLE.fullmatch(text), _RANGE.fullmatch(text)
    texts = between.groups() if between else (whole[1] if whole else text,) * 2
    first, last = (small_number(one, LAST_PORT) for one in texts)
    if first is None or last is None:
        raise BadRow(
            f"the port {shown(text)} is not a number 0 to 65535, a range such as 8000-8100, * or a "
            f"service that is known here, such as https; {_port_remedy(text)}"
        )
    if first > last:
        raise BadRow(f"the ports {shown(text)} end before they begin; write {last}-{first}")
    return first, last


def _port_remedy(text: str) -> str:
    """Return what to write instead of a port that cannot be read."""
    if _DATE.fullmatch(text):
        return "it looks like a date that a spreadsheet has made of a range: write the range again"
    if re.fullmatch(r"\d+(\s*[,;/| ]\s*\d+)+", text):
        return "write one row for each port"
    if re.fullmatch(r"\d+ *(:|\.\.|\u2013|\u2014|to) *\d+", text):
        return "write a range with a hyphen"
    if text.lower() == "http-alt":
        return "http-alt is registered for 591, 8008 and 8080: write the port that you mean"
    return "write the number of the port" if text.isalpha() else "correct it"


def _protocols(text: str) -> Sequence[int | None]:
    if text.lower() in ANY:
        return [None]
    number = _protocol(text)
    numbers = [number] if number is not None else [_protocol(part) for part in text.split("/")]
    if None in numbers:
        raise BadRow(
            f"the protocol {shown(text)} is unknown; write an IANA keyword such as tcp, or a "
            "number 0 to 255, tcp/udp for both, or * for any"
        )
    return numbers


def _protocol(text: str) -> int | None:
    text = text.strip()
    whole = _WHOLE.fullmatch(text)
    return protocol_number(whole[1] if whole else text)
