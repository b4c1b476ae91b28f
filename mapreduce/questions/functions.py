"""The functions of a field's bytes that a question may use.

A function is called once for each distinct value, not once for each line. It returns the bytes that
are counted, or raises ``Malformed`` for a value that it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple, TypeAlias

from mapreduce.errors import Malformed
from mapreduce.questions.times import day, hour, minute
from mapreduce.reducing.measures import MOST_DIGITS

Constant: TypeAlias = Decimal
"""A number behind the field in the parentheses of a function."""

_PLAIN_NUMBER: Final = re.compile(rb"(-?)([0-9]+)(?:\.([0-9]+))?")
_END_OF_PATH: Final = re.compile(rb"[?#]")


class Function(NamedTuple):
    """A function, the numbers that it takes behind the field, and how a person writes it.

    ``fault`` says what is wrong with the numbers, or is empty. A function of a time takes the name
    of a time zone as its last argument.
    """

    call: Callable[..., bytes]
    example: str
    fault: Callable[[tuple[Constant, ...]], str]
    of_time: bool = False


def net(value: bytes, bits: Constant, bits_of_ipv6: Constant | None = None) -> bytes:
    """Return the network of so many bits that an IPv4 or IPv6 address is in.

    >>> net(b"10.1.2.3", Decimal(24)), net(b"2001:db8::1", Decimal(24), Decimal(64))
    (b'10.1.2.0/24', b'2001:db8::/64')
    """
    try:
        address = ip_address(value.decode("ascii"))
        wanted = bits if bits_of_ipv6 is None or address.version == 4 else bits_of_ipv6
        return str(ip_network((address, int(wanted)), strict=False)).encode()
    except ValueError as error:
        raise Malformed(f"{_excerpt(value)} is no address in a network /{bits}") from error


def path(value: bytes) -> bytes:
    """Return a URL without its query and its fragment.

    >>> path(b"/index.html?page=2#top")
    b'/index.html'
    """
    return _END_OF_PATH.split(value, maxsplit=1)[0]


def lower(value: bytes) -> bytes:
    """Return a text in small letters. Bytes that are not UTF-8 stay as they are.

    >>> lower("GRÖSSE".encode()).decode()
    'grösse'
    """
    return _text(value).lower().encode("utf-8", "surrogateescape")


def upper(value: bytes) -> bytes:
    """Return a text in capital letters. Bytes that are not UTF-8 stay as they are.

    >>> upper(b"get")
    b'GET'
    """
    return _text(value).upper().encode("utf-8", "surrogateescape")


def bucket(value: bytes, width: Constant) -> bytes:
    """Return the largest multiple of a width that is not larger than a number. It is exact.

    >>> bucket(b"1234", Decimal(500)), bucket(b"-0.1", Decimal("0.25"))
    (b'1000', b'-0.25')
    """
    found = _PLAIN_NUMBER.fullmatch(value)
    if not found or len(value) > MOST_DIGITS:
        raise Malformed(f"{_excerpt(value)} is no number of at most {MOST_DIGITS:,} digits")
    sign, whole, fraction = found[1], found[2], found[3] or b""
    places = _places(width)
    digits = int(sign + whole + fraction)
    step = int(width.scaleb(places))
    multiple = digits * 10**places // (step * 10 ** len(fraction)) * step
    return _shown(multiple, places).encode()


def _places(number: Decimal) -> int:
    """Return how many digits stand behind the point of a number."""
    return len(f"{number:f}".partition(".")[2])


def _shown(scaled: int, places: int) -> str:
    """Return a number that has been multiplied by a power of ten, with its point."""
    digits = f"{abs(scaled):0{places + 1}d}"
    sign = "-" if scaled < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _excerpt(value: bytes) -> str:
    return repr(value[:40])[1:] + ("..." if len(value) > 40 else "")


def _none(constants: tuple[Constant, ...]) -> str:
    return "takes a field and no number" if constants else ""


def _bits(constants: tuple[Constant, ...]) -> str:
    most = (32, 128) if len(constants) == 2 else (128,)
    fits = len(constants) == len(most) and all(
        bits == int(bits) and 0 <= bits <= limit
        for bits, limit in zip(constants, most, strict=True)
    )
    return "" if fits else "takes the bits of a network: 0 to 32, for IPv6 0 to 128"


def _width(constants: tuple[Constant, ...]) -> str:
    fits = len(constants) == 1 and constants[0] > 0 and len(f"{constants[0]:f}") < 25
    return "" if fits else "takes one number above 0, of at most 24 digits"


FUNCTIONS: Final[Mapping[str, Function]] = {
    "bucket": Function(bucket, "bucket(bytes,1000)", _width),
    "day": Function(day, "day(time)", _none, of_time=True),
    "hour": Function(hour, "hour(time)", _none, of_time=True),
    "lower": Function(lower, "lower(host)", _none),
    "minute": Function(minute, "minute(time)", _none, of_time=True),
    "net": Function(net, "net(host,24)", _bits),
    "path": Function(path, "path(url)", _none),
    "upper": Function(upper, "upper(method)", _none),
}
"""Every function by its name."""
