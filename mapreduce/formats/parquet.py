"""Parquet: row groups as splits, and of each only the columns that a job chooses, as lines of text.

So the kernels count it, and what holds for a line of text holds for a row. A row group's split
reaches from its first byte to that of the next one; the first begins and the last ends with the
file. It needs pyarrow (the extra ``parquet``).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from io import BufferedReader, RawIOBase
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from mapreduce.errors import InputError, UsageError, install_hint
from mapreduce.inputs.sources import Source

if TYPE_CHECKING:
    from mapreduce.mapping.mapper import Mapper

MAGIC: Final = b"PAR1"
ROWS: Final = 64 << 10
"""Rows that are made text at once."""
NULL: Final = "-"
"""The text of no value, as flow logs write it."""


def choose_columns(
    source: Source, mapper_for: Callable[[str, bytes], Mapper], tick: Callable[[int], None]
) -> Source:
    """Return the source with what counts it and the names of the columns that this needs.

    The names of all columns are its header, with ``-`` for ``_``, as AWS writes them. Raises
    ``UsageError`` if pyarrow is missing, ``InputError`` if the file is damaged.
    """
    with source.open(tick=tick) as file:
        names = _opened(source, file).schema_arrow.names
    header = " ".join(name.replace("_", "-") for name in names)
    mapper: Any = mapper_for(source.name, header.encode("utf-8", "surrogateescape"))
    fields = getattr(mapper, "fields", None)
    if fields is None:
        raise UsageError(f"{source.name}: is Parquet, and this job counts lines of text")
    needed = (*fields, *mapper.summed)
    if max(needed) > len(names):
        raise UsageError(f"{source.name}: has no column {max(needed)}, only {len(names)}")
    columns = tuple(names[number - 1] for number in needed)
    columns = columns * 2 if len(columns) == 1 else columns  # no value may be an empty line
    numbers = tuple(range(1, len(columns) + 1))
    chosen, summed = numbers[: len(fields)], numbers[len(fields) : len(needed)]
    mapper = dataclasses.replace(mapper, fields=chosen, summed=summed, width=len(columns))
    return dataclasses.replace(source, mapper=mapper, columns=columns)


def row_groups(source: Source, tick: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """Yield the range of bytes of each row group."""
    with source.open(tick=tick) as file:
        starts = _starts(source, _opened(source, file))
    yield from pairwise([*starts, source.size or 0])


def read_rows(source: Source, start: int, end: int) -> Iterator[memoryview]:
    r"""Yield the row groups that begin in a range, as lines that end with ``\n``."""
    with source.open() as file:
        opened = _opened(source, file)
        starts = _starts(source, opened)[: opened.metadata.num_row_groups]
        groups = [number for number, at in enumerate(starts) if start <= at < end]
        if not groups:
            return
        try:
            for batch in opened.iter_batches(
                ROWS, row_groups=groups, columns=[*dict.fromkeys(source.columns)], use_threads=False
            ):
                yield _lines(source, batch)
        except _errors() as error:
            raise _damaged(source, error) from error


def _lines(source: Source, batch: Any) -> memoryview:
    import pyarrow as pa  # noqa: PLC0415 - optional, and half a second to import
    from pyarrow import compute as pc  # noqa: PLC0415

    mapper: Any = source.mapper
    delimiter = mapper.delimiter.decode("latin-1")
    texts = [batch.column(name).cast(pa.string()) for name in source.columns]
    for name, text in zip(source.columns, texts, strict=True):
        if pc.any(pc.match_substring_regex(text, f"{re.escape(delimiter)}|[\r\n]")).as_py():
            raise InputError(f"{source.name}: the column {name} has a value with a blank in it")
    joined = pc.binary_join_element_wise(
        *texts, delimiter, null_handling="replace", null_replacement=NULL
    )
    ended = pc.binary_join_element_wise(joined, "", "\n")
    _validity, offsets, data = ended.buffers()
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[ended.offset] : ends[ended.offset + len(ended)]]


def _starts(source: Source, opened: Any) -> list[int]:
    """Return where the ranges of the row groups begin, the first one, or what there is, at 0."""
    metadata = opened.metadata
    try:
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        starts = [
            min(_first_byte(group.column(n)) for n in range(group.num_columns)) for group in groups
        ]
    except _errors() as error:
        raise _damaged(source, error) from error
    if starts != sorted(set(starts)) or (starts and starts[-1] >= (source.size or 0)):
        raise _damaged(source, ValueError("its row groups are not one behind the other"))
    return [0, *starts[1:]]


def _first_byte(column: Any) -> int:
    pages = [column.data_page_offset, column.dictionary_page_offset]
    return int(min(page for page in pages if page))


def _opened(source: Source, file: BinaryIO) -> Any:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - optional
    except ImportError as error:
        raise UsageError(
            f"{source.name}: Parquet needs one more package: {install_hint('parquet')}"
        ) from error
    try:
        whole: Any = file
        if source.is_remote:  # reads less than is asked for, at times
            whole = BufferedReader(cast(RawIOBase, file))
        return parquet.ParquetFile(whole)
    except _errors() as error:
        raise _damaged(source, error) from error


def _errors() -> tuple[type[Exception], ...]:
    from pyarrow import ArrowException  # noqa: PLC0415 - optional

    return (ArrowException, OSError, ValueError)


def _damaged(source: Source, error: Exception) -> InputError:
    summary = str(error).partition("\n")[0]
    return InputError(f"{source.name}: Parquet: is damaged ({summary})")
