"""Count lines by their first word.

How to run it:

    mapreduce run first_words.py app.log              writes outputs/first_words.csv
    mapreduce run first_words.py app.log -c GET       only lines that contain GET
    mapreduce run first_words.py app.log --inline     in one process: print and breakpoint() work
    pytest test_first_words.py                        runs its test
"""

from functools import partial
from typing import Annotated

from mapreduce import KeyCount, LineMapper


def first_word(containing: bytes, line: bytes) -> list[bytes]:
    """Return the keys of one line, which has no line end; a line without a key is skipped.

    To refuse a line as malformed, raise mapreduce.Malformed("why").
    """
    if containing not in line:
        return []
    return line.split()[:1]


# Each parameter is an option of the command: its type, its short form if any, what it is.
def first_words(
    containing: Annotated[str, "-c", "Count only lines that contain this text."] = "",
) -> KeyCount:
    """Count lines by their first word."""
    # Other processes find first_word by its name: it must stand at the top level of this file.
    mapper = LineMapper(partial(first_word, containing.encode()))
    return KeyCount(mapper, output="first_words.csv", header=("Word", "Count"), name="first_words")
