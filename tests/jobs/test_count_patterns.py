"""``count --words`` and ``count --regex`` ask of lines without fields."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import UsageError, run
from mapreduce.jobs.count import count

LOG = b"a ERROR disk 5\nb ok\r\nc ERROR net 7\r\n\nd ERROR disk -\ne ERROR disk x"
PATTERN = r"ERROR (?P<kind>\w+) (?P<n>\S+)"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_bytes(LOG)
    return path


def test_named_groups_are_fields_and_lines_without_a_match_are_skipped(log: Path) -> None:
    result = run(count(regex=PATTERN, by="kind"), log)
    assert result.tables[0].header == ("kind", "Count")
    assert list(result.tables[0].rows) == [("disk", 3), ("net", 1)]
    assert (result.stats.counted, result.stats.skipped, result.stats.malformed) == (4, 2, 0)


def test_a_group_is_summed_and_a_text_there_is_malformed(log: Path) -> None:
    result = run(count(regex=PATTERN, by="kind", sum=["n"]), log)
    assert result.tables[0].header == ("kind", "Count", "Sum(n)")
    assert list(result.tables[0].rows) == [("disk", 2, 5), ("net", 1, 7)]
    assert [reject.offset for reject in result.rejects] == [LOG.index(b"e ERROR")]


@pytest.mark.parametrize(
    ("pattern", "by", "titles"),
    [
        (PATTERN, None, ("kind", "n")),
        (r"(\w+) (\w+)", None, ("Field1", "Field2")),
        (r"(\w+) (?P<x>\w+)", "x,1", ("x", "Field1")),
    ],
)
def test_without_names_all_groups_are_counted_or_those_with_names(
    log: Path, pattern: str, by: str | None, titles: tuple[str, ...]
) -> None:
    [table] = run(count(regex=pattern, by=by), log).tables
    assert table.header == (*titles, "Count")


@given(st.lists(st.text("ab 1\t\u00e9", max_size=12)))
def test_words_and_groups_are_those_of_python(lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    words, groups = Counter(data.split()), Counter[bytes]()
    for line in data.split(b"\n"):
        if found := re.search(rb"a(b*)", line):
            groups[found[1]] += 1
    for job, wanted in ((count(words=True), words), (count(regex="a(b*)"), groups)):
        combiner = job.mapper.start()
        combiner.map_block(memoryview(data), 0)
        assert combiner.drain().totals.counts == wanted


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"words": True, "by": "1"}, "words=: counts whole words"),
        ({"regex": "x"}, "regex=x: the pattern has no group"),
        ({"regex": "("}, "regex=.: is no regular expression"),
        ({"regex": "(a)", "by": "kind"}, "has no group kind; it has 1 to 1"),
        ({"regex": "(a)", "csv": True}, "csv=.* and regex=.*: choose one"),
        ({"regex": "(a)", "header": True}, "only CSV"),
        ({"words": True, "delimiter": ","}, "own delimiter"),
        ({"regex": "(a)", "fields_expected": 3}, "groups are no fields"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: dict[str, object], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        count(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "is_refused"),
    [
        ("([üö])", True),
        (r"([^\]ü])", True),
        ("[ab](ü)", False),
        (r"\[(ü)", False),
        ("(ü|ö)", False),
    ],
)
def test_a_letter_of_several_bytes_in_a_set_is_refused(pattern: str, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(UsageError, match="is several of them"):
            count(regex=pattern)
    else:
        assert count(regex=pattern).mapper.key_columns == 1
