"""Count the lines of logs and tables by any of their fields, whatever shape the lines have."""

from mapreduce.jobs.count.job import count
from mapreduce.jobs.count.measures import Measures

__all__ = ["Measures", "count"]
