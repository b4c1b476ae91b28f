"""How a line becomes a key: the mappers that jobs are made of, and the worker's side of a task."""
