"""Count AWS VPC flow logs by tag, by destination port and protocol, or by any other fields."""

from mapreduce.jobs.flowlogs.job import flowlogs

__all__ = ["flowlogs"]
