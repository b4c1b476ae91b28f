"""One file per form of data: what it looks like, and how chunk i of it is drawn from (seed, i)."""
