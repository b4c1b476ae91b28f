"""SIGINT, SIGTERM and the end of a terminal: one line, nothing half done, no process left.

The signals go to the real command. What it does before Python has come to its ``main`` is not
ours; that it has is seen by its handler for SIGTERM, which only ``main`` installs.
"""

from __future__ import annotations

import array
import csv
import fcntl
import io
import os
import random
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

import pytest
from conftest import without_manifest
from faulty import Process, processes, wait_until, workers_of
from promises import becomes, change, promise

from mapreduce.cli.signals import StopRequest
from mapreduce.errors import Stopped
from mapreduce.kernel.pace import PYTHON

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

DATA = Path(__file__).resolve().parents[2] / "data"
SAMPLE = DATA / "flowlogs-2000.log"
EXPECTED = DATA / "expected" / "flowlogs-2000"
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
METHODS = ["fork", "forkserver", "spawn"]
OLD: Final = {
    "tag2count.csv": b"Tag,Count\nearlier,1\n",
    "portprotocolcount.csv": b"Port,Protocol,Count\n1,tcp,1\n",
}
"""What stands in the output directory before each run."""

signals = pytest.mark.parametrize("signum", SIGNALS, ids=lambda signum: signum.name)


@dataclass(frozen=True)
class Large:
    """A file that is worth a pool, what counting it once gives, and how many seconds that takes."""

    path: Path
    tables: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    directory = tmp_path_factory.mktemp("large")
    sample = SAMPLE.read_bytes()
    times = PYTHON.parallel_threshold * 9 // 8 // len(sample)  # enough to be worth a pool
    path = directory / "large.log"
    path.write_bytes(sample * times)
    tables = {name: multiply(EXPECTED / name, times) for name in OLD}
    output = directory / "output"
    output.mkdir()
    started = time.monotonic()
    with running(output, "-j", "2", str(path)) as run:
        assert wait_until(run.started)
        started = time.monotonic()
        run.finish()
    assert run.found() == tables
    return Large(path, tables, time.monotonic() - started)


def multiply(table: Path, times: int) -> bytes:
    """Return a CSV with each number of its last column multiplied."""
    header, *rows = csv.reader(io.StringIO(table.read_text(), newline=""))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([*row[:-1], int(row[-1]) * times] for row in rows)
    return text.getvalue().encode()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A directory with the results of an earlier run."""
    directory = tmp_path / "output"
    directory.mkdir()
    for name, data in OLD.items():
        (directory / name).write_bytes(data)
    return directory


@dataclass
class Run:
    """One run of the command, the leader of a session of its own."""

    process: subprocess.Popen[bytes]
    output: Path
    temporary: Path
    stderr: str = ""

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin
        return self.process.stdin

    def started(self) -> bool:
        """Tell whether ``main`` has taken over the signals, or all is over already."""
        itself = Process(self.process.pid, "", 0, 0)
        return itself.catches(signal.SIGTERM) or self.process.poll() is not None

    def busy(self) -> bool:
        """Tell whether two workers are running."""
        return len(workers_of(self.process.pid)) == 2

    def has_read(self, size: int) -> bool:
        """Tell whether the process has read so many bytes itself."""
        text = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(text.partition("rchar:")[2].split()[0]) >= size

    def has_taken_stdin(self) -> bool:
        """Tell whether all that was written to its standard input has been read."""
        left = array.array("i", [1])
        fcntl.ioctl(self.stdin.fileno(), termios.FIONREAD, left)
        return left[0] == 0

    def finish(self) -> int:
        """Wait for the end; check that it leaves no process and, in time, no helper either."""
        self.process.wait(timeout=20)
        assert [p for p in self.members() if p.kind == "worker"] == []
        assert wait_until(lambda: not self.members(), seconds=5)
        assert self.process.stderr
        self.stderr = self.process.stderr.read().decode()
        if self.process.returncode != -signal.SIGKILL:
            assert list(self.temporary.iterdir()) == []
        return self.process.returncode

    def members(self) -> list[Process]:
        return [p for p in processes() if p.session == self.process.pid and p.kind != "gone"]

    def found(self) -> dict[str, bytes]:
        """Return all that is in the output directory but the manifest, which is checked."""
        return without_manifest({path.name: path.read_bytes() for path in self.output.iterdir()})

    def check_stopped(self, signum: signal.Signals) -> None:
        """Check everything that is promised of a run that a signal ended."""
        code = self.finish()
        assert self.stderr == stopped(signum)
        assert code == 128 + signum
        assert self.found() == OLD


def stopped(signum: signal.Signals) -> str:
    """Return all that a stopped run says."""
    return f"mapreduce: stopped by {signum.name}; nothing was written\n"


@contextmanager
def running(
    output: Path, *arguments: str, command: tuple[str, ...] = ("-m", "mapreduce")
) -> Iterator[Run]:
    """Start ``mapreduce flowlogs``; leave nothing of it behind, whatever happens."""
    lookup = ["--lookup", str(DATA / "lookup.csv")]
    with (
        TemporaryDirectory(prefix="m") as temporary,  # short: it must hold the path of a socket
        subprocess.Popen(
            [sys.executable, *command, "flowlogs", *lookup, "--output", str(output), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "MAPREDUCE_KERNEL": "pure", "TMPDIR": temporary},  # slow enough
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Run(process, output, Path(temporary))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


# One signal at a chosen moment


@promise(
    "A signal ends a run with 130 or 143, one line, nothing left",
    broken_by=change(
        "mapreduce.cli.signals:StopRequest.check",
        "raise Stopped(self._received, self._received.name)",
        "pass",
    ),
)
@pytest.mark.parametrize(
    ("signum", "method"),
    [
        *((signum, "fork") for signum in SIGNALS),
        *((signum, "forkserver") for signum in SIGNALS),
        (signal.SIGTERM, "spawn"),
        (signal.SIGHUP, "spawn"),
    ],
)
def test_a_signal_ends_a_run_with_a_busy_pool(
    method: str, signum: signal.Signals, large: Large, output: Path
) -> None:
    inputs = [str(large.path)] * 4
    with running(output, "-j", "2", "--start-method", method, *inputs) as run:
        assert wait_until(run.busy)
        time.sleep(0.1)
        run.process.send_signal(signum)
        run.check_stopped(signum)


@signals
def test_a_signal_ends_a_run_in_one_process(
    signum: signal.Signals, large: Large, output: Path
) -> None:
    with running(output, "-j", "1", *[str(large.path)] * 4) as run:
        assert wait_until(lambda: run.has_read(20_000_000))
        run.process.send_signal(signum)
        run.check_stopped(signum)


@signals
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_ends_a_run_that_waits_for_standard_input(
    workers: str, signum: signal.Signals, output: Path
) -> None:
    with running(output, "-j", workers, "-") as run:
        run.stdin.write(SAMPLE.read_bytes()[:5000])
        run.stdin.flush()
        assert wait_until(run.has_taken_stdin)
        run.process.send_signal(signum)
        run.check_stopped(signum)


@signals
def test_a_signal_ends_a_run_that_shows_its_progress(
    signum: signal.Signals, large: Large, output: Path
) -> None:
    with running(output, "-j", "2", "--progress", *[str(large.path)] * 4) as run:
        assert wait_until(run.busy)
        time.sleep(0.1)
        run.process.send_signal(signum)
        assert run.finish() == 128 + signum
        assert run.stderr.endswith(stopped(signum))
        assert "Traceback" not in run.stderr
        assert run.found() == OLD


SIGNAL_IN_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            for signum in SIGNALS:
                os.kill(os.getpid(), signum)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

MODULE, SIGNALS = sys.argv.pop(1), [int(word) for word in sys.argv.pop(1).split(",")]
sys.meta_path.insert(0, Finder())
from mapreduce.__main__ import main
sys.exit(main())
"""


@signals
@pytest.mark.parametrize("module", ["typer", "mapreduce.jobs.flowlogs.job"])
def test_a_signal_while_the_program_is_still_being_imported(
    module: str, signum: signal.Signals, output: Path
) -> None:
    command = ("-c", SIGNAL_IN_IMPORT, module, str(int(signum)))
    with running(output, str(SAMPLE), command=command) as run:
        run.check_stopped(signum)


@pytest.mark.parametrize("module", ["typer", "mapreduce.jobs.flowlogs.job"])
def test_two_signals_at_once_while_the_program_is_still_being_imported(
    module: str, output: Path
) -> None:
    both = ",".join(str(int(signum)) for signum in SIGNALS)
    with running(output, str(SAMPLE), command=("-c", SIGNAL_IN_IMPORT, module, both)) as run:
        assert run.finish() in {128 + signum for signum in SIGNALS}
        assert run.stderr.splitlines()[1:] == []
        assert run.found() == OLD


def test_more_signals_change_nothing(large: Large, output: Path) -> None:
    with running(output, "-j", "2", *[str(large.path)] * 4) as run:
        assert wait_until(run.busy)
        while run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
            time.sleep(0.0005)
        run.check_stopped(signal.SIGINT)


SIGNAL_AT_THE_END = """
import os, signal, sys

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), signum=int(sys.argv.pop(1))):
        kill(pid, signum)

late = Late()  # goes when Python clears its modules, after it has put its signal handlers away
from mapreduce.__main__ import main
sys.exit(main())
"""


@signals
def test_a_signal_after_the_results_are_written_changes_nothing(
    signum: signal.Signals, output: Path
) -> None:
    command = ("-c", SIGNAL_AT_THE_END, str(int(signum)))
    with running(output, str(SAMPLE), command=command) as run:
        code = run.finish()
        assert "2,000 lines" in run.stderr
        assert run.found() == {name: multiply(EXPECTED / name, 1) for name in OLD}
        assert code == 0


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_in_a_terminal_reaches_starting_workers_too(
    method: str, large: Large, output: Path
) -> None:
    def starting() -> bool:
        """Tell whether Python has come up in a worker or its server, but not ignored SIGINT yet."""
        if method == "fork":
            return run.busy()
        leader = Process(run.process.pid, "", 0, 0)
        others = [p for p in run.members() if p.command != leader.command]
        others = [p for p in others if p.kind != "tracker"]
        return any(p.catches(signal.SIGINT) for p in others)

    inputs = [str(large.path)] * 8
    with running(output, "-j", "2", "--start-method", method, *inputs) as run:
        wait_until(starting, seconds=0.5)  # a short moment that may be missed
        os.killpg(run.process.pid, signal.SIGINT)
        run.check_stopped(signal.SIGINT)


@signals
def test_a_signal_ends_a_run_that_waits_for_a_list(tmp_path: Path, signum: signal.Signals) -> None:
    os.mkfifo(tmp_path / "list")
    command = [sys.executable, "-m", "mapreduce", "count", "-F", "1", f"@{tmp_path / 'list'}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert wait_until(lambda: Process(process.pid, "", 0, 0).catches(signal.SIGTERM))
        time.sleep(0.3)
        process.send_signal(signum)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (128 + signum, stopped(signum))


# Signals at random moments


def interrupt_at_random(
    large: Large, output: Path, *, times: int, methods: list[str], groups: list[bool]
) -> Counter[str]:
    """Send a signal at a random moment, many times; return how often each outcome was seen."""
    chance = random.Random(random.randrange(1 << 30))  # noqa: S311 - pytest-randomly seeds it
    outcomes: Counter[str] = Counter()
    for _ in range(times):
        method, group = chance.choice(methods), chance.choice(groups)
        signum = chance.choice(SIGNALS)
        delay = chance.uniform(0, 1.3 * large.seconds)
        (output / "_SUCCESS.json").unlink(missing_ok=True)
        for name, data in OLD.items():
            (output / name).write_bytes(data)
        with running(output, "-j", "2", "--start-method", method, str(large.path)) as run:
            assert wait_until(run.started)
            time.sleep(delay)
            if run.process.poll() is None:
                (os.killpg if group else os.kill)(run.process.pid, signum)
            code = run.finish()
        case = f"{signum.name} to {method=} {group=} after {delay:.4f} s: {code=}\n{run.stderr}"
        if code == 128 + signum:
            assert run.stderr == stopped(signum), case
            assert run.found() == OLD, case
        else:  # the signal came too late, or even when Python had put its handlers away
            assert code in (0, -signum), case
            assert " lines in " in run.stderr, case
            told = [line for line in run.stderr.splitlines() if not line.startswith("note: ")]
            assert len(told) == 1 + len(OLD), case
            assert run.found() == large.tables, case
        outcomes["stopped" if code > 0 else "complete"] += 1
    return outcomes


@promise(
    "A signal may come at whatever moment (300 random ones in the soak)",
    broken_by=change(
        "mapreduce.cli.signals:StopRequest.check",
        "raise Stopped(self._received, self._received.name)",
        "raise SystemExit(130)",
    ),
)
def test_a_signal_at_any_moment_leaves_the_old_results_or_the_new(
    large: Large, output: Path, record_property: Callable[[str, object], None]
) -> None:
    outcomes = interrupt_at_random(large, output, times=8, methods=["fork"], groups=[False])
    record_property("outcomes", dict(outcomes))
    print(outcomes)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_300_signals_at_any_moment_leave_the_old_results_or_the_new(
    large: Large, output: Path, record_property: Callable[[str, object], None]
) -> None:
    outcomes = interrupt_at_random(large, output, times=300, methods=METHODS, groups=[False, True])
    record_property("outcomes", dict(outcomes))
    print(outcomes)
    assert outcomes.keys() == {"stopped", "complete"}


# A parent that has no time for anything


@promise(
    "Workers end by themselves when their parent is killed",
    broken_by=change("mapreduce.backends.worker:work", "other.close()", "pass"),
)
@pytest.mark.parametrize("method", METHODS)
def test_the_workers_of_a_killed_run_end_by_themselves(
    method: str, large: Large, output: Path
) -> None:
    inputs = [str(large.path)] * 4
    with running(output, "-j", "2", "--start-method", method, *inputs) as run:
        assert wait_until(run.busy)
        time.sleep(0.1)
        run.process.kill()
        run.process.wait()
        assert wait_until(lambda: not run.members(), seconds=5)
        assert run.finish() == -signal.SIGKILL
        assert run.stderr == ""
        assert run.found() == OLD


# Signals that somebody has decided to ignore, and those that come before anything else


@pytest.mark.parametrize(
    ("signum", "method"),
    [(signal.SIGINT, "fork"), (signal.SIGHUP, "forkserver"), (signal.SIGQUIT, "fork")],
)
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(
    method: str, signum: signal.Signals, large: Large, output: Path
) -> None:
    """As ``nohup`` and the background jobs of a shell are started."""
    ignoring = f"import signal; signal.signal({int(signum)}, signal.SIG_IGN); "
    command = ("-c", ignoring + "from mapreduce.__main__ import mapreduce; mapreduce()")
    arguments = ("-j", "2", "--start-method", method, str(large.path))
    with running(output, *arguments, command=command) as run:
        assert wait_until(run.busy)
        os.killpg(run.process.pid, signum)
        assert run.finish() == 0
        assert run.found() == large.tables


@promise(
    "A run under nohup outlives its terminal",
    broken_by=change(
        "mapreduce.cli.signals:StopRequest.take_over",
        "signal.getsignal(signum) is not signal.SIG_IGN",
        "True",
    ),
)
def test_a_run_under_nohup_outlives_its_terminal(large: Large, output: Path) -> None:
    nohup = "import os, sys; os.execvp('nohup', ['nohup', sys.executable, '-m', 'mapreduce'"
    with running(output, str(large.path), command=("-c", nohup + ", *sys.argv[1:]])")) as run:
        assert wait_until(run.started)
        run.process.send_signal(signal.SIGHUP)
        assert run.finish() == 0
        assert run.found() == large.tables


INTERRUPTED_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000): pass

MODULE = sys.argv.pop(1)
sys.meta_path.insert(0, Finder())
from mapreduce.__main__ import mapreduce
mapreduce()
"""


@promise(
    "Ctrl-C is one line, even before anything has begun",
    broken_by=change("mapreduce.__main__:_run", "KeyboardInterrupt", "ZeroDivisionError"),
)
@pytest.mark.parametrize("module", ["mapreduce.cli", "mapreduce.cli.signals"])
def test_ctrl_c_before_the_signals_are_taken_over_is_one_line(module: str, output: Path) -> None:
    with running(output, str(SAMPLE), command=("-c", INTERRUPTED_IMPORT, module)) as run:
        run.check_stopped(signal.SIGINT)


# The note that the handlers take


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    """A request that has taken over the signals of this process."""
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    request = StopRequest()
    request.take_over()
    yield request
    for signum, handler in before.items():
        signal.signal(signum, handler)


@promise(
    "SIGHUP and SIGQUIT end a run as SIGTERM does",
    broken_by=becomes("mapreduce.cli.signals:SIGNALS", "(signal.SIGINT, signal.SIGTERM)"),
)
@signals
def test_a_signal_is_noted_and_raised_by_the_next_check(
    stop: StopRequest, signum: signal.Signals
) -> None:
    stop.check()
    signal.raise_signal(signum)
    with pytest.raises(Stopped) as caught:
        stop.check()
    assert caught.value.exit_code == 128 + signum
    assert str(caught.value) == f"stopped by {signum.name}; nothing was written"


@signals
def test_a_signal_is_raised_at_once_only_where_that_was_asked_for(
    stop: StopRequest, signum: signal.Signals
) -> None:
    with pytest.raises(Stopped), stop.raising():
        signal.raise_signal(signum)
    signal.raise_signal(signum)
    with pytest.raises(Stopped), stop.raising():
        pytest.fail("a signal that had come before was not raised")


def test_no_signal_no_stop(stop: StopRequest) -> None:
    stop.check()
    with stop.raising():
        stop.check()
