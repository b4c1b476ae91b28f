"""A job with two tables of one count: the words of a text, and how many words have each length."""

from collections import Counter
from collections.abc import Sequence

from mapreduce import Job, LineMapper, Table, Totals


class WordsAndLengths(Job):
    """Counts words; ``finish`` runs once, in the parent, on the totals of all inputs."""

    mapper = LineMapper(bytes.split)
    outputs = ("words.csv", "lengths.csv")

    def finish(self, totals: Totals, /) -> Sequence[Table]:
        lengths: Counter[int] = Counter()
        for word, count in totals.counts.items():
            lengths[len(word)] += count
        return [
            Table("words.csv", ("Word", "Count"), totals.rows()),
            Table("lengths.csv", ("Length", "Count"), sorted(lengths.items())),
        ]
