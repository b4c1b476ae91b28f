"""Map: turn lines into keys and count the keys. Every job has a mapper."""
