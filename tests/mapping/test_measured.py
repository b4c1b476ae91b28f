"""Fields are measured by key: the same numbers for any shape, splits, workers and kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_runs import run_split
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_measures import measure_rows, same
from promises import change, promise

from mapreduce import (
    SKIPPED,
    Distinct,
    FieldMapper,
    FieldMeasure,
    KeyCount,
    Largest,
    LineMapper,
    Malformed,
    Mapper,
    MapReduceError,
    Mean,
    RegexMapper,
    Smallest,
    Verdict,
    blank_fields,
    csv_lines,
    delimited_lines,
    json_lines,
    kernel,
    measured,
    run,
)
from mapreduce.kernel import VARIANTS
from mapreduce.mapping import measuring

ASKED = (("min", 1), ("max", 1), ("mean", 1), ("distinct", 2), ("distinct", 1))
TEXTS = st.sampled_from(
    ["", "-", "0", "7", "-7", "1.5", "0.10", "-0.1", "1e3", "12345678901234567890", "x", "1,5"]
)
ROWS = st.lists(st.tuples(st.sampled_from("ab"), TEXTS, st.sampled_from(["u", "v", "-"])))


def measures(number: int | str, other: int | str) -> tuple[FieldMeasure, ...]:
    return (
        Smallest(number),
        Largest(number),
        Mean(number),
        Distinct(other),
        Distinct(number),
    )


def as_csv(row: tuple[str, ...]) -> str:
    return ",".join(f'"{text}"' for text in row)


SHAPES: dict[str, tuple[Callable[[], Mapper], Callable[[tuple[str, ...]], str], str]] = {
    "csv": (lambda: measured(csv_lines("k"), *measures("n", "u")), as_csv, "k,n,u\n"),
    "delimited": (
        lambda: measured(delimited_lines(1, delimiter=b"::", header=False), *measures(2, 3)),
        "::".join,
        "",
    ),
    "fields": (lambda: measured(FieldMapper(b";", (1,)), *measures(2, 3)), ";".join, ""),
    "regex": (
        lambda: measured(RegexMapper("(.*);(.*);(.*)", (1,)), *measures(2, 3)),
        ";".join,
        "",
    ),
}


@promise(
    "Measures of fields are those of a plain count, for any shape, splits, workers and kernel",
    broken_by=change(
        "mapreduce.mapping.measuring:fold", "counts[key] = ...", "counts[key] = lines"
    ),
)
@pytest.mark.parametrize("shape", SHAPES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=ROWS, split_size=st.sampled_from([None, 1, 9]))
def test_fields_are_measured_as_the_naive_count_does(
    tmp_path: Path, shape: str, rows: list[tuple[str, ...]], split_size: int | None
) -> None:
    make, line_of, header = SHAPES[shape]
    path = tmp_path / "log"
    path.write_text(header + "".join(line_of(row) + "\n" for row in [("z", "1", "u"), *rows]))
    wanted, malformed = measure_rows([("z", "1", "u"), *rows], [0], ASKED)
    titles = ("k", "Count", *map(str, range(5)))
    result = run(KeyCount(make(), "a.csv", titles), path, split_size=split_size)
    assert result.stats.malformed == malformed
    found = {row[:1]: row[1:] for row in result.tables[0].rows}
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert all(map(same, found[key], values)), (key, found[key], values)


def lines_of_numbers(number: int) -> bytes:
    return b"".join(b"%d,%d,%d.5\n" % (one % 3, one % 11, one % 7) for one in range(number))


@pytest.mark.parametrize("workers", [1, 2])
def test_measures_are_the_same_for_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(lines_of_numbers(3000))
    mapper = measured(csv_lines(1, header=False, summed=(2,)), Mean(3), Distinct(2), Largest(3))
    result = run_split([path], KeyCount(mapper, "a.csv"), workers=workers, split_size=5000)
    assert result.stats.workers == workers
    [table] = result.tables
    head = ("Field1", "Count", "Sum(Field2)", "Mean(Field3)", "Distinct(Field2)", "Max(Field3)")
    assert table.header == head
    rows = [line.split(",") for line in lines_of_numbers(3000).decode().split()]
    wanted, _ = measure_rows(rows, [0], [("mean", 2), ("distinct", 1), ("max", 2)])
    for key, count, total, *values in table.rows:
        assert total == sum(int(row[1]) for row in rows if row[0] == key)
        assert all(map(same, [count, *values], wanted[(str(key),)]))


@promise(
    "Raw keys are folded before they fill the memory, and no line is lost",
    broken_by=change(
        "mapreduce.mapping.measuring:MeasuringCombiner._fold",
        "so_far.totals + fold(raw.totals, self._mapper)",
        "fold(raw.totals, self._mapper)",
    ),
)
def test_raw_keys_are_folded_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    mapper = measured(FieldMapper(b",", (1,), summed=(2,)), Distinct(2), Mean(3))
    whole, cut = mapper.start(), mapper.start()
    data = lines_of_numbers(500)
    whole.map_block(memoryview(data), 0)
    monkeypatch.setattr(measuring, "MOST_RAW_KEYS", 10)
    for line in data.splitlines(keepends=True):
        assert cut.map_block(memoryview(line), 0).keys <= 3
    [one, other] = [combiner.drain() for combiner in (whole, cut)]
    assert one.counted == other.counted == 500
    assert one.totals.columns() == other.totals.columns()
    assert cut.drain().counted == 0


def test_a_missing_value_is_not_measured_and_a_key_without_any_has_empty_cells(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log"
    path.write_text(
        '{"k":"a","n":2}\n{"k":"a","n":null}\n{"k":"a"}\n{"k":"b"}\n{"k":"a","n":"3"}\n'
    )
    mapper = measured(json_lines("k"), Mean("n"), Smallest("n"), Distinct("n"), Distinct("k"))
    [table] = run(KeyCount(mapper, "a.csv"), path).tables
    assert table.header == ("k", "Count", "Mean(n)", "Min(n)", "Distinct(n)", "Distinct(k)")
    assert table.rows == [("a", 4, 2.5, 2, 2, 1), ("b", 1, "", "", 0, 1)]


def network(host: bytes) -> bytes | Verdict:
    if host == b"lo":
        return SKIPPED
    if host == b"bad":
        raise Malformed("has no network")
    return host[:2]


def test_mapped_keys_are_measured_and_lines_that_are_skipped_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("10a 1\n10b 4\nlo x\nbad 3\n20 x\n20 5\n")
    mapper = measured(blank_fields(1).map_keys(network, "net"), Mean(2), Largest(2))
    result = run(KeyCount(mapper, "a.csv"), path)
    assert result.tables[0].rows == [("10", 2, 2.5, 4), ("20", 1, 5, 5)]
    assert (result.stats.skipped, result.stats.malformed) == (1, 2)
    assert [reject.reason for reject in result.rejects] == [
        "has no network",
        "Field2 'x' is not a number",
    ]


def test_fields_to_the_end_of_a_line_are_measured_as_one_column(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("1 a b\n2 a b\n3 c\n")
    mapper = measured(FieldMapper(b" ", (-2,)), Mean(1))
    [table] = run(KeyCount(mapper, "a.csv"), path).tables
    assert table.rows == [("a b", 2, 1.5), ("c", 1, 3)]


def test_every_kernel_measures_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, tables = tmp_path / "log", list[Any]()
    path.write_bytes(lines_of_numbers(200))
    for name in [*VARIANTS, "pure"]:
        monkeypatch.setattr(kernel, "FieldTable", kernel.choose(name)[1])
        mapper = measured(FieldMapper(b",", (1,)), Mean(3), Distinct(2))
        job = KeyCount(mapper, "a.csv", ("k", "Count", "Mean", "Distinct"))
        tables.append(run(job, path, workers=1).tables)
    assert all(one == tables[0] for one in tables)
    assert len(tables[0][0].rows) == 3


@pytest.mark.parametrize("shape", SHAPES)
def test_distinct_values_alone_are_counted_without_looking_at_each_key(
    tmp_path: Path, shape: str
) -> None:
    mappers: dict[str, Mapper] = {
        "csv": csv_lines("k", summed=("n",)),
        "delimited": delimited_lines(1, delimiter=b"::", header=False, summed=(2,)),
        "fields": FieldMapper(b";", (1,), summed=(2,)),
        "regex": RegexMapper("(.*);(.*);(.*)", (1,), (2,)),
    }
    _make, line_of, header = SHAPES[shape]
    field = "u" if shape == "csv" else 3
    rows = [("a", "5", "u"), ("a", "-7", "v"), ("b", "1", "-"), ("a", "1" * 30, "u")]
    path = tmp_path / "log"
    path.write_text(header + "".join(line_of(row) + "\n" for row in rows))
    job = KeyCount(measured(mappers[shape], Distinct(field)), "a.csv", ("k", "Count", "Sum", "u"))
    assert list(run(job, path).tables[0].rows) == [("a", 3, int("1" * 30) - 2, 2), ("b", 1, 1, 0)]


def test_more_keys_than_are_allowed_are_refused_but_not_for_many_texts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(lines_of_numbers(100))
    job = KeyCount(measured(csv_lines(1, header=False), Mean(2)), "a.csv")
    assert len(run(job, path, max_keys=3).tables[0].rows) == 3
    with pytest.raises(MapReduceError, match="more than 2 distinct keys"):
        run(job, path, max_keys=2)


def test_json_numbers_and_decimals_stay_numbers_in_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a,0.1\na,0.2\nb,-1234567890123456789.5\n")
    mapper = measured(csv_lines(1, header=False), Largest(2))
    run(KeyCount(mapper, "a.jsonl"), path, output=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["Max(Field2)"] for row in rows] == [0.2, "-1234567890123456789.5"]


@pytest.mark.parametrize(
    ("mapper", "asked", "fault"),
    [
        (LineMapper(bytes.split), (Mean(1),), "LineMapper has no fields that can be measured"),
        (FieldMapper(b" ", (1,)), (Mean("x"),), "these fields have no names"),
        (csv_lines("a"), (), "name one measure or more"),
        (csv_lines("a"), (Mean("x"), Mean("x")), "none twice"),
        (RegexMapper("(.)"), (Mean("x"),), "the pattern has no group x"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    mapper: Mapper, asked: tuple[FieldMeasure, ...], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        measured(mapper, *asked)
