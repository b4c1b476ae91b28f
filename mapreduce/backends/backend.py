"""A Backend runs functions: in this process, in other processes, or on other machines.

It knows nothing of what the functions compute. The engine submits calls until ``capacity`` of them
are unfinished, waits for some to finish, and submits more. The result of a call stays where it was
computed until it is fetched; a later call may name it by its handle, so that two partial results
can be merged by a worker without passing through the parent.

To add a backend, write a class with the members of ``Backend`` and run the conformance suite on it
(tests/backends/test_conformance.py). The suite contains a complete backend for the executors of
``concurrent.futures``, which is shorter than a page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeAlias, runtime_checkable

from mapreduce.errors import UsageError, named

Handle: TypeAlias = Any
"""What ``submit`` returns: a hashable object that names the result of one call. Only the backend
that made it looks inside. The backend may forget a result when nobody holds its handle any more."""


@runtime_checkable
class Backend(Protocol):
    """What the engine requires of an object that runs its functions.

    The engine calls it from one thread and never calls ``fetch``, or submits a handle as an
    argument, before ``wait`` has returned that handle. Whoever has made a backend closes it. A
    backend may also say how far a call has come: see ``Reporting``.
    """

    @property
    def workers(self) -> int:
        """How many calls run at the same time."""

    @property
    def capacity(self) -> int:
        """How many unfinished calls keep all workers busy; at least ``workers``."""

    @property
    def sees_local_files(self) -> bool:
        """Whether the workers can open the files of this machine by the same paths."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Handle:
        """Arrange that ``function(*arguments)`` is called once, and return a handle of its result.

        An argument that is a handle stands for the result that it names. Does not wait for the
        call. Calls may run and finish in any order.
        """

    def wait(self, seconds: float, /) -> Collection[Handle]:
        """Return the handles of calls that have finished, each handle once.

        Waits until at least one has, but no longer than about ``seconds`` (a backend that runs
        calls in the very thread that waits may take as long as one call). It may return nothing
        before that, and does so at once if no call is unfinished. Raises what a call has raised: a
        ``MapReduceError`` as itself.
        """

    def fetch(self, handle: Handle, /) -> Any:
        """Return the result of a call that has finished."""

    def cancel(self) -> None:
        """Give up all calls that ``wait`` has not returned: it must never return them.

        The backend can be used for other calls after that.
        """


@runtime_checkable
class Reporting(Protocol):
    """An optional member of a backend: with it, the progress bar moves while calls run."""

    def progress(self, handle: Handle, /) -> int:
        """Return how much an unfinished call has reported so far (see ``report``); 0 if unknown.

        The engine asks for each unfinished call about ten times a second.
        """


def progress_of(backend: Backend) -> Callable[[Handle], int]:
    """Return a function that says how far a call has come, or 0 if the backend does not know."""
    return backend.progress if isinstance(backend, Reporting) else lambda _handle: 0


def can_start_processes() -> bool:
    """Return whether this process may start other processes.

    A daemonic process may not, such as a worker of a ``multiprocessing.Pool`` or of Celery.
    """
    process = sys.modules.get("multiprocessing.process")  # imported in every such worker
    return process is None or not process.current_process().daemon


def adapt_backend(given: object) -> Backend:
    """Return the given backend, or a backend for the given Pool of ``multiprocessing``.

    Raises ``UsageError`` for anything else.
    """
    pools = sys.modules.get("multiprocessing.pool")  # if it is not imported, no Pool exists
    if pools is not None and isinstance(given, pools.Pool):
        from mapreduce.backends.standard_pool import StandardPool  # noqa: PLC0415 - needs Pool

        return StandardPool(given)
    if isinstance(given, Backend):
        return given
    raise UsageError(
        f"{named('backend', type(given).__name__)}: must be a multiprocessing.Pool, or have the "
        "members of mapreduce.Backend"
    )
