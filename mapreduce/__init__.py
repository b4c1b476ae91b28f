"""Count anything in line-oriented data, on every core, without losing a line.

>>> from mapreduce.jobs.wordcount import wordcount
>>> from mapreduce import run
>>> run(wordcount(), ["data/flowlogs-small.log"]).stats.lines > 0
True
"""

from mapreduce.backends.backend import Backend
from mapreduce.engine import Result, run
from mapreduce.errors import InputError, MapReduceError, UsageError, printable
from mapreduce.job import Job, KeyCount
from mapreduce.mapping.fields import FieldMapper
from mapreduce.mapping.lines import LineMapper, Malformed
from mapreduce.mapping.mapper import SKIPPED, Combiner, Drained, Judgement, Mapper, Tally
from mapreduce.outputs.rejects import Reject
from mapreduce.outputs.stats import Stats
from mapreduce.outputs.table import Row, Table
from mapreduce.reducing.measures import Largest, Measure, Smallest, Sum
from mapreduce.reducing.totals import Totals

__all__ = [
    "SKIPPED",
    "Backend",
    "Combiner",
    "Drained",
    "FieldMapper",
    "InputError",
    "Job",
    "Judgement",
    "KeyCount",
    "Largest",
    "LineMapper",
    "Malformed",
    "MapReduceError",
    "Mapper",
    "Measure",
    "Reject",
    "Result",
    "Row",
    "Smallest",
    "Stats",
    "Sum",
    "Table",
    "Tally",
    "Totals",
    "UsageError",
    "printable",
    "run",
]
__version__ = "0.1.0"
