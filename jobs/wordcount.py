"""Count the words of text files: the smallest example of a job."""

from mapreduce import KeyCount, WordMapper


def wordcount() -> KeyCount:
    """Count the words of text files; ASCII white space separates words."""
    mapper, header = WordMapper(), ("Word", "Count")
    return KeyCount(mapper, output="wordcount.csv", header=header, name="wordcount")
