"""``run``: the straight line from the inputs to the results.

::

    names ─inputs─▶ Source ─splits─▶ Split ─mapping─▶ Partial ─reducing─▶ Totals
          ─job.finish─▶ Table ─outputs─▶ files

This module is not called ``run``, because a module of that name would hide the function.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec

from mapreduce import __version__, kernel
from mapreduce.backends.backend import Backend
from mapreduce.backends.this_process import ThisProcess
from mapreduce.errors import MalformedError, MapReduceError, NothingCountedError, TaskError
from mapreduce.formats.guess import looks_like
from mapreduce.inputs.sources import Inputs, Source, Sources, find_sources, growth
from mapreduce.job import Job
from mapreduce.mapping.task import MapSettings, forget_combiners, map_splits, map_task
from mapreduce.options import Options, options_of
from mapreduce.outputs.manifest import own_outputs
from mapreduce.outputs.rejects import Spool
from mapreduce.outputs.standard_output import STANDARD_OUTPUT, check_one_table, print_table
from mapreduce.outputs.stats import Clock, Stats
from mapreduce.outputs.table import Table
from mapreduce.outputs.targets import Targets, check_names, check_tables
from mapreduce.reducing import tree
from mapreduce.reducing.partial import Partial
from mapreduce.result import Result
from mapreduce.splits.explain import explain
from mapreduce.splits.plan import Plan, make_plan, settle

SHOWN: Final = 10
"""Malformed lines that a run locates."""

P = ParamSpec("P")


def run_with(job: Job, inputs: Inputs, options: Options) -> Result:
    """Count all inputs with a job and, if there is an ``output``, write its tables there.

    ``inputs`` is one name or several: files, directories, patterns, lists (``@FILE``), ``-`` for
    standard input, ``s3://`` URLs; or what ``find_sources`` has found.

    Raises ``UsageError`` before any work for what cannot work, and another ``MapReduceError`` if
    the run fails. Then nothing has been written, except for the ``rejects`` if there are too many.
    """
    clock, targets = Clock(), _targets(job, options)
    sources = find_inputs(job, inputs, targets.directory, targets.rejects)
    targets.check(job.outputs, [*(source.path for source in sources), *job.side_inputs])
    with targets.spool() as spool:
        settings = _settings(job, options, spool)
        plan = settle(make_plan(sources, job, options), partial(map_task, settings=settings))
        with backend_of(plan, clock) as backend:
            total = map_reduce(plan, backend, settings, clock)
        tables = finish(
            job, total, options, partial(_write_rejects, targets, spool, total, options)
        )
        clock.lap("finish")
        saved = targets.write(
            tables,
            spool,
            malformed=total.malformed,
            describe=lambda: _described(job, sources, total),
            inputs=[source.path for source in sources],
            side_inputs=job.side_inputs,
            check=lambda: options.tick(0),
        )
    if options.output == STANDARD_OUTPUT:
        print_table(tables[0], excel_safe=options.excel_safe)
    clock.lap("write")
    notes = [*sources.notes, *plan.notes, *sorted(total.notes), *growth(sources), *saved.notes]
    stats = _stats(plan, total, clock)
    return Result(tables, stats, total.totals, total.rejects, saved.paths, notes)


def find_inputs(job: Job, inputs: Inputs, output: Path | None, *others: Path | None) -> Sources:
    """Find the inputs of a job without its own files, unless the caller names these.

    Its own are its side inputs, the tables in the ``output`` directory and ``others`` that the run
    writes.
    """
    check_names(job.outputs)
    tables = [] if output is None else [output / name for name in job.outputs]
    own = [*job.side_inputs, *own_outputs(output, *tables, *others)]
    return find_sources(inputs, job.selector, without=own)


def _targets(job: Job, options: Options) -> Targets:
    output, rejects = options.output, options.rejects
    if output == STANDARD_OUTPUT:
        check_one_table(job.outputs)
        output = None
    return Targets(
        None if output is None else Path(output),
        None if rejects is None else Path(rejects),
        options.excel_safe,
    )


def _settings(job: Job, options: Options, spool: Spool | None) -> MapSettings:
    return MapSettings(
        job.mapper,
        options.block_size,
        SHOWN,
        options.max_line,
        options.most_keys,
        spool,
        run=os.urandom(8).hex(),
    )


@contextmanager
def backend_of(plan: Plan, clock: Clock) -> Iterator[Backend]:
    """Yield what runs a plan; close it at the end if it is ours."""
    clock.lap("plan")
    try:
        if plan.backend is not None:
            yield plan.backend
        elif plan.in_this_process:
            yield ThisProcess()
        else:
            from mapreduce.backends.pool import Pool  # noqa: PLC0415 - costs a small run 15 ms

            with Pool(plan.workers, start_method=plan.start_method) as pool:
                yield pool
    finally:
        forget_combiners()


def map_reduce(plan: Plan, backend: Backend, settings: MapSettings, clock: Clock) -> Partial:
    """Map all splits and merge all partials; check that no line is lost or counted twice."""

    count: Callable[[Any], Partial] = partial(map_task, settings=settings)
    tasks: Iterator[Any] = plan.tasks
    size_of: Callable[[Any], int] = attrgetter("size")
    if plan.in_this_process:  # one task: each costs a partial, and there is nobody to share with
        count = partial(map_splits, settings=settings, tick=plan.tick)
        tasks = iter([plan.splits])
        size_of = _ticked_already
    total = tree.map_reduce(
        backend,
        count,
        tasks,
        done=plan.done,
        wanted=settings.wanted,
        max_keys=settings.max_keys,
        mapped=lambda _task: clock.lap("map"),
        size_of=size_of,
        tick=plan.tick,
    )
    plan.ledger.check(total, plan.sources)
    total = replace(total, totals=total.totals.settled())
    clock.lap("reduce")
    return total


def _ticked_already(_task: object) -> int:
    return 0


def finish(
    job: Job, total: Partial, options: Options, write_rejects: Callable[[], str]
) -> Sequence[Table]:
    """Let the job make its tables, unless too many lines are malformed.

    Raises ``MalformedError`` for more malformed lines than the options allow, and
    ``NothingCountedError`` if nothing was counted for malformed lines. Before that,
    ``write_rejects`` writes these lines, if they are wanted, and says in words what is written.
    """
    budget = options.budget
    if budget is not None and not budget.holds(total.malformed, total.lines):
        written = write_rejects()
        raise MalformedError(total.malformed, total.lines, budget.text, total.rejects, written)
    if not total.counted and total.malformed >= max(1, total.skipped):  # not just a quiet log
        advice, written = _advice(job, total), write_rejects()
        raise NothingCountedError(total.lines, total.malformed, advice, total.rejects, written)
    try:
        tables = job.finish(total.totals)
    except MapReduceError:
        raise
    except (Exception, SystemExit) as error:
        raise TaskError.of(f"{type(job).__name__}.finish", error) from error
    check_tables(tables, job.outputs)
    return tables


def _advice(job: Job, total: Partial) -> str:
    """Return sentences that say what the first malformed line looks like and what to try."""
    look = looks_like(total.rejects[0].excerpt) if total.rejects else ""
    looks = f" The first one looks like {look}." if look else ""
    return f"{looks} {job.remedy}".rstrip()


def _write_rejects(targets: Targets, spool: Spool | None, total: Partial, options: Options) -> str:
    targets.write_rejects(spool, malformed=total.malformed, check=lambda: options.tick(0))
    return "nothing" if targets.rejects is None else f"nothing but {targets.rejects}"


def _described(job: Job, sources: Sequence[Source], total: Partial) -> dict[str, Any]:
    """Return what the manifest says of the job, the inputs and what became of their lines."""
    return {
        "version": __version__,
        "job": type(job).__qualname__,
        "options": dict(job.described),
        "lines": total.lines,
        "counted": total.counted,
        "skipped": total.skipped,
        "malformed": total.malformed,
        "inputs": [
            {"path": source.path, "bytes": source.size, "mtime_ns": source.mtime or None}
            for source in sources
        ],
    }


def _stats(plan: Plan, total: Partial, clock: Clock) -> Stats:
    return Stats(
        inputs=len(plan.sources),
        bytes=total.size,
        lines=total.lines,
        counted=total.counted,
        skipped=total.skipped,
        malformed=total.malformed,
        distinct_keys=len(total.totals),
        workers=plan.workers,
        splits=total.splits,
        kernel=kernel.NAME,
        seconds=clock.seconds(),
    )


def explain_with(job: Job, inputs: Inputs, options: Options) -> Iterator[str]:
    """Yield lines that say what a run would do and why; nothing is counted."""
    targets = _targets(job, options)
    sources = find_inputs(job, inputs, targets.directory, targets.rejects)
    return explain(make_plan(sources, job, options))


def _keywords(function: Callable[[Job, Inputs, Options], Any]) -> Callable[..., Any]:
    """Return a function that takes the options as keywords; its help describes each of them."""

    def with_keywords(job: Job, inputs: Inputs, /, **options: Any) -> Any:
        return function(job, inputs, Options(**options))

    rows = [f"``{name}``: {option.help}" for name, option in options_of(Options)]
    with_keywords.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Options:", "", *rows])
    positional = [*inspect.signature(function).parameters.values()][:2]
    signature = inspect.Signature([*positional, *inspect.signature(Options).parameters.values()])
    with_keywords.__signature__ = signature  # type: ignore[attr-defined]
    with_keywords.__name__ = with_keywords.__qualname__ = "run"
    return with_keywords


def _typed(_options: Callable[P, Options]) -> Callable[Concatenate[Job, Inputs, P], Result]:
    """Give ``run`` the keywords of ``Options``, so that each is written once and yet checked."""
    return _keywords(run_with)


run = _typed(Options)
