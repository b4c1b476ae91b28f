"""AWS VPC flow logs: which records count, by which tag, and where their fields stand."""

from mapreduce.jobs.flowlogs.job import flowlogs

__all__ = ["flowlogs"]
