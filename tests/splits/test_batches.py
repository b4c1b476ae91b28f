"""Many small splits become few tasks, and each split is in exactly one task."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from promises import change, promise

from mapreduce.formats.gzipped import Gzip
from mapreduce.inputs.sources import Source
from mapreduce.splits.split import Batch, Split, batches

SOURCES = [Source(0, "a.log", 10**9), Source(1, "b.gz", 10**9, format=Gzip())]
splits = st.builds(
    lambda source, start, size: Split(source, start, start + size),
    st.sampled_from(SOURCES),
    st.integers(0, 99),
    st.integers(1, 50),
)


@promise(
    "Many small inputs are few tasks, each in one of them",
    broken_by=change("mapreduce.splits.split:batches", "if together: ...", "pass"),
)
@given(
    st.lists(
        splits
        | st.builds(Split, splits.map(lambda s: s.source), st.just(0), st.just(3), st.just(b"abc"))
    ),
    st.integers(1, 2000),
)
def test_every_split_is_in_one_task_in_order(given: list[Split], cost: int) -> None:
    tasks = list(batches(given, cost))
    small = [s for s in given if s.cost < cost and s.data is None]
    together = [task for task in tasks if isinstance(task, Batch)]
    assert [split for task in together for split in task.splits] == small
    assert [task for task in tasks if isinstance(task, Split)] == [
        split for split in given if split not in small
    ]
    assert all(sum(s.cost for s in task.splits) >= cost for task in together[:-1])
    assert all(sum(s.cost for s in task.splits[:-1]) < cost for task in together)


def test_a_task_says_what_it_is() -> None:
    first, last = Split(SOURCES[0], 0, 5), Split(SOURCES[1], 0, 7)
    assert str(Batch((first, last))) == "2 inputs from a.log, bytes 0 to 5 to b.gz, bytes 0 to 7"
    assert first.splits == (first,)
    assert (first.cost, last.cost) == (5, 7 * 16)
