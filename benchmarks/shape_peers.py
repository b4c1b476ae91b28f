"""The peers for lines of other shapes: text, access logs, CSV with quotes, JSON lines.

Each is the fastest of the forms that were tried (NOTES.md), and may use two cores. Every program
prints the values of a key, its count and its sum, separated by tabs, in any order.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from peers import Peer

SCRIPT: Final = Path(__file__).with_name("pool_script.py")

_DUCKDB: Final = """
import duckdb, sys
path = sys.argv[1]
duckdb.sql("SET threads = 2; SET enable_progress_bar = false")
duckdb.sql(f'''COPY (QUERY GROUP BY ALL)
    TO '/dev/stdout' (HEADER false, DELIMITER '\\t', QUOTE '')''')
"""
_POLARS: Final = """
import sys
import polars as pl
path = sys.argv[1]
found = QUERY.collect(engine="streaming")
found.write_csv(sys.stdout.buffer, include_header=False, separator="\\t", quote_style="never")
"""

# The quote as the delimiter: no form with quotes reads `\"` and `\x16` as they are.
_ACCESS_COLUMNS: Final = ("start", "request", "outcome", *(f"c{n}" for n in range(12)))
_DUCKDB_ACCESS: Final = f"""
    SELECT split_part(split_part(request, ' ', 2), '?', 1), substr(outcome, 2, 3), count(*)
    FROM read_csv('{{path}}', delim = '"', quote = '', escape = '', header = false,
        auto_detect = false, null_padding = true, strict_mode = false, nullstr = '\\\\N',
        columns = {{dict.fromkeys({_ACCESS_COLUMNS}, "VARCHAR")}})"""
_POLARS_ACCESS: Final = f"""(
    pl.scan_csv(path, separator='"', has_header=False, quote_char=None, infer_schema=False,
        truncate_ragged_lines=True, schema=dict.fromkeys({_ACCESS_COLUMNS[:7]}, pl.String))
    .select(
        pl.col("request").str.splitn(" ", 3).struct.field("field_1")
        .str.splitn("?", 2).struct.field("field_0").alias("path"),
        pl.col("outcome").str.slice(1, 3).alias("status"))
    .group_by("path", "status").len())"""

_CSV_COLUMNS: Final = (
    "order",
    "time",
    "customer",
    "email",
    "city",
    "product",
    "quantity",
    "amount",
    "note",
)
_DUCKDB_CSV: Final = f"""
    SELECT city, product, count(*), sum(amount)
    FROM read_csv('{{path}}', delim = ',', quote = '"', escape = '"', header = true,
        auto_detect = false, nullstr = '\\\\N',
        columns = {{dict.fromkeys({_CSV_COLUMNS}, "VARCHAR") | dict(amount="BIGINT")}})"""
_POLARS_CSV: Final = """(
    pl.scan_csv(path, infer_schema=False, schema_overrides={"amount": pl.Int64})
    .group_by("city", "product").agg(pl.len(), pl.col("amount").sum()))"""

_DUCKDB_JSON: Final = """
    SELECT http.status, http.method, count(*)
    FROM read_ndjson('{path}', columns = {{http: 'STRUCT(status BIGINT, method VARCHAR)'}})"""
_POLARS_JSON: Final = """(
    pl.scan_ndjson(path, schema={
        "http": pl.Struct({"status": pl.Int64, "method": pl.String})})
    .select(pl.col("http").struct.field("status"), pl.col("http").struct.field("method"))
    .group_by("status", "method").len())"""

_MAWK_WORDS: Final = """tr -s ' \\t' '\\n' <"$1" | mawk '
    { n[$0]++ } END { for (k in n) if (k != "") print k "\\t" n[k] }'"""
_MAWK_ACCESS: Final = """mawk -F '"' '
    { split($2, r, /[ ?]/); n[r[2] "\\t" substr($3, 2, 3)]++ }
    END { for (k in n) print k "\\t" n[k] }' "$1\""""

_PANELS: Final = (
    "VISITORS REQUESTS_STATIC NOT_FOUND HOSTS OS BROWSERS VISIT_TIMES VIRTUAL_HOSTS REFERRERS "
    "REFERRING_SITES KEYPHRASES REMOTE_USER CACHE_STATUS GEO_LOCATION MIME_TYPE TLS_TYPE"
)

Command = Callable[[Path, str, str], list[str]]


def _python(program: str, query: str) -> Command:
    text = program.replace("QUERY", query)
    return lambda path, _keys, _where: [sys.executable, "-c", text, str(path)]


def _shell(pipeline: str) -> Command:
    return lambda path, _keys, _where: ["sh", "-c", pipeline, "sh", str(path)]


def _script(question: str) -> Peer:
    return Peer(
        "multiprocessing script",
        "python3",
        lambda path, _keys, _where: [sys.executable, str(SCRIPT), question, str(path)],
    )


def _goaccess(path: Path, _keys: str, _where: str) -> list[str]:
    """GoAccess counts paths and statuses, but not pairs of them; the other panels are off."""
    options = ["--no-global-config", "--log-format=COMBINED", "--no-query-string"]
    panels = [f"--ignore-panel={name}" for name in _PANELS.split(" ")]
    return ["goaccess", str(path), *options, "--no-progress", *panels, "-o", "json"]


def goaccess_statuses(output: bytes) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return the count of each status from GoAccess's JSON."""
    groups = json.loads(output)["status_codes"]["data"]
    items = [item for group in groups for item in group["items"]]
    return {(item["data"][:3],): (item["hits"]["count"],) for item in items}


WORDS: Final = (Peer("tr | mawk", "mawk", _shell(_MAWK_WORDS)), _script("words"))
ACCESS: Final = (
    Peer("Polars", "polars", _python(_POLARS, _POLARS_ACCESS)),
    Peer("DuckDB", "duckdb", _python(_DUCKDB, _DUCKDB_ACCESS)),
    Peer("mawk", "mawk", _shell(_MAWK_ACCESS)),
    Peer("GoAccess", "goaccess", _goaccess),
)
CSV: Final = (
    Peer("Polars", "polars", _python(_POLARS, _POLARS_CSV)),
    Peer("DuckDB", "duckdb", _python(_DUCKDB, _DUCKDB_CSV)),
)
JSON: Final = (
    Peer("Polars", "polars", _python(_POLARS, _POLARS_JSON)),
    Peer("DuckDB", "duckdb", _python(_DUCKDB, _DUCKDB_JSON)),
)
FUNCTION: Final = (_script("function"),)
REGEX: Final = (_script("regex"),)
