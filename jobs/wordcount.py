"""Count the words of text files: the smallest example of a job."""

from mapreduce import KeyCount, LineMapper


def wordcount() -> KeyCount:
    """Count the words of text files; ASCII white space separates words."""
    mapper, header = LineMapper(bytes.split), ("Word", "Count")
    return KeyCount(mapper, output="wordcount.csv", header=header, name="wordcount")
