"""How results become one: totals by key and the tree of merges."""
