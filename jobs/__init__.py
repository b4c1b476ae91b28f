"""The jobs that come with the engine: the job NAME is the function ``mapreduce.jobs.NAME.NAME``."""
