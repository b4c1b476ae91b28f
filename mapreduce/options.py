"""Every option of a run, written once.

A field of ``Options`` is a keyword of ``run``, an option of the command, an environment variable
(``MAPREDUCE_WORKERS``) and a row of the documentation. Its annotation says what a caller needs to
know; its value is checked here, before any work.
"""

# Without "from __future__ import annotations": a start would compile each of them from its text.
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeAlias, get_type_hints

from mapreduce.errors import UsageError, named

Tick: TypeAlias = Callable[[int], None]
"""Called with the bytes finished since the last call, at least ten times a second; may raise."""

MAX_LINE: Final = 64 << 20
"""Bytes of the longest line that is accepted by default."""
MAX_KEYS: Final = sys.maxsize
BLOCK: Final = 256 << 10
"""Bytes that a mapper gets at once; they fit into the second-level cache of a core."""
START_METHODS: Final = ("fork", "forkserver", "spawn")

Name: TypeAlias = str | os.PathLike[str]
Check: TypeAlias = Callable[[Any], str | None]
"""Takes a value and returns what is wrong with it, or ``None``."""


class Option(NamedTuple):
    """The description of an option, and how the command spells it.

    ``flag`` is the short form. ``default`` describes the default in words. ``command_default`` is
    the default on the command line if it differs. An option that is not ``on_command_line`` is
    only for callers in Python.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    default: str = ""
    command_default: Any = None
    check: Check = lambda _value: None
    on_command_line: bool = True


class Budget(NamedTuple):
    """How many malformed lines a run may have: a number, or a share of all lines."""

    text: str
    number: int | None = None
    share: tuple[int, int] | None = None  # of all lines, as a fraction

    @classmethod
    def of(cls, text: str | int) -> Self:
        """Parse ``N`` or ``P%``; raise ``ValueError`` for anything else."""
        found = re.fullmatch(r"([0-9]{1,18})(?:(?:\.([0-9]{1,9}))?(%))?", str(text))
        if found is None:
            raise ValueError("must be a number of lines such as 100, or a share such as 0.1%")
        said = named("max_malformed", text)
        if not found[3]:
            return cls(said, number=int(found[1]))
        digits = found[2] or ""
        return cls(said, share=(int(found[1] + digits), 100 * 10 ** len(digits)))

    def holds(self, malformed: int, lines: int) -> bool:
        """Return whether ``malformed`` of ``lines`` lines are within the budget."""
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


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "must be a text, and not empty"


def no_progress(_size: int) -> None:
    """Do nothing: the progress function of a run without one."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a run; raises ``UsageError`` for a value that cannot work."""

    output: Annotated[
        Name | None,
        Option(
            "Directory to write the tables to; - writes the only table to standard output.",
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
            "Number of processes that count; small inputs are counted in one.",
            "-j",
            default="the number of usable CPUs",
            check=_at_least_one,
        ),
    ] = None
    strict: Annotated[bool, Option("Fail, and write nothing, if any line is malformed.")] = False
    max_malformed: Annotated[
        int | str | None,
        Option(
            "Fail, and write nothing, if more lines than this (or more than P%) are malformed.",
            metavar="N|P%",
            default="no limit",
            check=_budget_problem,
        ),
    ] = None
    rejects: Annotated[
        Name | None,
        Option(
            "Write all malformed lines to this file: CSV, or JSON lines if it ends with .jsonl.",
            check=_path,
        ),
    ] = None
    stats: Annotated[
        Name | None,
        Option(
            "Write the figures of the run to this file as JSON; - is standard output.",
            metavar="FILE",
            check=_path,
        ),
    ] = None
    max_line: Annotated[
        int, Option("Fail if a line has more bytes than this.", check=_at_least_one)
    ] = MAX_LINE
    max_keys: Annotated[
        int | None,
        Option(
            "Fail if there are more distinct keys than this.",
            default="no limit",
            check=_at_least_one,
        ),
    ] = None
    excel_safe: Annotated[
        bool, Option("Write ' before text that a spreadsheet would take for a formula.")
    ] = False
    start_method: Annotated[
        Literal["fork", "forkserver", "spawn"] | None,
        Option(
            "How to start processes.", default="the best for this platform", check=_start_method
        ),
    ] = None
    inline: Annotated[
        bool,
        Option(
            "Count in this process alone, however large the input, and show no progress bar, so "
            "that print and breakpoint() work in the job's code."
        ),
    ] = False
    profile: Annotated[
        str | None,
        Option(
            "Profile of AWS's configuration to read s3:// with.",
            metavar="NAME",
            default="the environment's",
            check=_text,
        ),
    ] = None
    role_arn: Annotated[
        str | None,
        Option(
            "Role of AWS to assume before s3:// is read.",
            metavar="ARN",
            default="none",
            check=_text,
        ),
    ] = None
    progress: Annotated[
        Tick | None,
        Option(
            "Function that is called at least ten times a second with the number of bytes finished "
            "since its last call. If it raises, the run ends.",
            on_command_line=False,
        ),
    ] = None
    backend: Annotated[
        Any,
        Option(
            "What runs the work, such as a multiprocessing Pool; the run does not close it.",
            default="this process or a new pool",
            on_command_line=False,
        ),
    ] = None
    split_size: Annotated[
        int | None,
        Option(
            "Number of bytes in a split.",
            default="the best for the input",
            check=_at_least_one,
            on_command_line=False,
        ),
    ] = None
    block_size: Annotated[
        int,
        Option(
            "Number of bytes that a mapper gets at once.",
            check=_at_least_one,
            on_command_line=False,
        ),
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
        if self.backend is not None and self.inline:
            raise UsageError(
                f"{named('inline', True)} counts in this process: leave out the backend"
            )

    @property
    def tick(self) -> Tick:
        """The progress function, or one that does nothing."""
        return self.progress or no_progress

    @property
    def most_keys(self) -> int:
        """The largest number of distinct keys that is allowed."""
        return self.max_keys or MAX_KEYS

    @cached_property
    def budget(self) -> Budget | None:
        """How many malformed lines are allowed; ``None`` means any number."""
        if self.strict:
            return Budget(named("strict", True), number=0)
        return None if self.max_malformed is None else Budget.of(self.max_malformed)


@cache
def options_of(kind: Any) -> tuple[tuple[str, Option], ...]:
    """Return the name and the description of each option that a dataclass declares."""
    hints = hints_of(kind)
    return tuple((field.name, hints[field.name].__metadata__[0]) for field in fields(kind))


@cache
def hints_of(kind: Any) -> Mapping[str, Any]:
    """Return ``Annotated[type, Option(...)]`` for each field of a dataclass of options."""
    return get_type_hints(kind, include_extras=True)
