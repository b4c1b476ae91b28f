"""Map: turn each line into keys, in mappers that jobs are made of, and count the keys."""
