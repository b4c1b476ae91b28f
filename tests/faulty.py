"""Functions and jobs that misbehave on purpose, and the killer of the soak tests.

They are importable by name, so that workers of every start method can run them. As a script this
module is the killer: a process of its own, because a process that forks workers may have no thread.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from mapreduce.backends.backend import Backend
from mapreduce.backends.report import report
from mapreduce.errors import InputError, MapReduceError

KILLS_PER_RUN: Final = 2
"""Few enough that the pool never gives up an innocent task, even if a kill meant for the last run
comes late and another one hits an idle worker that is just receiving the task."""


def map_over(
    backend: Backend,
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    tick: Callable[[], object] = lambda: None,
) -> Iterator[Any]:
    """Yield ``function(task)`` for each task as it finishes, as the engine uses a backend."""
    remaining, unfinished = iter(tasks), set[Any]()
    try:
        while True:
            for task in islice(remaining, backend.capacity - len(unfinished)):
                unfinished.add(backend.submit(function, task))
            if not unfinished:
                return
            tick()
            for handle in backend.wait(0.1):
                unfinished.remove(handle)
                yield backend.fetch(handle)
    finally:
        backend.cancel()


# Well-behaved functions, to compare with.


def double(number: int) -> int:
    return 2 * number


def same(value: object) -> object:
    return value


def pair(left: object, right: object) -> tuple[object, object]:
    return left, right


def add(left: Any, right: Any) -> Any:
    return left + right


def reverse(data: bytes) -> bytes:
    return data[::-1]


def expand(size: int) -> bytes:
    return b"." * size


def process_id(_task: object) -> int:
    return os.getpid()


def meet(place: Path, number: int, _task: object) -> int:
    """Wait until ``number`` workers have left a file in ``place``; return this process's id."""
    place.mkdir(exist_ok=True)
    (place / str(os.getpid())).touch()
    wait_until(lambda: len(list(place.iterdir())) >= number)
    return os.getpid()


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    assert wait_until(path.exists)


def report_slowly(number: int) -> int:
    """Report one finished unit ``number`` times, in about a quarter of a second."""
    for _ in range(number):
        time.sleep(0.25 / max(number, 1))
        report(1)
    return number


def blocked_signals(_task: object) -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


# Functions that raise.


class UnpicklableError(Exception):
    """Cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.callback = lambda: None


class UnloadableError(Exception):
    """Can be pickled, but not unpickled: ``args`` has one item, the constructor wants two."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


class OwnUnpicklableError(UnpicklableError, MapReduceError):
    """An ``UnpicklableError`` that is also an error of the package."""


class OwnUnloadableError(UnloadableError, MapReduceError):
    """An ``UnloadableError`` that is also an error of the package."""


def fail(text: str) -> NoReturn:
    raise ValueError(text)


def fail_with_note(text: str) -> NoReturn:
    error = ValueError(text)
    error.add_note("a note that is not the message")
    raise error


def fail_as_input(text: str) -> NoReturn:
    raise InputError(text)


def fail_unpicklable(text: str) -> NoReturn:
    raise UnpicklableError(text)


def fail_unloadable(text: str) -> NoReturn:
    raise UnloadableError(text, "and more")


def fail_own_unpicklable(text: str) -> NoReturn:
    raise OwnUnpicklableError(text)


def fail_own_unloadable(text: str) -> NoReturn:
    raise OwnUnloadableError(text, "and more")


def leave(text: str) -> NoReturn:
    sys.exit(text)


def interrupt(text: str) -> NoReturn:
    raise KeyboardInterrupt(text)


# Functions whose task or result cannot be sent to another process.


def _refuse(text: str) -> NoReturn:
    raise TypeError(text)


def _end_of_file(text: str) -> NoReturn:
    raise EOFError(text)


class Unpicklable:
    """A task or result that cannot be pickled."""

    def __reduce__(self) -> NoReturn:
        _refuse("this cannot be pickled")


@dataclass(frozen=True)
class Unloadable:
    """A task or result that can be pickled, but not unpickled."""

    text: str
    load: Callable[[str], NoReturn] = _refuse

    def __reduce__(self) -> tuple[Callable[[str], NoReturn], tuple[str]]:
        return self.load, (self.text,)


def unpicklable_result(_text: str) -> Unpicklable:
    return Unpicklable()


def unloadable_result(text: str) -> Unloadable:
    return Unloadable(text)


def result_like_a_closed_pipe(text: str) -> Unloadable:
    """Return a value that raises ``EOFError`` when unpickled, as a dead worker's pipe does."""
    return Unloadable(text, _end_of_file)


# Functions that end their process.


@dataclass(frozen=True)
class Deadly:
    """A task that ends the process of its worker the first ``times`` times.

    Each death leaves its process id as a line of the file ``log``.
    """

    log: Path
    times: int
    how: str = "SIGKILL"
    value: int = 0

    def __str__(self) -> str:
        return f"the deadly task {self.value}"


def survive(task: Deadly) -> int:
    """Return twice the task's value, if it lets its worker live."""
    task.log.touch()
    if len(task.log.read_text().splitlines()) < task.times:
        with task.log.open("a") as log:
            log.write(f"{os.getpid()}\n")
        if task.how == "os._exit":
            os._exit(1)
        os.kill(os.getpid(), signal.Signals[task.how])
    return 2 * task.value


def die(_task: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# How the tests observe processes.


@dataclass(frozen=True, slots=True)
class Process:
    """One process as ``/proc`` shows it; ``state`` is R (running), S (asleep), Z (a zombie), ..."""

    pid: int
    state: str
    parent: int
    session: int

    @property
    def command(self) -> str:
        try:
            return Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""

    @property
    def kind(self) -> Literal["gone", "tracker", "server", "worker"]:
        """Tell the helpers of multiprocessing from a worker, or whatever else this may be.

        A process that is about to become a zombie has no command any more, but may still have its
        descriptors. The forkserver's children have the forkserver's command.
        """
        command = self.command
        if self.state in "ZX" or not command:
            return "gone"
        if "multiprocessing.resource_tracker" in command:
            return "tracker"
        return "server" if "multiprocessing.forkserver" in command else "worker"

    def catches(self, signum: int) -> bool:
        """Tell whether the process has a handler for a signal."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return False
        mask = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(mask >> (signum - 1) & 1)


def processes() -> list[Process]:
    """Return all processes, except those that end while they are listed."""
    found = []
    for path in Path("/proc").iterdir():  # glob may raise for a process that is just ending
        if path.name.isdigit():
            with suppress(OSError):
                fields = (path / "stat").read_bytes().rpartition(b")")[2].split()
                found.append(
                    Process(int(path.name), fields[0].decode(), int(fields[1]), int(fields[3]))
                )
    return found


def workers_of(parent: int, *, but: int = 0) -> list[Process]:
    """Return the workers of a process's pools, however they were started."""
    everybody = processes()
    found = []
    for child in everybody:
        if child.parent != parent or child.pid == but:
            continue
        kind = child.kind
        if kind == "worker":
            found.append(child)
        elif kind == "server":
            found += [one for one in everybody if one.parent == child.pid and one.kind != "gone"]
    return found


def wait_until(condition: Callable[[], Any], *, seconds: float = 10) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def _kill_workers(parent: int, kills: int, seed: int) -> None:
    """Kill random workers of ``parent`` at random moments; print how many were busy and idle.

    Each byte on standard input begins a run, in which at most ``KILLS_PER_RUN`` are killed.
    """
    chance = random.Random(seed)  # noqa: S311
    hits = {"busy": 0, "idle": 0}
    budget = 0
    while sum(hits.values()) < kills:
        if budget == 0 or select.select([0], [], [], 0)[0]:
            if not os.read(0, 4096):
                break
            budget = KILLS_PER_RUN
        time.sleep(chance.expovariate(1 / 0.004))
        victims = workers_of(parent, but=os.getpid())
        if victims and select.select([0], [], [], 0)[0] == []:
            victim = chance.choice(victims)
            try:
                os.kill(victim.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            budget -= 1
            hits["idle" if victim.state == "S" else "busy"] += 1
    print(json.dumps(hits))


if __name__ == "__main__":
    _kill_workers(*map(int, sys.argv[1:]))


def kernel_name(_task: object) -> str:
    """Return the name of the kernel that this process uses."""
    from mapreduce import kernel

    return kernel.NAME


def die_behind_a_child(_task: object) -> None:
    """Leave a child that holds the worker's pipe, and die."""
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def touch(path: Path) -> None:
    path.touch()


def count_lines(path: Path) -> tuple[int, dict[bytes, int]]:
    """Count whole lines with two workers; return how many there were, and the counts."""
    from mapreduce import run
    from mapreduce.jobs.count import count

    result = run(count("1"), [path], workers=2, split_size=50)
    return result.stats.workers, dict(result.counts)


def send_result(connection: Connection, function: Callable[[Any], Any], argument: Any) -> None:
    connection.send(function(argument))


def variable(name: str) -> str | None:
    """Return a variable of the environment that this process has."""
    return os.environ.get(name)
