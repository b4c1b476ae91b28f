"""Reduce: merge the totals of all tasks into one, in a tree of merges."""
