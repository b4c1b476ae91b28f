"""Count anything in line-oriented data, on every core, without losing a line.

>>> from mapreduce.jobs.wordcount import wordcount
>>> from mapreduce import run
>>> run(wordcount(), ["data/flowlogs-small.log"]).stats.lines > 0
True

A public name is imported when it is first used. So the command can take over signals, and ``python
-m mapreduce`` can remove the current directory from ``sys.path``, before other imports.
"""

TYPE_CHECKING = False  # not imported from typing, for the same reason
if TYPE_CHECKING:
    from mapreduce.backends.backend import Backend
    from mapreduce.engine import run
    from mapreduce.errors import (
        InputError,
        Malformed,
        MapReduceError,
        UsageError,
        named,
        printable,
    )
    from mapreduce.job import Job
    from mapreduce.kernel import find_lines
    from mapreduce.key_count import KeyCount
    from mapreduce.mapping.blocks import BlockMapper
    from mapreduce.mapping.fields import FieldMapper
    from mapreduce.mapping.lines import LineMapper
    from mapreduce.mapping.mapper import (
        SKIPPED,
        Combiner,
        Drained,
        Judgement,
        Mapper,
        Tally,
        Verdict,
    )
    from mapreduce.mapping.measured import measured
    from mapreduce.mapping.questions import question_mapper
    from mapreduce.mapping.regex import RegexMapper
    from mapreduce.mapping.shaped_lines import (
        access_log,
        blank_fields,
        csv_lines,
        delimited_lines,
        json_lines,
    )
    from mapreduce.mapping.shapes import ShapeMapper
    from mapreduce.mapping.words import WordMapper
    from mapreduce.outputs.rejects import Reject
    from mapreduce.outputs.stats import Stats
    from mapreduce.outputs.table import Row, Table
    from mapreduce.questions.conditions import Condition
    from mapreduce.questions.expressions import Call, Expression, Field
    from mapreduce.questions.first_last import First, Last
    from mapreduce.questions.parser import parse_by, parse_where
    from mapreduce.reducing.checking import check_measure
    from mapreduce.reducing.distinct import Distinct
    from mapreduce.reducing.field_measures import FieldMeasure, Largest, Mean, Smallest
    from mapreduce.reducing.measures import Measure, Sum
    from mapreduce.reducing.table_view import ALL_ROWS, TableView
    from mapreduce.reducing.totals import Totals
    from mapreduce.result import Result

__all__ = [
    "ALL_ROWS",
    "SKIPPED",
    "Backend",
    "BlockMapper",
    "Call",
    "Combiner",
    "Condition",
    "Distinct",
    "Drained",
    "Expression",
    "Field",
    "FieldMapper",
    "FieldMeasure",
    "First",
    "InputError",
    "Job",
    "Judgement",
    "KeyCount",
    "Largest",
    "Last",
    "LineMapper",
    "Malformed",
    "MapReduceError",
    "Mapper",
    "Mean",
    "Measure",
    "RegexMapper",
    "Reject",
    "Result",
    "Row",
    "ShapeMapper",
    "Smallest",
    "Stats",
    "Sum",
    "Table",
    "TableView",
    "Tally",
    "Totals",
    "UsageError",
    "Verdict",
    "WordMapper",
    "access_log",
    "blank_fields",
    "check_measure",
    "csv_lines",
    "delimited_lines",
    "find_lines",
    "json_lines",
    "measured",
    "named",
    "parse_by",
    "parse_where",
    "printable",
    "question_mapper",
    "run",
]
__version__ = "0.1.0"

_HOMES = {
    "mapreduce.backends.backend": ("Backend",),
    "mapreduce.engine": ("run",),
    "mapreduce.errors": (
        "InputError",
        "Malformed",
        "MapReduceError",
        "UsageError",
        "named",
        "printable",
    ),
    "mapreduce.job": ("Job",),
    "mapreduce.kernel": ("find_lines",),
    "mapreduce.key_count": ("KeyCount",),
    "mapreduce.mapping.blocks": ("BlockMapper",),
    "mapreduce.mapping.fields": ("FieldMapper",),
    "mapreduce.mapping.lines": ("LineMapper",),
    "mapreduce.mapping.mapper": (
        "SKIPPED",
        "Combiner",
        "Drained",
        "Judgement",
        "Mapper",
        "Tally",
        "Verdict",
    ),
    "mapreduce.mapping.questions": ("question_mapper",),
    "mapreduce.mapping.measured": ("measured",),
    "mapreduce.mapping.regex": ("RegexMapper",),
    "mapreduce.mapping.shapes": ("ShapeMapper",),
    "mapreduce.mapping.shaped_lines": (
        "access_log",
        "blank_fields",
        "csv_lines",
        "delimited_lines",
        "json_lines",
    ),
    "mapreduce.mapping.words": ("WordMapper",),
    "mapreduce.outputs.rejects": ("Reject",),
    "mapreduce.outputs.stats": ("Stats",),
    "mapreduce.outputs.table": (
        "Row",
        "Table",
    ),
    "mapreduce.questions.conditions": ("Condition",),
    "mapreduce.questions.expressions": (
        "Call",
        "Expression",
        "Field",
    ),
    "mapreduce.questions.first_last": ("First", "Last"),
    "mapreduce.questions.parser": ("parse_by", "parse_where"),
    "mapreduce.reducing.distinct": ("Distinct",),
    "mapreduce.reducing.checking": ("check_measure",),
    "mapreduce.reducing.field_measures": (
        "FieldMeasure",
        "Largest",
        "Mean",
        "Smallest",
    ),
    "mapreduce.reducing.measures": (
        "Measure",
        "Sum",
    ),
    "mapreduce.reducing.table_view": ("ALL_ROWS", "TableView"),
    "mapreduce.reducing.totals": ("Totals",),
    "mapreduce.result": ("Result",),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    import importlib  # noqa: PLC0415

    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(module), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
