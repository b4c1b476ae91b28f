"""A condition holds where a naive twin says so, and its text is read as the same condition."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_questions import is_in, number
from promises import change, promise

from mapreduce import Malformed, UsageError, parse_by, parse_where
from mapreduce.questions.parser import MAX_DEPTH

NAMES: Final = ("status", "http.ms", "tags[0]", '"and"', '"last, first"', "7", "user-agent", "in_x")
VALUES: Final = st.sampled_from(
    (
        *("", "-", "5", "05", "5.0", "-5", "5e0", "1e400", "9" * 30, "x", "10.0.0.7", "10.1.0.1"),
        *("::1", "axb", "/x/", 'a"b', "a\\b", "\xe4", "GET", "5x", "\t"),
    )
)
TEXTS: Final = st.sampled_from(["", "x", "a", "GET", 'a"b', "a\\b", "\xe4", "it's", "\t", "/", "-"])
NUMBERS: Final = st.sampled_from(["5", "-5", "5.0", "4.99", "0", "9" * 30, "+6", "1" + "0" * 400])
NETWORKS: Final = st.sampled_from(["10.0.0.0/8", "10.0.0.0/24", "10.0.0.7", "::/16", "::1"])
PATTERNS: Final = st.sampled_from(["x", "^a.b$", "^$", r"\d+", r"[/\\]", "\xe4|5", "", '"'])
ORDERS: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


class Naive(NamedTuple):
    """A condition as text, and what a naive twin says about the values of the fields."""

    text: str
    holds: Callable[[dict[str, str]], bool]
    is_chain: bool = False


def quoted(text: str, quote: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote).replace("\t", "\\t")
    return quote + escaped + quote


def equal(value: str, constant: str) -> bool:
    return number(value) is not None and number(value) == number(constant)


def order(left: str, right: str) -> int | None:
    one, other = number(left), number(right)
    return None if one is None or other is None else (one > other) - (one < other)


@st.composite
def comparisons(draw: st.DrawFn) -> Naive:
    name, blank = draw(st.sampled_from(NAMES)), draw(st.sampled_from([" ", "  ", "\n"]))
    kind = draw(st.sampled_from(["text", "number", "order", "words", "in", "regex"]))
    if kind in {"text", "number"}:
        sign = draw(st.sampled_from(["=", "==", "!="]))
        constant = draw(TEXTS if kind == "text" else NUMBERS)
        shown = quoted(constant, draw(st.sampled_from("\"'"))) if kind == "text" else constant
        same = str.__eq__ if kind == "text" else equal
        return Naive(
            f"{name}{blank}{sign}{shown}", lambda row: same(row[name], constant) == (sign != "!=")
        )
    if kind == "order":
        sign, constant = draw(st.sampled_from(sorted(ORDERS))), draw(NUMBERS)

        def in_order(row: dict[str, str]) -> bool:
            found = order(row[name], constant)
            return found is not None and ORDERS[sign](found)

        return Naive(f"{name}{sign}{blank}{constant}", in_order)
    if kind == "words":
        words, text = draw(st.sampled_from(["starts with", "ends with", "contains"])), draw(TEXTS)
        pattern = re.escape(text)
        pattern = {"starts with": r"\A" + pattern, "ends with": pattern + r"\Z"}.get(words, pattern)
        shown = f"{name} {words.replace(' ', blank).upper()}{blank}{quoted(text, chr(34))}"
        return Naive(shown, lambda row: re.search(pattern, row[name]) is not None)
    if kind == "regex":
        pattern = draw(PATTERNS)
        shown = "/" + pattern.replace("/", r"\/") + "/"
        return Naive(f"{name} ~{blank}{shown}", lambda row: bool(re.findall(pattern, row[name])))
    return draw(lists(name, blank))


@st.composite
def lists(draw: st.DrawFn, name: str, blank: str) -> Naive:
    texts, numbers = draw(st.lists(TEXTS, max_size=2)), draw(st.lists(NUMBERS, max_size=2))
    networks = draw(st.lists(NETWORKS, min_size=1, max_size=2))
    items = [*(quoted(text, "'") for text in texts), *numbers, *networks]
    negated = draw(st.booleans())

    def holds(row: dict[str, str]) -> bool:
        value = row[name]
        found = value in texts or any(equal(value, one) for one in numbers)
        nets = [net if "/" in net else f"{net}/{128 if ':' in net else 32}" for net in networks]
        return (found or any(is_in(value, net) for net in nets)) != negated

    word = f"{blank}not in " if negated else f"{blank}in"
    shown = networks[0] if len(items) == 1 else f"({f',{blank}'.join(items)})"
    return Naive(f"{name}{word}{blank}{shown}", holds)


def both(left: Naive, right: Naive, word: str) -> Naive:
    texts = [f"({one.text})" if one.is_chain else one.text for one in (left, right)]
    if word == "and":
        return Naive(" AND ".join(texts), lambda row: left.holds(row) and right.holds(row), True)
    return Naive(" or ".join(texts), lambda row: left.holds(row) or right.holds(row), True)


CONDITIONS: Final = st.recursive(
    comparisons(),
    lambda parts: st.one_of(
        st.builds(both, parts, parts, st.sampled_from(["and", "or"])),
        parts.map(lambda one: Naive(f"not ({one.text})", lambda row: not one.holds(row))),
    ),
    max_leaves=6,
)


@promise(
    "Numbers are compared exactly, and what is no number makes a comparison false",
    broken_by=change("mapreduce.questions.conditions:_in_order", 'operator.endswith("=")', "True"),
)
@pytest.mark.parametrize("sign", ORDERS)
def test_numbers_are_compared_exactly(sign: str) -> None:
    numbers = ["5", "05", "5.0", "-5", "5e0", "4.99", "0", "-", "", "x", "9" * 30, "9" * 29 + "8"]
    for constant in ("5", "-5.00", "9" * 30, "0"):
        condition = parse_where(f"a {sign} {constant}")
        for value in numbers:
            found = order(value, constant)
            wanted = found is not None and ORDERS[sign](found)
            assert condition.holds([value.encode()]) == wanted, value


@given(CONDITIONS, st.lists(VALUES, min_size=len(NAMES), max_size=len(NAMES)))
def test_a_condition_holds_where_a_naive_twin_says_so(naive: Naive, values: list[str]) -> None:
    row = dict(zip(NAMES, values, strict=True))
    condition = pickle.loads(pickle.dumps(parse_where(naive.text)))  # noqa: S301 - it is ours
    assert condition.holds([row[str(name)].encode() for name in condition.fields]) == naive.holds(
        row
    )


@given(CONDITIONS)
def test_the_text_of_a_condition_is_read_again_as_the_same_condition(naive: Naive) -> None:
    condition = parse_where(naive.text)
    again = parse_where(str(condition))
    assert (again, hash(again), again.fields) == (condition, hash(condition), condition.fields)


def test_and_binds_stronger_than_or_and_not_stronger_than_and() -> None:
    condition = parse_where("a=1 or not b=1 and c=1")
    values = [[str(bits >> at & 1).encode() for at in range(3)] for bits in range(8)]
    for a, b, c in values:
        assert condition.holds([a, b, c]) == (a == b"1" or (b != b"1" and c == b"1"))


def test_what_stands_left_decides_before_a_function_that_cannot_read_its_value() -> None:
    condition = parse_where('kind = "dated" and hour(time) >= "2023-11-14T10"')
    assert condition.fields == ("kind", "time")
    assert condition.holds([b"dated", b"2023-11-14T10:00Z"])
    assert not condition.holds([b"other", b"?"])
    with pytest.raises(Malformed, match="is no time"):
        condition.holds([b"dated", b"?"])


def test_a_pattern_sees_letters_and_not_their_bytes() -> None:
    condition = parse_where("name ~ /^.[\xe4\xf6]$/")
    assert condition.holds(["b\xe4".encode()])
    assert not condition.holds(["\xe4".encode()])
    assert condition.holds(["\xe4\xf6".encode()])
    assert not condition.holds([b"b\xff"])


@promise(
    "An error in a question points at its place",
    broken_by=change(
        "mapreduce.questions.reader:Reader.wrong", '"^".join(shown)', "''.join(shown)"
    ),
)
@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("", 1, "the name or number of a field is missing"),
        ("status", 7, "an operator is missing"),
        ("status >= ", 11, "a number or a text in quotes is missing"),
        ("status >= bytes", 11, "a number or a text in quotes is missing"),
        ("status >= '500'", 11, "a number that is compared stands without quotes"),
        ("a=1 b=2", 5, "and, or, or the end is missing"),
        ("a=1 and and b=2", 9, "the name or number of a field is missing"),
        ("(a=1", 5, "a closing parenthesis is missing"),
        ("a=1)", 4, "and, or, or the end is missing"),
        ("a in 10.0.0.1/8", 6, "10.0.0.1/8 has host bits set"),
        ("a in 10.0.0/8", 6, "a network such as 10.0.0.0/8, or a list in parentheses, is missing"),
        ("a in ()", 7, "a number, a text in quotes, or a network such as 10.0.0.0/8 is missing"),
        ("a in (1", 8, "a closing parenthesis is missing"),
        ("a = 'x", 5, "a number or a text in quotes is missing"),
        (r"a = '\d'", 5, r"in a text, \d means nothing; a backslash is \\"),
        ("a ~ x", 5, "a regular expression between slashes is missing"),
        ("a ~ /(/", 5, "the regular expression cannot be read"),
        ("a ~ /[[a]/", 5, "the regular expression cannot be read"),
        ("a contains 5", 12, "a text in quotes is missing"),
        ("a = 5x", 5, "a number or a text in quotes is missing"),
        ("a = 1.2.3.4", 5, "a number or a text in quotes is missing"),
        ("b = 1 or hours(a) = 1", 10, "there is no function hours; there are bucket, day, hour"),
        ("net(a) = '1'", 1, "net takes the bits of a network"),
        ("net(a,33,24) = '1'", 1, "net takes the bits of a network"),
        ("bucket(a,0) = 1", 1, "bucket takes one number above 0"),
        ("lower(a,2) = 'x'", 1, "lower takes a field and no number"),
        ("lower(a b) = 'x'", 9, "a closing parenthesis is missing"),
        ("__import__('os') = 1", 1, "there is no function __import__"),
    ],
)
def test_an_error_points_at_the_place(text: str, column: int, what: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_where(text)
    message = raised.value.for_command_line()
    assert message.startswith(f"--where is wrong at column {column}: {what}")
    assert message.endswith(f"{text[: column - 1]}^{text[column - 1 :]}")


@promise(
    "Parentheses without end are refused, and no recursion error",
    broken_by=change(
        "mapreduce.questions.parser:_Parser._deeper", "self._depth > MAX_DEPTH", "False"
    ),
)
@pytest.mark.parametrize("opening", ["(", "not ", "lower(", "not ("])
def test_what_is_nested_too_deeply_is_refused(opening: str) -> None:
    closing = ")" * opening.count("(")

    def nested(depth: int) -> str:
        if opening == "lower(":
            return "lower(" * depth + "a" + ")" * depth + "='x'"
        return opening * depth + "a=1" + closing * depth

    parse_where(nested(MAX_DEPTH // len(opening.split())))
    with pytest.raises(UsageError, match=f"more than {MAX_DEPTH} parentheses"):
        parse_where(nested(100_000))


def test_a_long_chain_is_no_nesting() -> None:
    condition = parse_where(" or ".join(f"a={number}" for number in range(20_000)))
    assert condition.holds([b"19999"])
    assert parse_where(str(condition)) == condition


@given(st.text(alphabet="a1 \"'()=<>!~/\\,.:^andortnoticoi[]", max_size=30))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_where(text)
    except UsageError:
        return
    assert parse_where(str(condition)) == condition


@given(st.text(alphabet='a1 "(),.\\netlowr[]', max_size=30))
def test_any_text_is_a_list_of_expressions_or_refused(text: str) -> None:
    try:
        expressions = parse_by(text)
    except UsageError:
        return
    assert parse_by(",".join(map(str, expressions))) == expressions


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("path, hour( time ) ,net(host,24)", ["path", "hour(time)", "net(host,24)"]),
        ('7,"7",first name', ["7", '"7"', "first name"]),
        ('"last, first",tags[0]."a(b"', ['"last, first"', 'tags[0]."a(b"']),
        ("lower(path(url))", ["lower(path(url))"]),
        ("net(a,24,64),bucket(n,0.250)", ["net(a,24,64)", "bucket(n,0.250)"]),
    ],
)
def test_fields_and_functions_are_told_apart(text: str, shown: list[str]) -> None:
    assert [*map(str, parse_by(text))] == shown
