"""The peers: how each counts the same records as a whole process, as its users would write it.

Every program prints one ``port,protocol,count`` for each destination port and protocol of the
records whose log-status is OK, in any order, so that the runner can hold all of them to the same
counts. All may use two cores.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TYPES: Final = {number: "INTEGER" if number in (7, 8) else "VARCHAR" for number in range(1, 15)}
_COLUMNS: Final = ", ".join(f"'c{number}': '{kind}'" for number, kind in _TYPES.items())
_CHOSEN: Final = ", ".join(f"f[{number}] AS c{number}" for number in (4, 5, 7, 8, 14))

_DUCKDB: Final = f"""
import duckdb, sys
path, keys, where = sys.argv[1:]
duckdb.sql("SET threads = 2; SET enable_progress_bar = false")
duckdb.sql(f'''COPY (SELECT {{keys}}, count(*) FROM read_csv('{{path}}', delim = ' ', header = false,
    quote = '', escape = '', auto_detect = false, nullstr = '-', columns = {{{{{_COLUMNS}}}}})
    {{where}} GROUP BY {{keys}}) TO '/dev/stdout' (HEADER false)''')
"""
_POLARS: Final = """
import sys
import polars as pl
path, keys, where = sys.argv[1:]
frame = pl.scan_csv(path, separator=" ", has_header=False, quote_char=None, infer_schema=False,
                    new_columns=[f"c{n}" for n in range(1, 15)])
if where:
    frame = frame.filter(pl.col("c14") == "OK")
found = frame.group_by(keys.split(", ")).len().collect(engine="streaming")
found.write_csv(sys.stdout.buffer, include_header=False)
"""
_CHDB: Final = f"""
import sys
import chdb
path, keys, where = sys.argv[1:]
print(chdb.query(f'''SELECT {{keys}}, count() FROM (SELECT {_CHOSEN} FROM
    (SELECT splitByChar(' ', line) AS f FROM file('{{path}}', 'LineAsString', 'line String')))
    {{where}} GROUP BY {{keys}} SETTINGS max_threads = 2''', "TSV"))
"""
_PYARROW: Final = """
import sys
import pyarrow as pa
from pyarrow import compute, csv
path, keys, where = sys.argv[1:]
pa.set_cpu_count(2)
names = [f"c{n}" for n in range(1, 15)]
chosen = [*keys.split(", "), "c14"]
table = csv.read_csv(path, csv.ReadOptions(column_names=names),
    csv.ParseOptions(delimiter=" ", quote_char=False),
    csv.ConvertOptions(include_columns=chosen, column_types={name: pa.string() for name in chosen}))
found = table.filter(compute.equal(table["c14"], "OK")).group_by(chosen[:-1]).aggregate([([], "count_all")])
for row in zip(*(column.to_pylist() for column in found.select([*chosen[:-1], "count_all"]).columns)):
    print(*row, sep=",")
"""
_DASK: Final = """
import sys
import dask.bag as db
def key(line):
    fields = line.split(" ")
    return (fields[6], fields[7]) if fields[13] == "OK\\n" else None
if __name__ == "__main__":
    bag = db.read_text(sys.argv[1], blocksize="32MiB").map(key)
    for found, count in bag.frequencies().compute(scheduler="processes", num_workers=2):
        if found:
            print(*found, count, sep=",")
"""
_AWK: Final = '$14 == "OK" { n[$7 "," $8]++ } END { for (k in n) print k "," n[k] }'
_ADD: Final = '{ n[$1 "," $2] += $3 } END { for (k in n) print k "," n[k] }'


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool: what must be there, and the command that counts a file by some columns."""

    name: str
    needs: str
    command: Callable[[Path, str, str], list[str]]

    def version(self) -> str | None:
        """Return the version that is installed, or ``None``."""
        try:
            return importlib.metadata.version(self.needs)
        except importlib.metadata.PackageNotFoundError:
            return _program_version(self.needs)


def _program_version(name: str) -> str | None:
    if shutil.which(name) is None:
        return None
    flag = "-W" if name == "mawk" else "--version"
    arguments = [name, flag, "version"] if name == "mawk" else [name, flag]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return (run.stdout or run.stderr).partition("\n")[0]


def _python(program: str) -> Callable[[Path, str, str], list[str]]:
    return lambda path, keys, where: [sys.executable, "-c", program, str(path), keys, where]


def _parallel(path: Path, _keys: str, _where: str) -> list[str]:
    pipeline = (
        'parallel --will-cite -q --pipepart -a "$1" --block -1 -j 2 mawk "$2" | mawk -F, "$3"'
    )
    return ["sh", "-c", pipeline, "sh", str(path), _AWK, _ADD]


PEERS: Final = (
    Peer("Polars", "polars", _python(_POLARS)),
    Peer("DuckDB", "duckdb", _python(_DUCKDB)),
    Peer("ClickHouse (chdb)", "chdb", _python(_CHDB)),
    Peer("mawk", "mawk", lambda path, _keys, _where: ["mawk", _AWK, str(path)]),
    Peer("GNU parallel + mawk", "parallel", _parallel),
    Peer("pyarrow", "pyarrow", _python(_PYARROW)),
    Peer("Dask Bag", "dask", _python(_DASK)),
)
"""At 8 GB only the first three are run: the others take minutes, or more memory than there is."""


_DUCKDB_GZIP: Final = _DUCKDB.replace("header = false,", "header = true, compression = 'gzip',")
_POLARS_GZIP: Final = _POLARS.replace("has_header=False", "has_header=True").replace(
    """
                    new_columns=[f"c{n}" for n in range(1, 15)])""",
    """)
frame = frame.rename({name: f"c{n}" for n, name in enumerate(frame.collect_schema().names(), 1)})""",
)
_BARE_ISAL: Final = """
import sys
from multiprocessing import Pool
from isal import igzip_lib
def read(path):
    decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    with open(path, "rb", buffering=0) as file:
        while not decoder.eof:
            decoder.decompress(file.read(1 << 17) if decoder.needs_input else b"", 1 << 20)
if __name__ == "__main__":
    if len(sys.argv) == 2:
        read(sys.argv[1])
    else:
        with Pool(2) as pool:
            pool.map(read, sys.argv[1:], chunksize=1)
"""


def _gzip_and_mawk(pattern: Path, _keys: str, _where: str) -> list[str]:
    each = "parallel --will-cite -j 2 'gzip -dc {} | mawk \"$COUNT\"' ::: "
    pipeline = f'export COUNT=$2; {each} $1 | mawk -F, "$3"'
    return ["sh", "-c", pipeline, "sh", str(pattern), _AWK, _ADD]


GZIP_PEERS: Final = (
    Peer("Polars", "polars", _python(_POLARS_GZIP)),
    Peer("DuckDB", "duckdb", _python(_DUCKDB_GZIP)),
    Peer("gzip -dc | mawk", "parallel", _gzip_and_mawk),
)
"""The same for gzip files with a header each; the path is a pattern."""


def bare_isal(paths: list[Path]) -> list[str]:
    """Return the command that only decompresses: two processes, or one if it is one file."""
    return [sys.executable, "-c", _BARE_ISAL, *map(str, paths)]
