"""The jobs that come with the engine: each is the function NAME in ``mapreduce.jobs.NAME``."""
