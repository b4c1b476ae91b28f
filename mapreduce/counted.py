"""The end of a run, after all lines are counted: make the tables, write and print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mapreduce import __version__, kernel
from mapreduce.errors import MalformedError, MapReduceError, NothingCountedError, TaskError
from mapreduce.inputs.sources import Sources, growth
from mapreduce.job import Job
from mapreduce.options import Options
from mapreduce.outputs.standard_output import STANDARD_OUTPUT, print_figures, print_table
from mapreduce.outputs.stats import Clock, Stats, figures_text
from mapreduce.outputs.table import Table
from mapreduce.outputs.targets import Saved, Targets, check_tables
from mapreduce.reducing.partial import Partial
from mapreduce.result import Result
from mapreduce.splits.plan import Plan

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Spool


class Counted(NamedTuple):
    """A run after counting; ``spool`` holds the malformed lines if a file for them is named."""

    job: Job
    options: Options
    sources: Sources
    plan: Plan
    total: Partial
    targets: Targets
    spool: Spool | None
    clock: Clock

    def make_tables(self) -> Sequence[Table]:
        """Let the job make its tables, unless too many lines are malformed.

        Raises ``MalformedError`` if there are more malformed lines than the options allow, and
        ``NothingCountedError`` if no line was counted because lines are malformed. Before it
        raises, it writes the malformed lines if a file for them is named.
        """
        self._check_malformed()
        try:
            tables = self.job.finish(self.total.totals)
        except MapReduceError:
            raise
        except (Exception, SystemExit) as error:
            raise TaskError.of(f"{type(self.job).__name__}.finish", error) from error
        check_tables(tables, self.job.outputs)
        self.clock.lap("finish")
        return tables

    def write(self, tables: Sequence[Table]) -> Saved:
        """Write all files of the run, or none of them."""
        return self.targets.write(
            tables,
            self.spool,
            malformed=self.total.malformed,
            describe=self._describe,
            inputs=[source.path for source in self.sources],
            side_inputs=self.job.side_inputs,
            figures=lambda: figures_text(self._stats()),
            check=self._check_stop,
        )

    def result(self, tables: Sequence[Table], saved: Saved) -> Result:
        """Return the result of the run."""
        total = self.total
        found = [*self.sources.notes, *self.plan.notes, *sorted(total.notes)]
        told = self.job.notes_on_skipped(total.kinds)
        notes = [*found, *told, *growth(self.sources), *saved.notes]
        return Result(tables, self._stats(), total.totals, total.rejects, saved.paths, notes)

    def _check_malformed(self) -> None:
        total, budget = self.total, self.options.budget
        if budget is not None and not budget.holds(total.malformed, total.lines):
            written = self._write_rejects()
            raise MalformedError(total.malformed, total.lines, budget.text, total.rejects, written)
        if not total.counted and total.malformed >= max(
            1, total.skipped
        ):  # a log without traffic is fine
            advice, written = self._advice(), self._write_rejects()
            raise NothingCountedError(total.lines, total.malformed, advice, total.rejects, written)

    def _advice(self) -> str:
        """Return sentences that say what the first malformed line looks like and what to try."""
        from mapreduce.formats.guess import looks_like  # noqa: PLC0415 - for a run that fails

        rejects = self.total.rejects
        look = looks_like(rejects[0].excerpt) if rejects else ""
        looks = f" The first one looks like {look}." if look else ""
        return f"{looks} {self.job.remedy}".rstrip()

    def _write_rejects(self) -> str:
        """Write only the malformed lines, if a file is named; return what was written, in words."""
        malformed = self.total.malformed
        self.targets.write_rejects(self.spool, malformed=malformed, check=self._check_stop)
        return "nothing" if self.targets.rejects is None else f"nothing but {self.targets.rejects}"

    def _check_stop(self) -> None:
        self.options.tick(0)

    def _describe(self) -> Mapping[str, object]:
        """Return the manifest's description of the job, the inputs and the numbers of lines."""
        return {
            "version": __version__,
            "job": self.job.name or type(self.job).__name__,
            "options": dict(self.job.described),
            "lines": self.total.lines,
            "counted": self.total.counted,
            "skipped": self.total.skipped,
            "malformed": self.total.malformed,
            "inputs": [
                {"path": source.path, "bytes": source.size, "mtime_ns": source.mtime or None}
                for source in self.sources
            ],
        }

    def _stats(self) -> Stats:
        """Return the figures of the run so far."""
        self.clock.lap("write")
        return Stats(
            inputs=len(self.sources),
            bytes=self.total.size,
            lines=self.total.lines,
            counted=self.total.counted,
            skipped=self.total.skipped,
            malformed=self.total.malformed,
            distinct_keys=len(self.total.totals),
            workers=self.plan.workers,
            splits=self.total.splits,
            kernel=kernel.NAME,
            seconds=self.clock.seconds(),
            skipped_kinds=dict(sorted(self.total.kinds.items())),
        )


def print_result(result: Result, options: Options) -> None:
    """Print the table or the figures if the options send one of them to standard output."""
    if options.output == STANDARD_OUTPUT:
        print_table(result.tables[0], excel_safe=options.excel_safe)
    if options.stats == STANDARD_OUTPUT:
        print_figures(result.stats)
