"""To add something takes one file, and perhaps one row: each example of the docs is tried."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest
from errors_by_host import errors_by_host
from markdown_writer import MarkdownWriter
from product_measure import Product
from two_tables import WordsAndLengths
from zlib_format import Zlib

from mapreduce import KeyCount, LineMapper, Totals, run
from mapreduce.formats import table as formats
from mapreduce.outputs import writers

LOG = b"web1 1 ERROR disk full\nweb2 2 fine\nweb1 3 ERROR no\nweb2 4 ERROR late\n\n"


def test_the_job_of_the_docs_counts_and_measures(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(LOG)
    result = run(errors_by_host(), tmp_path / "app.log", output=tmp_path / "out")
    assert (tmp_path / "out" / "errors.csv").read_text() == (
        "Host,Errors,Longest\nweb1,2,22\nweb2,1,17\n"
    )
    assert (result.stats.counted, result.stats.skipped) == (3, 2)


def test_the_job_of_two_tables_of_the_docs_writes_both(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a bb a\nccc bb\n")
    result = run(WordsAndLengths(), tmp_path / "text", output=tmp_path / "out")
    words, lengths = (table.rows for table in result.tables)
    assert list(words) == [("a", 2), ("bb", 2), ("ccc", 1)]
    assert list(lengths) == [(1, 2), (2, 2), (3, 1)]
    assert (tmp_path / "out" / "lengths.csv").read_text() == "Length,Count\n1,2\n2,2\n3,1\n"


def words_and_lengths(line: bytes) -> list[tuple[bytes, int]]:
    return [(word, len(line)) for word in line.split()]


@pytest.mark.parametrize("split_size", [None, 4])
def test_the_measure_of_the_docs_is_merged_over_any_splits(
    tmp_path: Path, split_size: int | None
) -> None:
    (tmp_path / "text").write_bytes(b"a b\na\na c\n" * 3)
    mapper = LineMapper(words_and_lengths, measures=(Product(),))
    job = KeyCount(mapper, "words.csv", ("Word", "Count", "Product"))
    [words] = run(job, tmp_path / "text", split_size=split_size).tables
    assert list(words.rows) == [("a", 9, (3 * 1 * 3) ** 3), ("b", 3, 27), ("c", 3, 27)]


def test_totals_of_different_measures_are_never_merged() -> None:
    one = Totals.of({b"a": 1}, {b"a": 2}, measures=[Product()])
    with pytest.raises(ValueError, match="cannot merge measures"):
        one + Totals.of({b"a": 1})


@pytest.mark.parametrize("pack", [zlib.compress, lambda text: gzip.compress(zlib.compress(text))])
def test_the_format_of_the_docs_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Any
) -> None:
    monkeypatch.setattr(formats, "FORMATS", ((b"x", Zlib), *formats.FORMATS))
    formats.formats_of.cache_clear()
    (tmp_path / "app.log.zz").write_bytes(pack(LOG))
    try:
        result = run(errors_by_host(), tmp_path / "app.log.zz")
    finally:
        formats.formats_of.cache_clear()
    assert result.counts == {b"web1": 2, b"web2": 1}


def test_the_writer_of_the_docs_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "WRITERS", (*writers.WRITERS, MarkdownWriter()))
    (tmp_path / "text").write_bytes(b"a a b|c\n")
    job = KeyCount(LineMapper(bytes.split), "words.md", ("Word", "Count"))
    run(job, tmp_path / "text", output=tmp_path / "out")
    text = "| Word | Count |\n| --- | --- |\n| a | 2 |\n| b\\|c | 1 |\n"
    assert (tmp_path / "out" / "words.md").read_text() == text
