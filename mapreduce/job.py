"""What a job is: a mapper for the workers, and ``finish`` for the parent.

A job is a pure value. What only ``finish`` needs, such as a lookup table of any size, never leaves
the parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mapreduce.inputs.names import Selector
from mapreduce.mapping.mapper import Mapper
from mapreduce.outputs.table import Table
from mapreduce.reducing.totals import Totals


class Job:
    """The base of all jobs: a subclass sets ``mapper`` and ``outputs`` and defines ``finish``.

    ``mapper`` counts the lines. ``outputs`` are the file names of the tables that ``finish`` makes.
    ``side_inputs`` are files that the job was built from: no output may overwrite them.
    ``selector`` chooses among the input files. ``remedy`` is a sentence that tells the user what to
    try if no line could be counted. ``name`` is the name of the job in the manifest, best that of
    its factory; the default is the name of the class.
    """

    mapper: Mapper
    outputs: Sequence[str]
    side_inputs: Sequence[Path] = ()
    selector: Selector | None = None
    remedy: str = ""
    name: str = ""

    @property
    def described(self) -> Mapping[str, object]:
        """The options of the job for the manifest, as values that JSON can hold."""
        return {}

    def mapper_for(self, _name: str, _first_line: bytes, /) -> Mapper:
        """Choose the mapper of one input by its name and its first line, without its line end.

        Raises ``UsageError`` if the job cannot count such an input.
        """
        return self.mapper

    def notes_on_skipped(self, _kinds: Mapping[str, int], /) -> Sequence[str]:
        """Return sentences for the user about skipped lines, given their numbers by kind.

        A mapper tells kinds apart if it has a function ``kind_of``.
        """
        return ()

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        """Turn the totals of all inputs into tables. It runs once, in the parent."""
        raise NotImplementedError(f"{type(self).__name__} needs a method finish")
