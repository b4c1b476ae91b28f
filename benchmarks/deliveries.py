"""Convert a plain flow log into the forms in which logs are delivered: parts, compressed, Parquet.

python benchmarks/forms.py flows.log DIRECTORY gzip:16 gzip:1 zstd:4 parquet:1 header:1 stamped:1
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from mapreduce.inputs.sources import find_sources
from mapreduce.jobs.flowlogs.layout import DEFAULT
from mapreduce.splits.split import find_splits

HEADER = " ".join(DEFAULT.names).encode() + b"\n"
CUSTOM = ("protocol", "dstport", "log-status", "srcaddr", "bytes")


def zstd(data: bytes) -> bytes:
    from backports import zstd as codec  # noqa: PLC0415 - only where it is asked for

    return codec.compress(data)


def header(data: bytes) -> bytes:
    """Return the chosen fields of a custom format under its header."""
    columns = [DEFAULT.names.index(name) for name in CUSTOM]
    lines = [line.split(b" ") for line in data.splitlines()]
    rows = [b" ".join(fields[column] for column in columns) for fields in lines]
    return b"\n".join([" ".join(CUSTOM).encode(), *rows, b""])


def stamped(data: bytes) -> bytes:
    """Return the records as CloudWatch exports them."""
    return b"".join(b"2024-05-01T12:00:00.000Z " + line for line in data.splitlines(keepends=True))


def message(data: bytes) -> bytes:
    """Return the records as rows of a CSV export of CloudWatch."""
    rows = (b'"1714564800000","%b"\n' % line for line in data.splitlines())
    return b'"timestamp","message"\n' + b"".join(rows)


def parquet(data: bytes) -> bytes:
    """Return the records with the names that AWS gives the columns."""
    import io  # noqa: PLC0415 - only where it is asked for

    from pyarrow import csv  # noqa: PLC0415 - optional
    from pyarrow import parquet as pq  # noqa: PLC0415 - optional

    names = [name.replace("-", "_") for name in DEFAULT.names]
    table = csv.read_csv(
        io.BytesIO(data),
        csv.ReadOptions(column_names=names),
        csv.ParseOptions(delimiter=" "),
        csv.ConvertOptions(null_values=["-"], strings_can_be_null=True),
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": (".log.gz", lambda data: gzip.compress(HEADER + data, 6)),
    "bzip2": (".log.bz2", bz2.compress),
    "xz": (".log.xz", lzma.compress),
    "zstd": (".log.zst", zstd),
    "header": (".log", header),
    "stamped": (".log", stamped),
    "csv": (".csv", message),
    "parquet": (".parquet", parquet),
}


def write(form: str, path: Path, start: int, end: int, target: Path) -> None:
    """Write one part of a log in a form."""
    with path.open("rb") as file:
        file.seek(start)
        target.write_bytes(FORMS[form][1](file.read(end - start)))


def main(
    path: Path,
    directory: Path,
    forms: Annotated[list[str], typer.Argument(help=f"FORM:FILES; forms: {', '.join(FORMS)}")],
) -> None:
    """Write each form, as the number of files after its colon, into a directory of its own."""
    with ProcessPoolExecutor() as pool:
        for form, _, number in (one.partition(":") for one in forms):
            size = path.stat().st_size // int(number) + 1
            below = directory / f"{form}-{number}"
            below.mkdir(parents=True, exist_ok=True)
            sources = find_sources([path])
            splits = find_splits(sources, workers=1, split_size=size, tick=lambda _size: None)
            for index, split in enumerate(splits):
                target = below / f"{index:03}{FORMS[form][0]}"
                pool.submit(write, form, path, split.start, split.end, target)


if __name__ == "__main__":
    typer.run(main)
