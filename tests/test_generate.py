"""One seed is one file, whatever makes it; the samples are that file's kind, without a bad line."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType

import pytest
import typer

from mapreduce import run
from mapreduce.jobs.flowlogs.job import flowlogs

ROOT = Path(__file__).parents[1]
SCRIPT, DATA = ROOT / "benchmarks" / "generate.py", ROOT / "data"
FORMS = ["text", "access", "csv", "json"]
LINES = 20_000  # more than two chunks


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    """Return the generator as a module; its pools take a second to build, so only once."""
    sys.path.insert(0, str(SCRIPT.parent))  # where a script finds its neighbours
    spec = importlib.util.spec_from_file_location("generate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["generate"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["generate"]
    sys.path.remove(str(SCRIPT.parent))


@pytest.fixture(scope="module")
def log(generate: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a generated log of several chunks."""
    path = tmp_path_factory.mktemp("generated") / "flows.log"
    generate.main(path, lines=LINES, workers=1)
    return path


@pytest.fixture(scope="module")
def formed(generate: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a file of each of the other forms, more than a chunk long."""
    directory = tmp_path_factory.mktemp("formed")
    for form in FORMS:
        generate.main(directory / form, form=generate.Form(form), lines=9000, workers=1)
    return {form: directory / form for form in FORMS}


def test_a_log_has_the_lines_that_were_asked_for(log: Path) -> None:
    text = log.read_bytes()
    assert text.count(b"\n") == LINES
    assert text.endswith(b"\n")


def test_a_seed_gives_the_same_bytes_for_any_number_of_workers(log: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.log"
    options = ["--lines", str(LINES), "--workers", "2"]
    subprocess.run([sys.executable, SCRIPT, again, *options], check=True)
    assert again.read_bytes() == log.read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_a_seed_gives_the_same_bytes_of_any_form(
    formed: dict[str, Path], tmp_path: Path, form: str
) -> None:
    again = tmp_path / "again"
    options = ["--form", form, "--lines", "9000", "--workers", "2"]
    subprocess.run([sys.executable, SCRIPT, again, *options], check=True)
    assert again.read_bytes() == formed[form].read_bytes()
    assert again.read_bytes().count(b"\n") == 9000


@pytest.mark.parametrize("form", FORMS)
def test_another_seed_gives_another_file_of_any_form(
    generate: ModuleType, formed: dict[str, Path], tmp_path: Path, form: str
) -> None:
    other = tmp_path / "other"
    generate.main(other, form=generate.Form(form), lines=1000, seed=2, workers=1)
    same = set(formed[form].read_bytes().splitlines()) & set(other.read_bytes().splitlines())
    assert len(same) <= 1  # the header, or an empty line


def test_another_seed_gives_another_log(generate: ModuleType, log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    generate.main(other, lines=1000, seed=2, workers=1)
    assert not set(log.read_bytes().splitlines()) & set(other.read_bytes().splitlines())


@pytest.mark.parametrize("size", [0, 1, 5_000, 950_000, 1_500_000])
def test_a_log_of_a_size_is_the_longest_beginning_that_fits(
    generate: ModuleType, log: Path, tmp_path: Path, size: int
) -> None:
    path, whole = tmp_path / "sized.log", log.read_bytes()
    generate.main(path, size=size, workers=1)
    assert path.read_bytes() == whole[: whole.rfind(b"\n", 0, size) + 1]


@pytest.mark.parametrize("lines", [0, 1, 8192, 8193])
def test_a_shorter_log_is_the_beginning_of_a_longer_one(
    generate: ModuleType, log: Path, tmp_path: Path, lines: int
) -> None:
    path = tmp_path / "short.log"
    generate.main(path, lines=lines, workers=1)
    expected = log.read_bytes().splitlines(keepends=True)[:lines]
    assert path.read_bytes() == b"".join(expected)


def test_the_committed_samples_are_made_again(generate: ModuleType, tmp_path: Path) -> None:
    generate.main(tmp_path, samples=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in DATA.iterdir() if path.is_file()
    }


def test_the_lookup_is_the_committed_one(generate: ModuleType, tmp_path: Path) -> None:
    generate.main(tmp_path / "table.csv", lookup=True)
    assert (tmp_path / "table.csv").read_bytes() == (DATA / "lookup.csv").read_bytes()


def test_no_record_is_malformed_and_about_one_in_a_hundred_has_no_flow(log: Path) -> None:
    stats = run(flowlogs(DATA / "lookup.csv"), [log], workers=1).stats
    assert (stats.lines, stats.malformed) == (LINES, 0)
    assert 0.005 < stats.skipped / stats.lines < 0.02


def test_the_records_are_a_realistic_mix(log: Path) -> None:
    records = [line.split(" ") for line in log.read_text().splitlines()]
    flows = [record for record in records if record[13] == "OK"]
    assert {len(record) for record in records} == {14}
    assert len({record[2] for record in records}) > 900  # interfaces
    assert len({len(line) for line in log.read_text().splitlines()}) > 30
    assert {record[7] for record in flows} >= {"6", "17", "1", "58", "47", "50", "200"}
    assert {record[12] for record in flows} == {"ACCEPT", "REJECT"}
    for column in (5, 6):  # well-known ports on either side
        share = sum(record[column] == "443" for record in flows) / len(flows)
        assert 0.05 < share < 0.5


def test_all_addresses_are_for_documentation_or_private(log: Path) -> None:
    records = [line.split(" ") for line in log.read_text().splitlines()]
    addresses = {address for record in records for address in record[3:5]} - {"-"}
    assert len(addresses) > 1000
    assert [address for address in addresses if not ip_address(address).is_private] == []


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("500", 500),
        ("12MB", 12_000_000),
        ("1GB", 10**9),
        ("3k", 3000),
        ("2TB", 2 * 10**12),
    ],
)
def test_a_size_is_written_in_decimal_units(generate: ModuleType, text: str, size: int) -> None:
    assert generate.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1.5GB", "-1", "1PB", "1 GB", "٣", "1GiB"])
def test_what_is_no_size_is_refused(generate: ModuleType, text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write it as 12MB or 1GB"):
        generate.parse_size(text)


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("new.log", {}, "exactly one of"),
        ("new.log", {"lines": 1, "size": 1}, "exactly one of"),
        ("new.log", {"lookup": True, "samples": True}, "exactly one of"),
        ("gone/new.log", {"lines": 1}, "gone is not a directory"),
        ("old.log", {"samples": True}, "old.log is not a directory"),
        ("old.log/new.log", {"lines": 1}, "old.log is not a directory"),
        (".", {"lines": 1}, "is not a file"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    generate: ModuleType, tmp_path: Path, name: str, options: dict[str, int], error: str
) -> None:
    (tmp_path / "old.log").write_text("old")
    with pytest.raises(typer.BadParameter, match=error):
        generate.main(tmp_path / name, workers=1, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["old.log"]
    assert (tmp_path / "old.log").read_text() == "old"


def test_a_file_appears_complete_or_not_at_all(generate: ModuleType, tmp_path: Path) -> None:
    def fail() -> Iterator[bytes]:
        yield b"new"
        raise ZeroDivisionError

    (tmp_path / "old.log").write_text("old")
    for name in ("old.log", "new.log"):
        with pytest.raises(ZeroDivisionError):
            generate.write_file(tmp_path / name, fail())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old.log": "old"}
