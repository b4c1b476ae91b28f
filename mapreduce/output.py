"""Tables to files, all or nothing.

Every file is first written whole and synced under a temporary name beside its target; only when
all are complete are they renamed. Until then, whatever was there before is untouched.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mapreduce.errors import OutputError, UsageError
from mapreduce.inputs import STDIN, printable
from mapreduce.table import Table, table_text


def check_targets(targets: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Raise ``UsageError`` if a target cannot be written or is one of the inputs."""
    read = [status for path in inputs if (status := _status(path))]
    for target in targets:
        status = _status(target)
        if status and any(os.path.samestat(status, other) for other in read):
            raise UsageError(f"{printable(str(target))}: is an input; choose another output")
        if status and not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise UsageError(f"{printable(str(target))}: is {kind}")
        real = os.path.realpath(target)
        if os.path.islink(real):  # noqa: PTH114 - the other one raises where it may not look
            raise UsageError(f"{printable(str(target))}: too many levels of symbolic links")
        _check_directory(Path(real).parent)


def _status(path: str | Path) -> os.stat_result | None:
    try:
        return os.fstat(0) if str(path) == STDIN else Path(path).stat()
    except OSError:
        return None


def _check_directory(directory: Path) -> None:
    """Raise ``UsageError`` unless files can be made in a directory or it can be made itself."""
    name = printable(str(directory))
    existing = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise UsageError(f"{name}: cannot be made, {printable(str(existing))} is not a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"{name}: permission denied, or a read-only file system")


def write_tables(
    tables: Iterable[Table], directory: Path, *, check: Callable[[], object]
) -> list[Path]:
    """Write each table as CSV into ``directory``; return the paths.

    ``check`` is called at the last moment at which nothing has been changed yet, and may raise.
    Raises ``OutputError``.
    """
    texts = {directory / table.name: table_text(table) for table in tables}
    write_files(texts, check=check)
    return list(texts)


def write_files(texts: Mapping[Path, Iterable[bytes]], *, check: Callable[[], object]) -> None:
    """Make all files complete, then rename all; raise ``OutputError`` with nothing changed."""
    with ExitStack() as temporaries:
        renames = [
            (_write_beside(target, text, temporaries), target) for target, text in texts.items()
        ]
        check()
        for temporary, target in renames:
            with _blamed_on(target):
                temporary.replace(os.path.realpath(target))
        for directory in {Path(os.path.realpath(target)).parent for target in texts}:
            _sync_directory(directory)


def _write_beside(target: Path, text: Iterable[bytes], temporaries: ExitStack) -> Path:
    """Write a synced temporary file in the directory of the target, and see that it will go."""
    real = Path(os.path.realpath(target))  # a link stays a link; what it points to is replaced
    with _blamed_on(real.parent):
        real.parent.mkdir(parents=True, exist_ok=True)
    with _blamed_on(target):
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary = real.with_name(f".{real.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)  # of a killed process that had our number
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        temporaries.callback(temporary.unlink, missing_ok=True)
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor
            file.writelines(text)
            file.flush()
            os.fchmod(handle, _mode(real))
            os.fsync(handle)
    return temporary


def _mode(target: Path) -> int:
    """Return the permissions that the target has, or that any new file would get."""
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _sync_directory(directory: Path) -> None:
    with _blamed_on(directory):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(str(path))}: {error.strerror}") from error
