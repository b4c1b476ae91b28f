"""The generated forms are what their names say, as the readers of the standard library see them."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "generate.py"
LINES = 9000  # more than a chunk
COMBINED = re.compile(
    r'[0-9a-f.:]+ - \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}(?::\d\d){3} \+0000\] "([^"]*)" (\d{3}) (-|\d+) '
    r'"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"'
)


def generated(form: str, directory: Path) -> Path:
    path = directory / form
    options = ["--form", form, "--lines", str(LINES), "--workers", "1"]
    subprocess.run([sys.executable, SCRIPT, path, *options], check=True)
    return path


def share(values: Sequence[object]) -> float:
    return sum(map(bool, values)) / len(values)


def test_a_text_has_many_words_few_of_them_frequent(tmp_path: Path) -> None:
    text = generated("text", tmp_path).read_bytes()
    assert not set(text) & set(b"\r\v\f\0")
    assert {b"\t", b"\xa0"} <= set(re.findall(rb"[\t\xa0]", text))
    words = Counter(text.decode().split())
    assert len(words) > 20_000
    head = sum(count for _, count in words.most_common(1000)) / words.total()
    assert 0.3 < head < 0.6
    assert 0.05 < share([not word.isascii() for word in words.elements()]) < 0.2
    assert 0.05 < share([word[0].isupper() for word in words.elements()]) < 0.2
    assert 0.05 < share([not word[-1].isalpha() for word in words.elements()]) < 0.2


def test_an_access_log_is_in_the_combined_format(tmp_path: Path) -> None:
    lines = generated("access", tmp_path).read_text().splitlines()
    found = [match.groups() for line in lines if (match := COMBINED.fullmatch(line))]
    assert len(found) == LINES
    requests, statuses, sizes, referers, agents = zip(*found, strict=True)
    assert 0.2 < share(["?" in request for request in requests]) < 0.5
    assert len(set(requests)) > LINES / 2
    assert 0.001 < share([len(request.split(" ")) != 3 for request in requests]) < 0.01
    assert {"200", "304", "404", "500"} <= set(statuses)
    assert "-" in sizes
    for column in (referers, agents):
        assert 0 < share([r"\"" in text for text in column]) < 0.1
    assert 0.01 < share([":" in line.split(" ")[0] for line in lines]) < 0.2  # IPv6


def test_a_csv_is_quoted_where_it_must_be_and_sometimes_elsewhere(tmp_path: Path) -> None:
    path = generated("csv", tmp_path)
    with path.open(newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert (len(rows), {len(row) for row in rows}) == (LINES - 1, {len(header)})
    assert min(int(row[header.index("amount")]) for row in rows) >= 0
    lines = path.read_text().splitlines()
    assert 0.28 < share(['"' in line for line in lines]) < 0.4
    for text in (",", '"'):
        assert 0.01 < share([text in "".join(row) for row in rows]) < 0.3
    city = header.index("city")
    bare = {row[city] for row in rows if "," not in row[city]}
    assert [name for name in bare if any(f',"{name}",' in line for line in lines)] != []


def test_every_line_of_json_is_an_object_of_members_in_many_orders(tmp_path: Path) -> None:
    lines = generated("json", tmp_path).read_text().split("\n")[:-1]
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert {len(row) for row in rows} <= set(range(15, 19))
    assert 250 < sum(map(len, lines)) / len(lines) < 400
    assert len({tuple(row) for row in rows}) > 60
    https = [row.get("http", {}) for row in rows]
    for name in ("status", "method"):
        assert 0 < share([name not in http for http in https]) < 0.1
        assert 0 < share([http.get(name, "") is None for http in https]) < 0.1
    assert 0.1 < share(["\\" in line for line in lines]) < 0.4
    assert 0.05 < share([not line.isascii() for line in lines]) < 0.4


@pytest.mark.parametrize("form", ["yaml", "TEXT"])
def test_a_form_that_is_not_known_is_refused(tmp_path: Path, form: str) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path / "new"), "--form", form, "--lines", "1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "'access'" in run.stderr
    assert list(tmp_path.iterdir()) == []
