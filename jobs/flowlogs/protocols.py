"""Convert Internet protocol numbers to names and names to numbers.

Source: the IANA registry "Assigned Internet Protocol Numbers" (protocol-numbers), its keywords in
lower case and without the suffix "(deprecated)". The platform's own table is not used:
``/etc/protocols`` holds a third of the registry and differs from machine to machine.
"""

from __future__ import annotations

from typing import Final

_KEYWORDS: Final = """
hopopt icmp igmp ggp ipv4 st tcp cbt egp igp bbn-rcc-mon nvp-ii pup argus emcon xnet chaos
udp mux dcn-meas hmp prm xns-idp trunk-1 trunk-2 leaf-1 leaf-2 rdp irtp iso-tp4 netblt
mfe-nsp merit-inp dccp 3pc idpr xtp ddp idpr-cmtp tp++ il ipv6 sdrp ipv6-route ipv6-frag
idrp rsvp gre dsr bna esp ah i-nlsp swipe narp min-ipv4 tlsp skip ipv6-icmp ipv6-nonxt
ipv6-opts . cftp . sat-expak kryptolan rvd ippc . sat-mon visa ipcv cpnx cphb wsn pvp
br-sat-mon sun-nd wb-mon wb-expak iso-ip vmtp secure-vmtp vines iptm nsfnet-igp dgp tcf
eigrp ospfigp sprite-rpc larp mtp ax.25 ipip micp scc-sp etherip encap . gmtp ifmp pnni
pim aris scps qnx a/n ipcomp snp compaq-peer ipx-in-ip vrrp pgm . l2tp ddx iatp stp srp
uti smp sm ptp isis_over_ipv4 fire crtp crudp sscopmce iplt sps pipe sctp fc
rsvp-e2e-ignore mobility_header udplite mpls-in-ip manet hip shim6 wesp rohc ethernet
aggfrag nsh
"""

_NAMES: Final = ["" if word == "." else word.replace("_", " ") for word in _KEYWORDS.split()]
"""The keywords by number. In ``_KEYWORDS``, ``.`` is a number without keyword and ``_`` a blank."""

_ALIASES: Final = {
    "icmp6": 58,
    "icmpv6": 58,
    "ipencap": 4,
    "isis": 124,
    "mobility-header": 135,
    "ospf": 89,
    "udp-lite": 136,
}
"""Other names that people and ``/etc/protocols`` use. ``ipip`` is missing although some mean 4 by
it: it is the keyword of 94 in the registry, and a keyword that this job writes must be read back as
the same number."""

_RESERVED: Final = {255: "reserved"}
_BY_NUMBER: Final = {number: name for number, name in enumerate(_NAMES) if name} | _RESERVED
_BY_NAME: Final = {name: number for number, name in _BY_NUMBER.items()} | _ALIASES


def protocol_name(number: int) -> str:
    """Return the lower-case keyword of a protocol number, or the number where it has none."""
    return _BY_NUMBER.get(number) or str(number)


def protocol_number(text: str) -> int | None:
    """Return the number of a keyword or alias in any letter case, or of a number 0 to 255.

    Only ASCII digits make a number. Return ``None`` for any other text.
    """
    if not text.isascii():
        return None
    if text.isdigit():
        return small_number(text, 255)
    return _BY_NAME.get(text.lower().removesuffix("(deprecated)").rstrip())


def small_number(text: str | bytes, largest: int) -> int | None:
    """Return the number that a text of ASCII digits stands for, or ``None``.

    Return ``None`` also for a number greater than ``largest``.

    ``int`` alone accepts blanks, signs, underscores and other scripts' digits, and raises for more
    than 4300 digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > len(str(largest)):
        text = text.lstrip("0") if isinstance(text, str) else text.lstrip(b"0")
        if len(text) > len(str(largest)):
            return None
    number = int(text or "0")
    return number if number <= largest else None
