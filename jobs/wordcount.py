"""Count the words of text files: the smallest example of a job."""

from mapreduce import ALL_ROWS, KeyCount, TableView, WordMapper


def wordcount(view: TableView = ALL_ROWS) -> KeyCount:
    """Count the words of text files; ASCII white space separates words."""
    mapper, header = WordMapper(), ("Word", "Count")
    return KeyCount(mapper, "wordcount.csv", header, name="wordcount", view=view)
