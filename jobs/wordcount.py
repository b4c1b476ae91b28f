"""Count words: the classic, and the proof that the engine knows nothing of flow logs."""

from mapreduce import KeyCount, LineMapper


def wordcount() -> KeyCount:
    """Count the words (runs of bytes between ASCII white space) of text files."""
    mapper, header = LineMapper(bytes.split), ("Word", "Count")
    return KeyCount(mapper, output="wordcount.csv", header=header, name="wordcount")
