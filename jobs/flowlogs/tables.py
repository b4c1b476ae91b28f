"""Make the tables: the measures of each key, and of each tag.

A tag belongs to a destination port and a protocol. With ``match_src`` it also belongs to a record
whose source has them, as an answer of the service has, unless the destination has a tag itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from heapq import nsmallest
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from mapreduce import Row, Table, Totals
from mapreduce.jobs.flowlogs.layout import PAIR
from mapreduce.jobs.flowlogs.lookup import UNTAGGED, Pair
from mapreduce.jobs.flowlogs.protocols import protocol_name
from mapreduce.jobs.flowlogs.records import MEASURES, NUMBERS, Question
from mapreduce.jobs.flowlogs.times import LATEST, TIMES, Span

if TYPE_CHECKING:
    from mapreduce.jobs.flowlogs.lookup_rules import Rule

TAGS: Final = "tag2count.csv"
SHOWN: Final = 10
"""Untagged pairs that the summary names."""
_NO_LOOKUP: Final = "; no tags, because there is no lookup"

Key = TypeVar("Key")
Values: TypeAlias = tuple[int | str, ...]
"""The fields of a key: numbers and text."""


def make_tables(
    totals: Totals,
    question: Question,
    tags: Mapping[Pair, str] | None,
    name: str,
    *,
    rules: Sequence[Rule] = (),
    column: bool,
) -> Sequence[Table]:
    """Return the table of the tags, if there are tags, and that of the keys, named ``name``.

    ``rules`` give tags to pairs that ``tags`` does not have.
    With ``column``, the table of the keys has a column for the tag. All tables sum to the same
    totals.
    """
    by, measures = question.by, question.measures
    keys, measured = keys_and_measures(totals, question)
    shown = [key[: len(by)] for key in keys] if question.key != by else keys
    remark = _partly_outside(totals, question, question.span) if question.span else ""
    if tags is None or not question.is_tagged:
        remark = f"{_NO_LOOKUP if question.is_tagged else ''}{remark}"
        return [_key_table(name, by, measures, _all_summed(shown, measured), remark)]
    ports = question.ports
    if question.key != ports:
        keys = [*map(itemgetter(*map(question.key.index, ports)), keys)]
    sums = _all_summed(keys, measured)
    if rules:
        tags = _with_rules(tags, rules, sums[0].keys(), match_src=question.match_src)
    tagged = _tagged(sums[0].keys(), tags, match_src=question.match_src)
    if column:
        by = (*by, "Tag")
        shown = [(*key, tagged.get(at, UNTAGGED)) for key, at in zip(shown, keys, strict=True)]
    sums_shown = sums if shown is keys else _all_summed(shown, measured)
    return [
        _tag_table(tagged, measures, sums),
        _key_table(name, by, measures, sums_shown, remark),
    ]


def keys_and_measures(totals: Totals, question: Question) -> tuple[list[Values], list[list[int]]]:
    """Return the keys as tuples of numbers and text, and a column of values for each measure."""
    nothing: list[dict[bytes, int]] = [{} for _ in ("flows", *question.weights)]
    columns = totals.columns() if len(totals) else nothing
    written, numbers = [*columns[0]], [[*column.values()] for column in columns]
    measured = numbers if "flows" in question.measures else numbers[1:]
    texts = _columns_of(written, len(question.judged) + 1)
    fields = [_read(name, texts[i]) for i, name in enumerate(question.key)]
    return list(zip(*fields, strict=True)), measured


def _columns_of(keys: Sequence[bytes], width: int) -> list[list[bytes]]:
    """Return the first ``width`` fields of keys as columns; a missing field is empty."""
    flat = b" ".join(keys).split(b" ") if keys else []
    if len(flat) != width * len(keys):  # some logs have no log-status
        flat = [part for key in keys for part in [*key.split(b" "), b"", b""][:width]]
    return [flat[i::width] for i in range(width)]


def _partly_outside(totals: Totals, question: Question, span: Span) -> str:
    """Return in words how many of the records lie only partly within the span."""
    counts = totals.columns()[0]
    texts = _columns_of([*counts], len(question.judged) + 1)
    times = (texts[question.judged.index(name)] for name in TIMES)
    outside = sum(
        count
        for first, last, count in zip(*times, counts.values(), strict=True)
        if not span.holds(_number(first), _number(last))
    )
    begins = f"{outside:,} {'record lies' if outside == 1 else 'records lie'}"
    return f"; {begins} only partly within the time, counted whole" if outside else ""


def _number(digits: bytes) -> int:
    """Return the number of digits that are a time, behind any number of zeros."""
    return int(digits[-len(str(LATEST)) :])


def _read(name: str, texts: Sequence[bytes]) -> Iterable[int | str]:
    """Return the values of a field as numbers or text; a number may have leading zeros."""
    if name not in NUMBERS:
        return [text.decode(errors="surrogateescape") for text in texts]
    digits = len(str(NUMBERS[name]))  # the rest are zeros; int() refuses more than 4300 of them
    if name != "protocol":
        return [int(text[-digits:]) for text in texts]
    values = {text: int(text[-digits:]) for text in set(texts)}  # few different ones
    return map(values.__getitem__, texts)


def _summed(keys: Sequence[Key], values: Sequence[int]) -> dict[Key, int]:
    """Return the sum of the values of each key; keys that were written differently may be equal."""
    sums = dict(zip(keys, values, strict=True))
    if len(sums) < len(keys):
        sums = dict.fromkeys(sums, 0)
        for key, value in zip(keys, values, strict=True):
            sums[key] += value
    return sums


def _all_summed(
    keys: Sequence[Values], measured: Sequence[Sequence[int]]
) -> list[dict[Values, int]]:
    return [_summed(keys, values) for values in measured]


def _with_rules(
    tags: Mapping[Pair, str], rules: Sequence[Rule], keys: Set[Values], *, match_src: bool
) -> Mapping[Pair, str]:
    """Return the tags, and those that rules give to other pairs of these keys."""
    from mapreduce.jobs.flowlogs.lookup_rules import tags_of  # noqa: PLC0415 - few tables need it

    pairs = {key[:2] for key in keys}
    if match_src:
        pairs |= {(key[2], key[1]) for key in keys}
    return {**tags_of(cast(set[Pair], pairs) - tags.keys(), rules), **tags}


def _tagged(
    keys: Set[Values], tags: Mapping[Pair, str], *, match_src: bool
) -> Mapping[Values, str]:
    """Return the tag of each key that has one. Its fields are those of ``Question.ports``."""
    pairs = cast(Mapping[Values, str], tags)
    if not match_src:
        return {key: pairs[key] for key in keys & pairs.keys()}
    found = {key: pairs.get(key[:2], pairs.get((key[2], key[1]))) for key in keys}
    return {key: tag for key, tag in found.items() if tag is not None}


def _tag_table(
    tagged: Mapping[Values, str],
    measures: Sequence[str],
    sums: Sequence[Mapping[Values, int]],
) -> Table:
    by_tag: dict[str, list[int]] = {}
    for key, tag in tagged.items():
        totals = by_tag.setdefault(tag, [0] * len(sums))
        for number, values in enumerate(sums):
            totals[number] += values[key]
    rest = [sum(values.values()) for values in sums]
    for totals in by_tag.values():
        rest = [left - total for left, total in zip(rest, totals, strict=True)]
    rows = [*_ordered(((tag, *totals) for tag, totals in by_tag.items()), len(sums))]
    what = measures[0].replace("flows", "records")
    note = f"{len(by_tag):,} tags, {rest[0]:,} {what} untagged{_untagged(tagged, sums[0])}"
    return Table(TAGS, ("Tag", *_titles(measures)), [*rows, (UNTAGGED, *rest)], note)


def _untagged(tagged: Mapping[Values, str], sums: Mapping[Values, int]) -> str:
    """Return in words which pairs without a tag have the most, and how much."""
    rest: dict[Values, int] = {}
    for key in sums.keys() - tagged.keys():
        rest[key[:2]] = rest.get(key[:2], 0) + sums[key]
    largest = nsmallest(SHOWN, rest, key=lambda pair: (-rest[pair], pair))
    told = [
        f"{port}/{protocol_name(int(number))} {rest[port, number]:,}" for port, number in largest
    ]
    more = [f"{len(rest) - SHOWN:,} more pairs"] if len(rest) > SHOWN else []
    return f": {', '.join([*told, *more])}" if told else ""


def _key_table(
    name: str,
    by: Sequence[str],
    measures: Sequence[str],
    sums: Sequence[Mapping[Values, int]],
    remark: str,
) -> Table:
    names = [protocol_name(number) for number in range(256)]
    fields = [[key[at] for key in sums[0]] for at in range(len(by))]
    if "protocol" in by:
        at = by.index("protocol")
        fields[at] = [names[int(number)] for number in fields[at]]
    rows = [*zip(*fields, *(values.values() for values in sums), strict=True)]
    is_pairs = tuple(by[:2]) == PAIR and tuple(by[2:]) in {(), ("Tag",)}
    what = "port/protocol pairs" if tuple(by) == PAIR else "keys"
    titles = ("Port", "Protocol", *by[2:]) if is_pairs else tuple(by)
    note = f"{len(rows):,} {what}{remark}"
    return Table(name, (*titles, *_titles(measures)), _ordered(rows, len(sums)), note)


def _titles(measures: Iterable[str]) -> Iterable[str]:
    return map(MEASURES.__getitem__, measures)


def _ordered(rows: Iterable[Row], measures: int) -> list[Row]:
    """Sort by the first measure, the highest first, then by the columns before it."""
    # The sort is stable, so that rows with equal measures stay in the order of the inner sort.
    return sorted(sorted(rows), key=itemgetter(-measures), reverse=True)
