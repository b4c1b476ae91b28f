"""Convert rows of a table to lines of text: values of columns with a delimiter between them.

It needs pyarrow, which has no type annotations: its arrays are ``Any`` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mapreduce.errors import InputError
from mapreduce.formats.stream import too_long

NULL: Final = b"-"
"""The text of a missing value, as flow logs write it."""
_EXACT: Final = 1 << 53
"""A float can represent every integer below this number exactly."""


@dataclass(frozen=True, slots=True)
class RowText:
    """Converts rows of the input ``name`` to lines with the values of these ``columns``.

    No value may contain the ``delimiter``, and no line may have more than ``max_line`` bytes.
    """

    name: str
    columns: tuple[str, ...]
    delimiter: bytes
    max_line: int

    def lines_of(self, batch: Any, first: int) -> memoryview:
        r"""Return rows as lines, each with ``\n`` at its end; number the rows from ``first``.

        Raises ``InputError`` for a value with a delimiter in it and for a line that is too long.
        """
        import pyarrow as pa  # noqa: PLC0415 - optional, and takes half a second
        from pyarrow import compute as pc  # noqa: PLC0415

        texts = {column: _text_of(batch.column(column)) for column in self.columns}
        for column, text in texts.items():
            is_integer = pa.types.is_integer(batch.column(column).type)
            if not is_integer or self.delimiter in b"-0123456789":
                self._check_values(column, text, first)
        joined = pc.binary_join_element_wise(
            *map(texts.__getitem__, self.columns),
            pa.scalar(self.delimiter, pa.binary()),
            null_handling="replace",
            null_replacement=NULL,
        )
        self._check_lengths(pc.binary_length(joined), first)
        empty, newline = (pa.scalar(text, pa.binary()) for text in (b"", b"\n"))
        ended = pc.binary_join_element_wise(joined, empty, newline)
        _validity, offsets, data = ended.buffers()
        ends = memoryview(offsets).cast("i")
        return memoryview(data)[ends[ended.offset] : ends[ended.offset + len(ended)]]

    def _check_lengths(self, lengths: Any, first: int) -> None:
        from pyarrow import compute as pc  # noqa: PLC0415

        is_too_long = pc.greater(lengths, self.max_line)
        if pc.any(is_too_long).as_py():
            row = first + pc.index(is_too_long, value=True).as_py()
            raise too_long(self.name, f"row {row}", self.max_line)

    def _check_values(self, column: str, text: Any, first: int) -> None:
        """Raise ``InputError`` if a value contains the delimiter or a line end."""
        from pyarrow import compute as pc  # noqa: PLC0415

        for sign in (self.delimiter, b"\n", b"\r"):
            is_split = pc.match_substring(text, sign)
            if pc.any(is_split).as_py():
                row = pc.index(is_split, value=True).as_py()
                value = text[row].as_py()[:60].decode(errors="backslashreplace")
                raise InputError(
                    f"{self.name}: row {first + row}: the value {value!r} of the column {column} "
                    f"would be two values, because {sign.decode('latin-1')!r} ends a value or a "
                    "line; replace it in the column first"
                )


def _text_of(values: Any) -> Any:
    """Return values as text. Whole floats and decimals become integers, NaN a missing value."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute as pc  # noqa: PLC0415

    kind = values.type
    if pa.types.is_floating(kind):
        numbers = values.cast(pa.float64())
        is_whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), _EXACT))
        whole = pc.if_else(is_whole, numbers, None).cast(pa.int64()).cast(pa.string())
        there = pc.if_else(pc.is_nan(numbers), None, values.cast(pa.string()))
        return pc.coalesce(whole, there).cast(pa.binary())
    if pa.types.is_decimal(kind):
        text = values.cast(pa.string())
        return pc.replace_substring_regex(text, r"\.0+$", "").cast(pa.binary())
    is_binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if is_binary or pa.types.is_fixed_size_binary(kind):
        return values.cast(pa.binary())
    return values.cast(pa.string()).cast(pa.binary())
