"""The functions of a field give what a naive twin gives, and refuse what they cannot read."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_questions import network, packed, written
from promises import becomes, change, promise

from mapreduce import Malformed, UsageError, parse_by
from mapreduce.questions.functions import FUNCTIONS, bucket, lower, net, path, upper
from mapreduce.questions.times import day, hour, minute

MOMENTS = st.datetimes(datetime(2001, 9, 10), datetime(2286, 1, 1))
FORMS = st.sampled_from(["seconds", "milliseconds", "log", "iso"])
OFFSETS = st.integers(-14 * 60, 14 * 60)
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


@promise(
    "The hour of a time is that of UTC, in whatever form and zone the log has it",
    broken_by=change("mapreduce.questions.times:_offset", "-offset", "offset"),
)
@given(MOMENTS, FORMS, OFFSETS)
def test_a_time_in_any_form_is_in_its_hour_of_utc(moment: datetime, form: str, offset: int) -> None:
    text = written(moment, form, offset)
    assert hour(text) == f"{moment:%Y-%m-%dT%H}".encode()
    assert minute(text) == f"{moment:%Y-%m-%dT%H:%M}".encode()
    assert day(text) == f"{moment:%Y-%m-%d}".encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"2000-10-10T20:55:36Z", b"2000-10-10T20"),
        (b"2000-10-10 20:55", b"2000-10-10T20"),
        (b"2000-10-10t20:55:36,123456789 +0530", b"2000-10-10T15"),
        (b"2000-10-10T20:55:36-07", b"2000-10-11T03"),
        (b"10/Oct/2000:13:55:36 -0700", b"2000-10-10T20"),
        (b"10/Oct/2000:13:55:36", b"2000-10-10T13"),
        (b"971211336", b"2000-10-10T20"),
        (b"1700000000.999", b"2023-11-14T22"),
        (b"1700000000999", b"2023-11-14T22"),
        (b"2016-12-31T23:59:60Z", b"2016-12-31T23"),
    ],
)
def test_these_times_are_read(text: bytes, shown: bytes) -> None:
    assert hour(text) == shown


@promise(
    "What is no time for sure is malformed, and in no hour",
    broken_by=becomes("mapreduce.questions.times:_EPOCH", 're.compile(rb"([0-9]+)")'),
)
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-",
        b"20001010",  # a date, or seconds in 1970
        b"20001010205536",
        b"17000000000",  # neither seconds nor milliseconds
        b"1700000000000000",
        b"-1700000000",
        b"2000-13-10T20:55",
        b"2000-02-30T20:55",
        b"2000-10-10T24:00",
        b"2000-10-10T20:55:61Z",
        b"2000-10-10T20:55+25:00",
        b"2000-10-10T20:55+01:60",
        b"2000-10-10",  # a day, and no hour
        b"0001-01-01T00:00+01:00",  # before all times
        b"10/Okt/2000:13:55:36 -0700",
        b"10/Oct/2000:13:55:36 -0700 ",
        "\uff12\uff10\uff10\uff10-10-10T20:55Z".encode(),
    ],
)
def test_what_is_no_time_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed, match=r"is no time|has no time of day"):
        hour(text)


def test_a_date_is_a_day_and_must_exist() -> None:
    assert day(b"2000-10-10", "Asia/Tokyo") == b"2000-10-10"
    with pytest.raises(Malformed, match="'2000-02-30' is no time"):
        day(b"2000-02-30")


@promise(
    "The two hours of one name, when clocks are put back, are two keys",
    broken_by=change("mapreduce.questions.times:_part", 'zone == "UTC" or length == 10', "True"),
)
def test_an_hour_that_comes_twice_in_a_zone_is_two_hours() -> None:
    texts = [b"2023-10-29T00:30Z", b"2023-10-29T01:30Z"]
    assert [hour(text, "Europe/Berlin") for text in texts] == [
        b"2023-10-29T02+02:00",
        b"2023-10-29T02+01:00",
    ]
    assert day(b"2023-10-28T22:30Z", "Europe/Berlin") == b"2023-10-29"


def test_a_time_without_a_zone_is_one_of_the_zone_that_is_asked_for() -> None:
    assert hour(b"2023-07-01T12:30", "Europe/Berlin") == b"2023-07-01T12+02:00"
    for text in (b"2023-10-29T02:30", b"2023-03-26T02:30"):
        with pytest.raises(Malformed, match="comes twice or not at all in Europe/Berlin"):
            hour(text, "Europe/Berlin")


@pytest.mark.parametrize(
    "name", ["Nowhere", "", "../zone", "Europe", "/etc/passwd", "\0", "x" * 999]
)
def test_a_time_zone_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"timezone=.*: is not known here"):
        parse_by("hour(time)", name)


@promise(
    "The network of an address has the bits that were asked for",
    broken_by=change("mapreduce.questions.functions:net", "address.version == 4", "True"),
)
@given(ADDRESSES, st.integers(0, 32), st.integers(0, 128))
def test_an_address_is_in_its_network(address: str, bits: int, bits_of_ipv6: int) -> None:
    wanted = bits_of_ipv6 if ":" in address else bits
    found = net(address.encode(), Decimal(bits), Decimal(bits_of_ipv6)).decode()
    first, _slash, shown = found.partition("/")
    assert (packed(first), shown) == (network(address, wanted), f"{wanted}")


@pytest.mark.parametrize(
    "text", [b"", b"-", b"10.0.0", b"10.0.0.256", b"010.0.0.1", b"::g", b"\xff"]
)
def test_what_is_no_address_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed, match="is no address"):
        net(text, Decimal(8))
    with pytest.raises(Malformed, match="is no address in a network /33"):
        net(b"10.0.0.1", Decimal(33))


@given(st.text("ab/?#&=\xe4", max_size=10))
def test_a_path_ends_before_its_query_and_its_fragment(url: str) -> None:
    ends = [at for at, character in enumerate(url) if character in "?#"]
    assert path(url.encode()).decode() == url[: min(ends, default=len(url))]


@given(st.text(), st.binary(max_size=3).filter(lambda junk: all(byte > 0xF7 for byte in junk)))
def test_letters_become_small_or_capital_and_other_bytes_stay(text: str, junk: bytes) -> None:
    try:
        value = text.encode()
    except UnicodeEncodeError:
        return
    assert lower(value + junk) == text.lower().encode() + junk
    assert upper(value + junk) == text.upper().encode() + junk


NUMBERS = st.from_regex(r"-?[0-9]{1,40}(\.[0-9]{1,9})?", fullmatch=True)
WIDTHS = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True).filter(
    lambda text: Fraction(text) > 0
)


@promise(
    "A bucket is exact, for integers of any size and for decimals",
    broken_by=change(
        "mapreduce.questions.functions:bucket",
        "digits * 10**places // (step * 10 ** len(fraction)) * step",
        "int(digits * 10**places / (step * 10 ** len(fraction))) * step",
    ),
)
@given(NUMBERS, WIDTHS)
def test_a_bucket_is_the_multiple_below(text: str, width: str) -> None:
    found = bucket(text.encode(), Decimal(width))
    wanted = math.floor(Fraction(text) / Fraction(width)) * Fraction(width)
    assert Fraction(found.decode()) == wanted
    assert len(found.partition(b".")[2]) == len(width.partition(".")[2])


@pytest.mark.parametrize("text", [b"", b"-", b"1e3", b"x", b"1.", b"+1", b" 1", b"1" * 1001])
def test_what_is_no_number_has_no_bucket(text: bytes) -> None:
    with pytest.raises(Malformed, match="is no number"):
        bucket(text, Decimal(10))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_a_function_can_be_asked(name: str) -> None:
    [call] = parse_by(FUNCTIONS[name].example)
    assert str(call) == FUNCTIONS[name].example
