"""Every option of a run, written once.

A field of ``Options`` is a keyword of ``run``, an option of the command, an environment variable
(``MAPREDUCE_WORKERS``) and a row of the documentation. Its annotation says what a caller needs to
know; its value is checked here, before any work.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Final, Literal, TypeAlias, get_type_hints

from mapreduce.errors import UsageError, named

Tick: TypeAlias = Callable[[int], None]
"""Called with the bytes finished since the last call, at least ten times a second; may raise."""

MAX_LINE: Final = 64 << 20
"""Bytes of the longest line that is accepted by default."""
MAX_KEYS: Final = sys.maxsize
BLOCK: Final = 256 << 10
"""Bytes that a mapper is given at once: they stay in a core's second cache."""
START_METHODS: Final = ("fork", "forkserver", "spawn")

Name: TypeAlias = str | os.PathLike[str]
Check: TypeAlias = Callable[[Any], str | None]
"""Returns what is wrong with a value, or ``None``."""


@dataclass(frozen=True, slots=True)
class Option:
    """What a caller is told of an option, and how the command spells it.

    ``flag`` is a short form. ``default`` says in words what holds if nothing is given.
    ``command_default`` is the default on the command line where that is another one. An option
    that is not ``on_command_line`` holds a Python object.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    default: str = ""
    command_default: Any = None
    check: Check = lambda _value: None
    on_command_line: bool = True


@dataclass(frozen=True, slots=True)
class Budget:
    """How many malformed lines a run may have: a number, or a share of all lines."""

    text: str
    number: int | None = None
    share: tuple[int, int] | None = None  # of all lines, as a fraction

    @classmethod
    def of(cls, text: str | int) -> Budget:
        """Return the budget that ``N`` or ``P%`` writes; raise ``ValueError`` for anything else."""
        found = re.fullmatch(r"([0-9]{1,18})(?:(?:\.([0-9]{1,9}))?(%))?", str(text))
        if found is None:
            raise ValueError("must be a number of lines, or of per cent as in 0.1%")
        said = named("max_malformed", text)
        if not found[3]:
            return cls(said, number=int(found[1]))
        digits = found[2] or ""
        return cls(said, share=(int(found[1] + digits), 100 * 10 ** len(digits)))

    def holds(self, malformed: int, lines: int) -> bool:
        """Return whether so many of so many lines are within it."""
        if self.number is not None:
            return malformed <= self.number
        part, whole = self.share or (1, 1)
        return malformed * whole <= part * lines


def _budget_problem(value: Any) -> str | None:
    try:
        Budget.of(value)
    except ValueError as error:
        return str(error)
    return None


def _at_least_one(value: Any) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return None if whole and value >= 1 else "must be a whole number of at least 1"


def _start_method(value: Any) -> str | None:
    return None if value in START_METHODS else f"must be one of {', '.join(START_METHODS)}"


def _path(value: Any) -> str | None:
    return None if isinstance(value, str | os.PathLike) else "must be a path"


def no_progress(_size: int) -> None:
    """Show nothing and stop nothing."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is done, apart from what is counted. Raises ``UsageError`` for what cannot be."""

    output: Annotated[
        Name | None,
        Option(
            "Directory of the tables; - is standard output.",
            "-o",
            metavar="DIR",
            default="nothing is written",
            command_default="outputs",
            check=_path,
        ),
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "Processes that count; a small input is counted in one.",
            "-j",
            default="the usable CPUs",
            check=_at_least_one,
        ),
    ] = None
    strict: Annotated[bool, Option("Fail, and write nothing, if any line is malformed.")] = False
    max_malformed: Annotated[
        int | str | None,
        Option(
            "Fail, and write nothing, if more lines than this are malformed.",
            metavar="N|P%",
            default="any number",
            check=_budget_problem,
        ),
    ] = None
    rejects: Annotated[
        Name | None,
        Option(
            "File for all malformed lines: CSV, or JSON lines if it ends with .jsonl.", check=_path
        ),
    ] = None
    stats: Annotated[
        Name | None,
        Option(
            "File for the figures of the run as JSON; - is standard output.",
            metavar="FILE",
            check=_path,
        ),
    ] = None
    max_line: Annotated[
        int, Option("Bytes of the longest line that is accepted.", check=_at_least_one)
    ] = MAX_LINE
    max_keys: Annotated[
        int | None,
        Option("Fail if there are more distinct keys.", default="any number", check=_at_least_one),
    ] = None
    excel_safe: Annotated[
        bool, Option("Put ' before text that a spreadsheet would take for a formula.")
    ] = False
    start_method: Annotated[
        Literal["fork", "forkserver", "spawn"] | None,
        Option(
            "How processes are started.", default="what suits the platform", check=_start_method
        ),
    ] = None
    progress: Annotated[
        Tick | None,
        Option(
            "Function that is called with the bytes finished since its last call, at least ten "
            "times a second. What it raises ends the run.",
            on_command_line=False,
        ),
    ] = None
    backend: Annotated[
        Any,
        Option(
            "Where functions run, such as a multiprocessing Pool; it is not closed.",
            default="this process or a pool of its own",
            on_command_line=False,
        ),
    ] = None
    split_size: Annotated[
        int | None,
        Option(
            "Bytes of a split.",
            default="what suits the input",
            check=_at_least_one,
            on_command_line=False,
        ),
    ] = None
    block_size: Annotated[
        int,
        Option("Bytes that a mapper is given at once.", check=_at_least_one, on_command_line=False),
    ] = BLOCK

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, option in options_of(kind):
            value = getattr(self, name)
            problem = None if value is None else option.check(value)
            if problem:
                raise UsageError(f"{named(name, value)}: {problem}")
        if self.strict and self.max_malformed is not None:
            strict, most = named("strict", True), named("max_malformed", 0)
            raise UsageError(f"{strict} means {most}: use one of them")
        if self.backend is not None and (self.workers, self.start_method) != (None, None):
            others = f"{named('workers')} and {named('start_method')}"
            raise UsageError(f"a backend has its own workers: leave out {others}")

    @property
    def tick(self) -> Tick:
        """The progress function, or one that does nothing."""
        return self.progress or no_progress

    @property
    def most_keys(self) -> int:
        """The number of distinct keys that are allowed."""
        return self.max_keys or MAX_KEYS

    @cached_property
    def budget(self) -> Budget | None:
        """How many malformed lines are allowed; ``None`` if any number is."""
        if self.strict:
            return Budget(named("strict", True), number=0)
        return None if self.max_malformed is None else Budget.of(self.max_malformed)


@cache
def options_of(kind: Any) -> tuple[tuple[str, Option], ...]:
    """Return the name and the description of each option that a dataclass declares."""
    hints = get_type_hints(kind, include_extras=True)
    names = [field.name for field in dataclasses.fields(kind)]
    return tuple((name, hints[name].__metadata__[0]) for name in names)
