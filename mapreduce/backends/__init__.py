"""Run functions somewhere: in this process, in worker processes, or in the caller's pool."""
