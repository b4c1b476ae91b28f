"""Explain what a run will do and why: its inputs, splits, tasks, workers and kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from mapreduce import kernel
from mapreduce.splits.split import batches

if TYPE_CHECKING:
    from mapreduce.splits.plan import Plan
    from mapreduce.splits.split import Split

SHOWN: Final = 10
"""Inputs that are listed one by one; the others are only counted."""


def explain(plan: Plan) -> Iterator[str]:
    """Yield the lines of the explanation. This uses up the splits of the plan."""
    sizes = [source.size for source in plan.sources]
    known = sum(size for size in sizes if size is not None)
    streams = sizes.count(None)
    yield f"inputs: {len(sizes):,} with {known:,} bytes{_and_streams(streams)}"
    splits: list[Split] = [] if streams else [*plan.splits]
    yield from _explain_inputs(plan, splits)
    if streams:
        yield "splits: cut while the stream is read"
    else:
        yield from _explain_splits(plan, splits)
    yield f"workers: {plan.workers} ({_kind_of_workers(plan)}): {plan.reason}"
    yield f"kernel: {kernel.NAME}{f' ({kernel.MISSING})' if kernel.MISSING else ''}"


def _and_streams(number: int) -> str:
    return (
        ""
        if not number
        else f", and {number:,} whose length is known only when they have been read"
    )


def _explain_inputs(plan: Plan, splits: Iterable[Split]) -> Iterator[str]:
    """Yield a line for each of the first inputs: its store, format, size and layout."""
    counted = {split.source.index: split.source for split in splits}
    for source in plan.sources[:SHOWN]:
        mapper = counted.get(source.index, source).mapper
        size = "a stream" if source.size is None else f"{source.size:,} bytes"
        layout = f", {mapper.layout}" if mapper and mapper.layout else ""
        yield f"  {source.name}: {source.store.name}, {source.format.name}, {size}{layout}"
    if len(plan.sources) > SHOWN:
        yield f"  ... and {len(plan.sources) - SHOWN:,} more"


def _explain_splits(plan: Plan, splits: list[Split]) -> Iterator[str]:
    if not splits:
        yield "splits: none, because the inputs are empty"
        return
    sizes = [split.size for split in splits]
    tasks = 1 if plan.in_this_process else sum(1 for _ in batches(splits, plan.batch_cost))
    least, most = min(sizes), max(sizes)
    spread = f"{most:,} bytes" if least == most else f"{least:,} to {most:,} bytes"
    yield f"splits: {len(splits):,} of {spread}, in {tasks:,} task{'s' if tasks > 1 else ''}"


def _kind_of_workers(plan: Plan) -> str:
    if plan.backend is not None:
        return type(plan.backend).__name__
    return "this process" if plan.in_this_process else plan.start_method or "default start method"
