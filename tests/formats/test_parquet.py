"""Parquet, read by row groups and columns, gives the same result as the same records as text."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOKUP, run_or_refuse
from hypothesis import given
from hypothesis import strategies as st
from promises import becomes, change, promise

from mapreduce import Result, UsageError, run
from mapreduce.errors import InputError, NothingCountedError, install_hint
from mapreduce.jobs.count import count
from mapreduce.jobs.flowlogs.job import FlowLogs
from mapreduce.jobs.flowlogs.layout import DEFAULT
from mapreduce.jobs.wordcount import wordcount
from mapreduce.kernel.pace import Pace

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
from pyarrow import parquet as pq  # noqa: E402 - after the line above

FLOWS = FlowLogs(LOOKUP)
NUMBERS = {"srcport", "dstport", "protocol", "packets", "bytes", "start", "end"}

rows = st.lists(
    st.tuples(
        st.sampled_from([443, 53, 80, 0, 65535, 65536, -1, None]),
        st.sampled_from([6, 17, 255, 256, None]),
        st.sampled_from(["OK", "NODATA", "SKIPDATA", None]),
    ),
    max_size=40,
)


def record_of(port: int | None, protocol: int | None, status: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {name: 1 if name in NUMBERS else "x" for name in DEFAULT.names}
    return values | {"version": "2", "dstport": port, "protocol": protocol, "log-status": status}


def write(path: Path, records: Iterable[dict[str, Any]], group: int = 7) -> Path:
    """Write records as AWS does, with ``_`` in names of columns, but in small row groups."""
    columns = {
        name.replace("-", "_"): pa.array(
            [record[name] for record in records], pa.int64() if name in NUMBERS else pa.string()
        )
        for name in DEFAULT.names
    }
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def write_text(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    lines = [
        " ".join("-" if value is None else str(value) for value in record.values()) + "\n"
        for record in records
    ]
    path.write_text("".join(lines))
    return path


def run_split(inputs: list[Path], job: Any = FLOWS, **options: Any) -> Result:
    """Run with processes from the first byte on (if ``workers`` are more than 1)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.splits.plan.pace_of", lambda _mapper: Pace(1, 512 << 20))
        return run(job, inputs, **options)


@given(rows)
def test_rows_are_counted_as_the_same_lines_are(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Any, Any, Any]]
) -> None:
    records = [record_of(*row) for row in drawn]
    directory = tmp_path_factory.getbasetemp()
    text = run_or_refuse(FLOWS, [write_text(directory / "rows.log", records)])
    found = run_or_refuse(FLOWS, [write(directory / "rows.parquet", records)])
    if isinstance(text, NothingCountedError) or isinstance(found, NothingCountedError):
        errors = [one for one in (text, found) if isinstance(one, NothingCountedError)]
        assert len(errors) == 2
        assert errors[0].malformed == errors[1].malformed > 0
        return
    assert found.counts == text.counts
    assert [list(table.rows) for table in found.tables] == [list(t.rows) for t in text.tables]
    figures = [(s.lines, s.counted, s.skipped, s.malformed) for s in (found.stats, text.stats)]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_row_groups_are_splits_that_any_worker_counts(tmp_path: Path, method: str) -> None:
    records = [record_of(443, 6, "OK"), record_of(53, 17, "OK"), record_of(None, None, "NODATA")]
    path = write(tmp_path / "log.parquet", records * 100, group=50)
    found = run_split([path], workers=2, split_size=1, start_method=method)
    assert found.counts == {b"443 6 OK": 100, b"53 17 OK": 100}
    assert (found.stats.splits, found.stats.skipped) == (6, 100)
    assert found.stats.bytes == path.stat().st_size


def test_parquet_and_text_of_any_layout_are_one_input(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [record_of(443, 6, "OK")] * 3)
    columns = {"protocol": pa.array([6, 6], pa.int32()), "dstport": pa.array([443, 80])}
    pq.write_table(pa.table(columns), tmp_path / "b.anything")
    (tmp_path / "c.log").write_text("dstport protocol\n443 6\n")
    found = run(FLOWS, [tmp_path])
    assert Counter({tuple(row[:2]): row[2] for row in found.tables[1].rows}) == {
        (443, "tcp"): 5,
        (80, "tcp"): 1,
    }


def test_columns_are_counted_by_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [record_of(443, 6, "OK"), record_of(443, None, "OK")])
    assert run(count("7,8"), [path]).counts == {b"443 6": 1, b"443 -": 1}
    with pytest.raises(UsageError, match="has no column 15; it has only 14 columns"):
        run(count("15"), [path])


def test_an_empty_value_of_a_single_column_is_a_row_as_any_other(tmp_path: Path) -> None:
    pq.write_table(pa.table({"word": ["", "a", "", None]}), tmp_path / "a.parquet")
    found = run(count("1"), [tmp_path / "a.parquet"])
    assert found.counts == {b"": 2, b"a": 1, b"-": 1}
    assert (found.stats.lines, found.stats.skipped) == (4, 0)


def test_a_file_without_rows_holds_nothing(tmp_path: Path) -> None:
    assert run(FLOWS, [write(tmp_path / "a.parquet", [])]).stats.lines == 0


def test_parquet_without_the_columns_is_refused_naming_the_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"srcaddr": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=r"a\.parquet: has no field dstport"):
        run(FLOWS, [tmp_path / "a.parquet"])


def test_a_job_of_lines_refuses_parquet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.parquet: this job counts lines of text"):
        run(wordcount(), [write(tmp_path / "a.parquet", [record_of(443, 6, "OK")])])


@promise(
    "Columns of Parquet are found by name, and never by position",
    broken_by=change(
        "mapreduce.mapping.fields:FieldMapper.for_columns",
        "_columns_by_name(...) if self.names else _columns_by_number(...)",
        "_columns_by_number(numbers, names)",
    ),
)
def test_columns_are_found_by_name_and_never_by_position(tmp_path: Path) -> None:
    """The order and types of columns, and other columns, make no difference."""
    columns = {
        "Protocol": [6, 17],
        "__index_level_0__": [53, 53],
        "some text": ["a b", "c d"],
        "dstPort": [443, 53],
        "log_status": ["OK", "OK"],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert run(FLOWS, [tmp_path / "a.parquet"]).counts == {b"443 6 OK": 1, b"53 17 OK": 1}


@pytest.mark.parametrize("names", [[f"c{n}" for n in range(14)], ["a", "b"]], ids=["14", "2"])
def test_parquet_without_any_known_name_is_refused(tmp_path: Path, names: list[str]) -> None:
    pq.write_table(pa.table({name: ["6"] for name in names}), tmp_path / "a.parquet")
    unknown = "'c0' is not the name of a field; correct that name, or, in a log of text, "
    fault = rf"a\.parquet: (has no column dstport|.*{unknown})"
    with pytest.raises(UsageError, match=fault):
        run(FLOWS, [tmp_path / "a.parquet"])
    assert run(count("2"), [tmp_path / "a.parquet"]).counts == {b"6": 1}


@promise(
    "Two columns of one name are refused",
    broken_by=[
        change("mapreduce.mapping.fields:_columns_by_name", "len(same) != 1", "not same"),
        change(
            "mapreduce.formats.parquet:Parquet.choose_mapper", "names.count(column) > 1", "False"
        ),
    ],
)
def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    same = [("dstport", pa.array([443])), ("DstPort", pa.array([53])), ("protocol", pa.array([6]))]
    table = pa.Table.from_arrays([column for _, column in same], [name for name, _ in same])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="names the field dstport twice"):
        run(FLOWS, [tmp_path / "a.parquet"])
    pq.write_table(table.rename_columns(["x", "x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="has several columns named x"):
        run(count("1"), [tmp_path / "a.parquet"])


VALUES = {
    "whole floats": (
        pa.array([443.0, 1e15, None, -0.0]),
        [b"443", b"1000000000000000", b"-", b"0"],
    ),
    "floats": (pa.array([1.5, float("nan"), float("inf")]), [b"1.5", b"-", b"inf"]),
    "short floats": (pa.array([443.0, 0.5], pa.float32()), [b"443", b"0.5"]),
    "decimals": (pa.array(["443.00", "1.50"]).cast(pa.decimal128(9, 2)), [b"443", b"1.50"]),
    "bytes": (pa.array([b"\xff", b"ab"], pa.binary()), [b"\xff", b"ab"]),
    "words": (pa.array(["a", "b", None]).dictionary_encode(), [b"a", b"b", b"-"]),
    "booleans": (pa.array([True, False]), [b"true", b"false"]),
    "nothing": (pa.nulls(2), [b"-", b"-"]),
}


@pytest.mark.parametrize(("values", "texts"), VALUES.values(), ids=[*VALUES])
def test_a_value_is_the_text_that_a_log_would_have(
    tmp_path: Path, values: Any, texts: list[bytes]
) -> None:
    """pandas turns a column of integers with missing values into floats and NaN."""
    pq.write_table(pa.table({"x": values}), tmp_path / "a.parquet")
    assert run(count("1"), [tmp_path / "a.parquet"]).counts == Counter(texts)


@promise(
    "A whole float of Parquet is the integer that a log would have",
    broken_by=change("mapreduce.formats.rows:_text_of", "pc.coalesce(whole, there)", "there"),
)
@given(
    st.lists(st.integers(-(2**60), 2**60) | st.none() | st.floats(allow_subnormal=False)),
)
def test_a_whole_float_is_an_integer_and_every_float_is_itself(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[float | int | None]
) -> None:
    path = tmp_path_factory.getbasetemp() / "floats.parquet"
    floats = [None if value is None else float(value) for value in drawn]
    pq.write_table(pa.table({"x": pa.array(floats, pa.float64())}), path)
    found = run(count("1"), [path]).counts
    there = [value for value in floats if value is not None and value == value]  # noqa: PLR0124
    assert Counter({float(key): n for key, n in found.items() if key != b"-"}) == Counter(there)
    assert found[b"-"] == len(floats) - len(there)
    whole = [key for key in found if key != b"-" and float(key).is_integer()]
    assert all(key.lstrip(b"-").isdigit() for key in whole if abs(float(key)) < 2**53)


def test_a_delimiter_of_any_byte_stands_between_values(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1, 2], "y": ["a b", "c"]}), tmp_path / "a.parquet")
    for delimiter in ("\t", ",", "\x01"):
        found = run(count("1-2", delimiter=delimiter), [tmp_path / "a.parquet"])
        byte = delimiter.encode()
        assert found.counts == {b"1" + byte + b"a b": 1, b"2" + byte + b"c": 1}
    with pytest.raises(InputError, match="row 1: the value '2' of the column x would be two"):
        run(count("1-2", delimiter="2"), [tmp_path / "a.parquet"])


@promise(
    "Columns of lists are refused",
    broken_by=change(
        "mapreduce.formats.parquet:Parquet.choose_mapper",
        "schema.field(column).type.num_fields",
        "False",
    ),
)
def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [[1], [2, 3]]}), tmp_path / "a.parquet")
    with pytest.raises(
        UsageError, match=r"a\.parquet: the column x has no single values, but list"
    ):
        run(count("1"), [tmp_path / "a.parquet"])


def test_a_row_that_is_too_long_is_named(tmp_path: Path) -> None:
    words = ["x"] * 20 + ["x" * 51] + ["x"] * 9
    pq.write_table(pa.table({"w": words, "n": [1] * 30}), tmp_path / "a.parquet", row_group_size=7)
    assert run(count("1,2"), [tmp_path / "a.parquet"], max_line=53).stats.lines == 30
    with pytest.raises(InputError, match="row 20: a line of more than 52 bytes"):
        run(count("1,2"), [tmp_path / "a.parquet"], max_line=52)


def test_rows_are_numbered_on_from_batch_to_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mapreduce.formats.parquet.ROWS", 4)
    path = write(
        tmp_path / "a.parquet", [*[record_of(70000, 6, "OK")] * 9, record_of(443, 6, "OK")], 10
    )
    assert [one.offset for one in run(FLOWS, [path]).rejects] == [*range(9)]


@promise(
    "A malformed row of Parquet lies where its number in the file says",
    broken_by=change("mapreduce.formats.format:Block.positions", "not self.in_rows", "True"),
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_malformed_row_lies_where_its_number_in_the_file_says(
    tmp_path: Path, workers: int
) -> None:
    ports = [70000 if row in {3, 4, 16, 29} else 443 for row in range(30)]
    path = write(tmp_path / "a.parquet", [record_of(port, 6, "OK") for port in ports])
    rejects = tmp_path / "r.csv"
    found = run_split([path], workers=workers, split_size=1, rejects=rejects)
    assert [(one.offset, one.unit) for one in found.rejects] == [(n, "row") for n in (3, 4, 16, 29)]
    assert str(found.rejects[0]).startswith(f"{path}: row 3: dstport '70000' is not 0 to 65535")
    lines = rejects.read_text().splitlines()
    assert lines[0] == "file,byte,reason,line"
    assert [line.split(",")[1] for line in lines[1:]] == ["row 3", "row 4", "row 16", "row 29"]


@promise(
    "A value of Parquet that would be two is an error",
    broken_by=becomes("mapreduce.formats.rows:RowText._check_values", "pass"),
)
@pytest.mark.parametrize("value", ["a b", "a\nb", "a\r"])
def test_a_value_that_would_be_two_is_an_error(tmp_path: Path, value: str) -> None:
    path = write(tmp_path / "a.parquet", [record_of(443, 6, value)])
    with pytest.raises(
        InputError, match=r"a\.parquet: row 0: the value .* of the column log_status would be two"
    ):
        run(FLOWS, [path])


@promise(
    "A damaged file of Parquet is one clear error",
    broken_by=becomes("mapreduce.formats.parquet:_pyarrow_errors", "return (ZeroDivisionError,)"),
)
@pytest.mark.parametrize("size", [4, 30, -1])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.parquet", [record_of(443, 6, "OK")] * 99)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"a\.parquet: Parquet: is damaged") as caught:
        run(FLOWS, [path], output=tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_damage_within_a_row_group_is_an_error_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [record_of(443, 6, "OK")] * 99)
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.parquet: Parquet: is damaged"):
        run(FLOWS, [path])


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", [record_of(443, 6, "OK")])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=re.escape(install_hint("parquet"))):
        run(FLOWS, [path])


def test_row_groups_that_are_not_one_behind_the_other_are_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", [record_of(443, 6, "OK")] * 28)
    firsts = iter([4, 30, 20, 40] * 100)
    monkeypatch.setattr(
        "mapreduce.formats.parquet._first_byte", lambda column: next(firsts) if column else 0
    )
    with pytest.raises(InputError, match="not in order"):
        run(FLOWS, [path])


def test_a_file_without_row_groups_holds_nothing(tmp_path: Path) -> None:
    table = pa.table({"dstport": pa.array([], pa.int64()), "protocol": pa.array([], pa.int64())})
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema):
        pass
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.num_row_groups == 0
    assert run(FLOWS, [tmp_path / "a.parquet"]).stats.lines == 0
