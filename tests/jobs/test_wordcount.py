"""Ten lines make a job: words are counted by the engine that counts flow logs."""

from __future__ import annotations

import csv
import inspect
from pathlib import Path

import pytest

import mapreduce.jobs.wordcount
from mapreduce import run
from mapreduce.jobs.wordcount import wordcount


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return tmp_path / "text.txt"


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        (b"", {}),
        (b"to be or not to be", {b"to": 2, b"be": 2, b"or": 1, b"not": 1}),
        (b"a\nb a\r\n\n a \n", {b"a": 3, b"b": 1}),
        (b"\ta\x0bb\x0cc  d\r", {b"a": 1, b"b": 1, b"c": 1, b"d": 1}),
        ("é\u00a0é\u2028ü Ü".encode(), {"é\u00a0é\u2028ü".encode(): 1, "Ü".encode(): 1}),
        (b"\xff\x00 \xff\x00", {b"\xff\x00": 2}),
        (b"A a", {b"A": 1, b"a": 1}),
    ],
)
def test_words_are_what_stands_between_ascii_white_space(
    text: Path, data: bytes, counts: dict[bytes, int]
) -> None:
    text.write_bytes(data)
    assert run(wordcount(), [text]).counts == counts


def test_lines_without_words_are_skipped(text: Path) -> None:
    text.write_bytes(b"a b\n\n \t \nc\n")
    stats = run(wordcount(), [text]).stats
    assert (stats.lines, stats.counted, stats.skipped, stats.malformed) == (4, 2, 2, 0)


def test_the_table_has_the_most_frequent_word_first_and_equal_ones_in_order(
    text: Path, tmp_path: Path
) -> None:
    text.write_text('b a c\nb "q,"\nZ\n')
    (written,) = run(wordcount(), [text], output=tmp_path / "out").written
    assert written == tmp_path / "out" / "wordcount.csv"
    with written.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["Word", "Count"],
            ["b", "2"],
            ['"q,"', "1"],
            ["Z", "1"],
            ["a", "1"],
            ["c", "1"],
        ]


def test_the_whole_job_is_ten_lines() -> None:
    assert len(inspect.getsource(mapreduce.jobs.wordcount).splitlines()) <= 10
