"""Read Parquet as lines of text, with only the columns that the job needs.

Each row becomes a line, so the same kernels count it. Each row group is one range: from its first
byte to the first byte of the next row group. The first range begins, and the last one ends, with
the file. It needs pyarrow (the extra ``parquet``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, cast

from mapreduce.errors import InputError, UsageError, install_hint
from mapreduce.formats.format import Block, Format, Head, MapperFor, Readable
from mapreduce.formats.rows import RowText
from mapreduce.options import Tick

if TYPE_CHECKING:
    from io import RawIOBase

    from mapreduce.mapping.mapper import Mapper

ROWS: Final = 64 << 10
"""Rows that are converted to text in one call."""


@dataclass(frozen=True)
class Parquet(Format):
    """Parquet. A row becomes a line: the values of ``columns``, with ``delimiter`` between them."""

    columns: tuple[str, ...] = ()
    delimiter: bytes = b" "

    name: ClassVar[str] = "Parquet"  # type: ignore[misc]
    cost: ClassVar[int] = 16
    position_unit: ClassVar[str] = "row"

    def recognises(self, head: bytes, /) -> bool:
        return head.startswith(b"PAR1")

    def inspect(self, name: str, head: Head, /) -> tuple[int, bytes | None]:
        if head.in_order:
            raise UsageError(
                f"{name}: is Parquet, which cannot be read as a stream; name the file itself"
            )
        try:
            import pyarrow  # noqa: F401, PLC0415 - optional
        except ImportError as error:
            hint = install_hint("parquet")
            raise UsageError(f"{name}: Parquet needs one more package: {hint}") from error
        return 0, None

    def choose_mapper(
        self, source: Readable, mapper_for: MapperFor, tick: Tick, /
    ) -> tuple[Format, Mapper | None]:
        """Let the job choose a mapper by the names of the columns; let the mapper choose columns.

        The job gets the names as a first line, with ``-`` instead of ``_``, as flow logs write it.
        """
        with source.open(tick=tick) as file, _open(source, file) as opened:
            schema = opened.schema_arrow
        names = schema.names
        header = " ".join(name.replace("_", "-") for name in names)
        mapper = mapper_for(source.name, header.encode("utf-8", "surrogateescape"))
        try:
            columns, mapper = mapper.for_columns(names)
        except UsageError as error:
            raise UsageError(f"{source.name}: {error}") from error
        for column in columns:
            if names.count(column) > 1:
                raise UsageError(
                    f"{source.name}: has several columns named {column}; rename all but one"
                )
            if schema.field(column).type.num_fields:
                kind = schema.field(column).type
                raise UsageError(
                    f"{source.name}: the column {column} has no single values, but {kind}"
                )
        return Parquet(columns, mapper.column_separator or b" "), mapper

    def cut(
        self,
        source: Readable,
        file: BinaryIO,
        _sizes: Iterator[int],
        /,
        *,
        max_line: int,  # noqa: ARG002
        tick: Tick,  # noqa: ARG002
    ) -> Iterator[tuple[int, int]]:
        with _open(source, file) as opened:
            starts = _range_starts(source, opened)
        yield from pairwise([*starts, source.size or 0])

    def read(
        self,
        source: Readable,
        start: int,
        end: int,
        /,
        *,
        block_size: int,  # noqa: ARG002
        max_line: int,
    ) -> Iterator[Block]:
        """Yield rows as lines. Rows are numbered from 0 within the file."""
        with source.open() as file, _open(source, file) as opened:
            starts = _range_starts(source, opened)[: opened.metadata.num_row_groups]
            groups = [number for number, at in enumerate(starts) if start <= at < end]
            if not groups:
                return
            rows = [opened.metadata.row_group(number).num_rows for number in range(groups[0])]
            first, wanted = sum(rows), [*dict.fromkeys(self.columns)]
            batches = opened.iter_batches(
                ROWS, row_groups=groups, columns=wanted, use_threads=False
            )
            text = RowText(source.name, self.columns, self.delimiter, max_line)
            for batch in _checked(source, batches):
                view = text.lines_of(batch, first)
                if view:
                    yield Block(view, first, 0, in_rows=True)
                first += batch.num_rows


def _checked(source: Readable, batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the batches; raise ``InputError`` for what pyarrow raises."""
    try:
        yield from batches
    except _pyarrow_errors() as error:
        raise _damaged(source, error) from error


def _range_starts(source: Readable, opened: Any) -> list[int]:
    """Return where the range of each row group begins; the first range always begins at 0."""
    metadata = opened.metadata
    try:
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        starts = [
            min(_first_byte(group.column(n)) for n in range(group.num_columns)) for group in groups
        ]
    except _pyarrow_errors() as error:
        raise _damaged(source, error) from error
    if starts != sorted(set(starts)) or (starts and starts[-1] >= (source.size or 0)):
        raise _damaged(source, ValueError("its row groups are not in order"))
    return [0, *starts[1:]]


def _first_byte(column: Any) -> int:
    pages = [column.data_page_offset, column.dictionary_page_offset]
    return int(min(page for page in pages if page))


@contextmanager
def _open(source: Readable, file: BinaryIO) -> Iterator[Any]:
    """Yield a ParquetFile. The file stays open after it, and reads return all requested bytes."""
    from pyarrow import parquet  # noqa: PLC0415 - optional

    buffered = BufferedReader(cast("RawIOBase", file))
    try:
        try:
            opened = parquet.ParquetFile(buffered)
        except _pyarrow_errors() as error:
            raise _damaged(source, error) from error
        yield opened
    finally:
        buffered.detach()


def _pyarrow_errors() -> tuple[type[Exception], ...]:
    from pyarrow import ArrowException  # noqa: PLC0415 - optional

    return (ArrowException, OSError, ValueError)


def _damaged(source: Readable, error: Exception) -> InputError:
    summary = str(error).partition("\n")[0]
    return InputError(f"{source.name}: Parquet: is damaged ({summary})")
