"""``run``: the straight line from the inputs to the results.

::

    names ─inputs─▶ Source ─splits─▶ Split ─mapping─▶ Partial ─reducing─▶ Totals
          ─job.finish─▶ Table ─outputs─▶ files

This module is not called ``run``, because a module of that name would hide the function.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

from mapreduce.backends.backend import Backend
from mapreduce.backends.this_process import ThisProcess
from mapreduce.counted import Counted, print_result
from mapreduce.errors import UsageError
from mapreduce.inputs.sources import Inputs, Sources, find_sources
from mapreduce.inputs.stores import Login
from mapreduce.job import Job
from mapreduce.mapping.mapper import Mapper
from mapreduce.mapping.task import MapSettings, forget_combiners, map_splits, map_task
from mapreduce.options import Options, options_of
from mapreduce.outputs.manifest import own_outputs
from mapreduce.outputs.standard_output import STANDARD_OUTPUT, check_one_table
from mapreduce.outputs.stats import Clock
from mapreduce.outputs.targets import Targets, check_names
from mapreduce.reducing import tree
from mapreduce.reducing.partial import Partial
from mapreduce.result import Result
from mapreduce.splits.plan import Plan, adjust_plan, make_plan

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Spool

SHOWN: Final = 10
"""Malformed lines that a run reports with their place."""

P = ParamSpec("P")


def run_with(job: Job, inputs: Inputs, options: Options) -> Result:
    """Count all inputs with a job and, if there is an ``output``, write its tables there.

    ``inputs`` is one name or several: files, directories, patterns, lists (``@FILE``), ``-`` for
    standard input, ``s3://`` URLs; or what ``find_sources`` has found.

    Raises ``UsageError`` before any work for what cannot work, and another ``MapReduceError`` if
    the run fails. Then nothing has been written, except for the ``rejects`` if there are too many.
    """
    result = count_and_write(job, inputs, options)
    print_result(result, options)
    return result


def count_and_write(
    job: Job, inputs: Inputs, options: Options, *, here: Callable[[], Backend] = ThisProcess
) -> Result:
    """Run a job but print nothing, so that a caller can remove a progress bar before it prints.

    ``here`` makes the backend that counts if this process counts itself.
    """
    clock, targets = Clock(), _targets(job, options)
    sources = _find(job, inputs, options, targets)
    targets.check(job.outputs, [*(source.path for source in sources), *job.side_inputs])
    with targets.spool() as spool:
        settings = _settings(job, options, spool)
        plan = make_plan(sources, job, options)
        plan = adjust_plan(plan, partial(map_task, settings=settings))
        with backend_of(plan, clock, here) as backend:
            total = map_reduce(plan, backend, settings, clock)
        counted = Counted(job, options, sources, plan, total, targets, spool, clock)
        tables = counted.make_tables()
        saved = counted.write(tables)
    return counted.result(tables, saved)


def find_inputs(job: Job, inputs: Inputs, options: Options) -> Sources:
    """Find the inputs of a job, without its own files unless the caller names them.

    Its own files are its side inputs and the files that a run with these options writes.
    """
    return _find(job, inputs, options, _targets(job, options))


def _find(job: Job, inputs: Inputs, options: Options, targets: Targets) -> Sources:
    check_names(job.outputs)
    output = targets.directory
    tables = [] if output is None else [output / name for name in job.outputs]
    others = own_outputs(output, *tables, targets.rejects, targets.stats)
    own, login = [*job.side_inputs, *others], Login(options.profile, options.role_arn)
    return find_sources(inputs, job.selector, without=own, login=login)


def _targets(job: Job, options: Options) -> Targets:
    """Return the files that a run writes, without those that go to standard output."""
    output, stats = options.output, options.stats
    if output == STANDARD_OUTPUT:
        check_one_table(job.outputs)
    if output == stats == STANDARD_OUTPUT:
        raise UsageError("the table and the figures cannot both go to standard output")
    return Targets(
        None if output in {None, STANDARD_OUTPUT} else Path(output),
        None if options.rejects is None else Path(options.rejects),
        options.excel_safe,
        stats=None if stats in {None, STANDARD_OUTPUT} else Path(stats),
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
def backend_of(
    plan: Plan, clock: Clock, here: Callable[[], Backend] = ThisProcess
) -> Iterator[Backend]:
    """Yield the backend of a plan; close it at the end unless the caller passed it."""
    clock.lap("plan")
    try:
        if plan.backend is not None:
            yield plan.backend
        elif plan.in_this_process:
            yield here()
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
    if plan.in_this_process:  # one task for all splits, because each task makes a partial
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
    total = total._replace(totals=total.totals.settled())
    clock.lap("reduce")
    return total


def _ticked_already(_task: object) -> int:
    return 0


def explain_with(job: Job, inputs: Inputs, options: Options) -> Iterator[str]:
    """Yield lines that describe what a run would do and why; count nothing."""
    from mapreduce.splits.explain import explain  # noqa: PLC0415 - only for --explain

    return explain(make_plan(find_inputs(job, inputs, options), job, options))


def _keywords(function: Callable[[Job, Inputs, Options], Any]) -> Callable[..., Any]:
    """Return a function that takes the options as keywords; its docstring describes each one."""

    def with_keywords(job: Job, inputs: Inputs, /, **options: Any) -> Any:
        check_job(job)
        _check_keywords(options)
        return function(job, inputs, Options(**options))

    with_keywords.__doc__ = "\n".join([inspect.getdoc(function) or "", "", *_help_lines()])
    keywords = inspect.signature(Options).parameters.values()
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in keywords]
    kind = inspect.Parameter.POSITIONAL_ONLY
    names = [inspect.Parameter(name, kind) for name in ("job", "inputs")]
    with_keywords.__signature__ = inspect.Signature([*names, *plain])  # type: ignore[attr-defined]
    with_keywords.__name__ = with_keywords.__qualname__ = "run"
    return with_keywords


def _help_lines() -> Iterator[str]:
    yield from ("Returns a ``Result``.", "", "Options:", "")
    for name, option in options_of(Options):
        yield f"``{name}``: {option.help}{f' Default: {option.default}.' if option.default else ''}"


def check_job(job: object) -> None:
    """Raise ``UsageError`` for what is no job, as the function that makes one is not."""
    if isinstance(job, Job):
        missing = [name for name in ("mapper", "outputs") if not hasattr(job, name)]
        if missing:
            raise UsageError(f"the job {type(job).__name__} has no {missing[0]}")
        if not isinstance(job.mapper, Mapper):
            raise UsageError(f"the job's mapper is {job.mapper!r:.60}: make a LineMapper of it")
        return
    hint = "; call it, and give what it returns" if callable(job) else ""
    raise UsageError(f"the first argument of run must be a Job, not {job!r:.60}{hint}")


def _check_keywords(options: Iterable[str]) -> None:
    """Raise ``TypeError`` for a keyword that is no option, and name the nearest one."""
    known = [name for name, _option in options_of(Options)]
    for name in options:
        if name not in known:
            import difflib  # noqa: PLC0415 - start-up counts

            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"run() got an unexpected keyword argument {name!r}{hint}")


def _typed(_options: Callable[P, Options]) -> Callable[Concatenate[Job, Inputs, P], Result]:
    """Give ``run`` the typed keywords of ``Options``, so that an option is written only once."""
    return _keywords(run_with)


run = _typed(Options)
