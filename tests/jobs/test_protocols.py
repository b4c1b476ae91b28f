"""Protocol numbers and names go both ways, and only what is surely meant is accepted."""

from __future__ import annotations

import pytest

from mapreduce.jobs.flowlogs.protocols import protocol_name, protocol_number, small_number

# The registry's own spelling: letter case, digits first, punctuation, blanks, the last of each run.
REGISTRY = {
    0: "HOPOPT",
    1: "ICMP",
    4: "IPv4",
    6: "TCP",
    9: "IGP",
    13: "ARGUS (deprecated)",
    17: "UDP",
    34: "3PC",
    39: "TP++",
    41: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    53: "SWIPE (deprecated)",
    58: "IPv6-ICMP",
    60: "IPv6-Opts",
    62: "CFTP",
    69: "SAT-MON",
    89: "OSPFIGP",
    93: "AX.25",
    94: "IPIP",
    98: "ENCAP",
    107: "A/N",
    113: "PGM",
    115: "L2TP",
    122: "SM (deprecated)",
    124: "ISIS over IPv4",
    132: "SCTP",
    134: "RSVP-E2E-IGNORE",
    135: "Mobility Header",
    136: "UDPLite",
    145: "NSH",
    255: "Reserved",
}
WITHOUT_KEYWORD = [61, 63, 68, 99, 114, *range(146, 255)]
ALIASES = {
    "icmpv6": 58,
    "icmp6": 58,
    "ipv6-icmp": 58,
    "ipencap": 4,
    "ipv4": 4,
    "ospf": 89,
    "ospfigp": 89,
    "udp-lite": 136,
    "isis": 124,
    "mobility-header": 135,
}
NOT_NUMBERS = [
    "",
    " ",
    "-1",
    "+6",
    "4_3",
    "6.0",
    "0x6",
    " 6",
    "6\n",
    "٦",  # Arabic digits: int() would take them
    "६",
    "²",  # isdigit(), and yet no number
    "1" * 5000,  # int() raises above 4300 digits
    "6\0",
]


def test_every_number_survives_the_way_to_its_name_and_back() -> None:
    names = [protocol_name(number) for number in range(256)]
    assert [protocol_number(name) for name in names] == list(range(256))


def test_every_name_is_written_in_lower_case() -> None:
    names = [protocol_name(number) for number in range(256)]
    assert names == [name.lower() for name in names]


@pytest.mark.parametrize(("number", "keyword"), REGISTRY.items())
def test_a_registry_keyword_is_written_in_lower_case_without_deprecated(
    number: int, keyword: str
) -> None:
    assert protocol_name(number) == keyword.lower().removesuffix(" (deprecated)")


@pytest.mark.parametrize(("number", "keyword"), REGISTRY.items())
def test_a_registry_keyword_is_read_in_any_letter_case(number: int, keyword: str) -> None:
    spellings = [keyword, keyword.upper(), keyword.lower(), keyword.swapcase()]
    assert [protocol_number(spelling) for spelling in spellings] == [number] * 4


@pytest.mark.parametrize(("alias", "number"), ALIASES.items())
def test_an_alias_is_read_in_any_letter_case(alias: str, number: int) -> None:
    assert protocol_number(alias) == protocol_number(alias.upper()) == number


def test_a_number_without_keyword_is_written_as_the_number() -> None:
    assert [n for n in range(256) if protocol_name(n) == str(n)] == WITHOUT_KEYWORD


@pytest.mark.parametrize("text", ["6", "06", "006", "0" * 5000 + "6"])
def test_leading_zeros_do_not_change_a_number(text: str) -> None:
    assert protocol_number(text) == 6


@pytest.mark.parametrize(
    "text",
    [
        *NOT_NUMBERS,
        "256",
        "1000",
        "tcpx",
        "t cp",
        "tcp udp",
        "(deprecated)",
        "\N{LATIN SMALL LETTER LONG S}ctp",
    ],
)
def test_anything_else_is_no_protocol(text: str) -> None:
    assert protocol_number(text) is None


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_only_ascii_digits_make_a_number_as_text_and_as_bytes(text: str) -> None:
    assert small_number(text, 65535) is None
    assert small_number(text.encode(), 65535) is None


@pytest.mark.parametrize("largest", [255, 65535])
def test_a_number_is_accepted_up_to_the_largest_and_not_above(largest: int) -> None:
    for zeros in ("", "0", "0" * 5000):
        assert small_number(f"{zeros}0", largest) == 0
        assert small_number(f"{zeros}{largest}", largest) == largest
        assert small_number(f"{zeros}{largest}".encode(), largest) == largest
        assert small_number(f"{zeros}{largest + 1}", largest) is None
