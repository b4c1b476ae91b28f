"""Count anything in line-oriented data, on every core, without losing a line.

>>> from mapreduce.jobs.wordcount import wordcount
>>> from mapreduce import run
>>> run(wordcount(), ["data/flowlogs-small.log"]).stats.lines > 0
True
"""

from mapreduce.engine import Result, run
from mapreduce.errors import MapReduceError, UsageError
from mapreduce.job import SKIPPED, Job, KeyCount
from mapreduce.mapping.fields import FieldMapper
from mapreduce.mapping.lines import LineMapper, Malformed
from mapreduce.outputs.rejects import Reject
from mapreduce.outputs.stats import Stats
from mapreduce.outputs.table import Table

__all__ = [
    "SKIPPED",
    "FieldMapper",
    "Job",
    "KeyCount",
    "LineMapper",
    "Malformed",
    "MapReduceError",
    "Reject",
    "Result",
    "Stats",
    "Table",
    "UsageError",
    "run",
]
__version__ = "0.1.0"
