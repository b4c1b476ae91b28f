"""Count anything in line-oriented data, on every core, without losing a line.

>>> from jobs.wordcount import wordcount
>>> from mapreduce import run
>>> run(wordcount(), ["data/flowlogs-small.log"]).stats.lines > 0
True
"""

from mapreduce.engine import Result, run
from mapreduce.errors import MapReduceError, UsageError
from mapreduce.fields import FieldMapper
from mapreduce.job import SKIPPED, Job, KeyCount
from mapreduce.lines import LineMapper, Malformed
from mapreduce.rejects import Reject
from mapreduce.stats import Stats
from mapreduce.table import Table

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
