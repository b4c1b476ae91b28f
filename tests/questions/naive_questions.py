"""Naive twins of the questions on fields. They share no code with the engine, and may be slow."""

from __future__ import annotations

import re
import socket
from datetime import datetime, timedelta
from fractions import Fraction

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def written(moment: datetime, form: str, offset: int) -> bytes:
    """Write a time of UTC in a form, as clocks show it that are ``offset`` minutes ahead."""
    if form == "seconds":
        return b"%d" % ((moment - datetime(1970, 1, 1)) // timedelta(seconds=1))
    if form == "milliseconds":
        return b"%d" % ((moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1))
    clock = moment + timedelta(minutes=offset)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    time = f"{clock.hour:02}:{clock.minute:02}:{clock.second:02}"
    if form == "log":
        date = f"{clock.day:02}/{MONTHS[clock.month - 1]}/{clock.year}"
        return f"{date}:{time} {sign}{hours:02}{minutes:02}".encode()
    date = f"{clock.year}-{clock.month:02}-{clock.day:02}"
    return f"{date}T{time}.25{sign}{hours:02}:{minutes:02}".encode()


def packed(address: str) -> bytes:
    """Return the bytes of an address. Raises ``OSError`` if it is none."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def network(address: str, bits: int) -> bytes:
    """Return the bytes of the first address of a network: all other bits are 0."""
    digits = "".join(f"{byte:08b}" for byte in packed(address))
    kept = digits[:bits].ljust(len(digits), "0")
    return bytes(int(kept[at : at + 8], 2) for at in range(0, len(kept), 8))


def is_in(address: str, net: str) -> bool:
    """Return whether a text is an address in a network."""
    first, _slash, bits = net.partition("/")
    if (":" in address) != (":" in first):
        return False
    try:
        return network(address, int(bits)) == network(first, int(bits))
    except OSError:
        return False


def number(text: str) -> Fraction | None:
    """Return a number exactly."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    return Fraction(text)
