"""The files that a run writes: the job's tables, their manifest, malformed lines and figures."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from mapreduce.errors import JobError, UsageError, printable
from mapreduce.outputs.commit import NewManifest, commit
from mapreduce.outputs.manifest import (
    MANIFEST,
    earlier_outputs,
    is_plain,
    manifest_text,
    manifest_without,
    outdated_outputs,
)
from mapreduce.outputs.table import Table, check_table
from mapreduce.outputs.temporary import Digests, clear_leftovers, private_directory
from mapreduce.outputs.writers import Writer, line_writer_of, writer_of

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Spool

STDIN: Final = "-"
"""The name of standard input among the inputs."""

LONGEST_NAME: Final = 255 - len("..01234567.tmp")
"""Bytes that a file's name may have, so that its temporary name is not too long either."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # Path turns two slashes into one


class Saved(NamedTuple):
    """The paths of the tables that were written, and notes for the user."""

    paths: Sequence[Path]
    notes: Sequence[str] = ()


class Targets(NamedTuple):
    """Where a run writes.

    ``directory`` is for the tables, ``rejects`` is the file for malformed lines, and ``stats`` is
    the file for the figures; ``None`` means that they are not written. ``excel_safe`` keeps a
    spreadsheet from taking text for a formula. ``writer`` is the format of all tables, whose names
    then get its suffix; without it, the suffix of each name chooses the format.
    """

    directory: Path | None
    rejects: Path | None
    excel_safe: bool = False
    writer: Writer | None = None
    stats: Path | None = None

    def check(self, outputs: Sequence[str], inputs: Iterable[str | os.PathLike[str]]) -> None:
        """Raise ``UsageError`` for a file that cannot be written, is an input, or is named twice.

        ``outputs`` are the names of the tables that the job has declared.
        """
        check_names(outputs)
        names = () if self.directory is None else (*map(self._file_name, outputs), MANIFEST)
        files = [self.directory / name for name in names if self.directory]
        files += [path for path in (self.rejects, self.stats) if path]
        check_targets(files, inputs)

    @contextmanager
    def spool(self) -> Iterator[Spool | None]:
        """Make a spool if malformed lines are to be written; remove it at the end."""
        if self.rejects is None:
            yield None
            return
        from mapreduce.outputs.rejects import Spool  # noqa: PLC0415 - few runs write them

        with private_directory(self.rejects) as directory:
            yield Spool(directory, line_writer_of(self.rejects.name), self.excel_safe)

    def write(
        self,
        tables: Sequence[Table],
        spool: Spool | None,
        *,
        malformed: int,
        describe: Callable[[], Mapping[str, object]],
        inputs: Sequence[str | os.PathLike[str]] = (),
        side_inputs: Sequence[str | os.PathLike[str]] = (),
        figures: Callable[[], bytes] = bytes,
        check: Callable[[], object],
    ) -> Saved:
        """Write tables, manifest, malformed lines and figures: all of them, or none.

        ``malformed`` is the number of malformed lines. ``describe`` returns the description of the
        run for the manifest. ``figures`` returns the text of the ``stats`` file. Tables of earlier
        runs into the directory are removed, unless this run writes or reads them. ``check`` is
        called just before the first change; it may raise to stop. Raises ``OutputError`` if a file
        cannot be written; then all files are what they were.
        """
        more = {self.rejects: spool.text(malformed)} if self.rejects and spool else {}
        more |= {self.stats: _deferred(figures)} if self.stats else {}
        if (directory := self.directory) is None:
            return Saved([], commit(more, check=check))
        texts = {directory / self._file_name(table.name): self._text(table) for table in tables}
        removed: list[Path] = []

        def text(digests: Digests) -> bytes:
            return manifest_text(directory, describe(), side_inputs, digests)

        def outdated(digests: Digests) -> Sequence[Path]:
            removed[:] = outdated_outputs(directory, digests, [*inputs, *side_inputs])
            return removed

        earlier = [name for name, _digest in earlier_outputs(directory) if is_plain(name)]
        manifest = NewManifest(directory / MANIFEST, text, outdated)
        notes = commit(texts | more, manifest=manifest, check=check)
        _clear_leftovers_of(directory, [MANIFEST, *earlier])
        gone = [f"{printable(str(path))}: of an earlier run, removed" for path in removed]
        return Saved([*texts], [*gone, *notes])

    def write_rejects(
        self, spool: Spool | None, *, malformed: int, check: Callable[[], object]
    ) -> None:
        """Write only the malformed lines, if a file for them is named.

        If the manifest of an earlier run lists that file, the entry is removed.
        """
        if self.rejects and spool:
            manifest, directory = None, self.directory
            text = None if directory is None else manifest_without(directory, self.rejects)
            if directory and text:
                manifest = NewManifest(directory / MANIFEST, lambda _digests: text)
            commit({self.rejects: spool.text(malformed)}, manifest=manifest, check=check)

    def _file_name(self, name: str) -> str:
        return name if self.writer is None else Path(name).stem + self.writer.suffixes[0]

    def _text(self, table: Table) -> Iterator[bytes]:
        writer = self.writer or writer_of(table.name)
        return writer.text(table, excel_safe=self.excel_safe)


def _deferred(text: Callable[[], bytes]) -> Iterator[bytes]:
    """Yield a text that is made only when all files before it have been written."""
    yield text()


def check_names(outputs: Sequence[str]) -> None:
    """Raise ``UsageError`` unless a job's output names are plain file names, each used once."""
    if isinstance(outputs, str):
        raise UsageError(f"the job's outputs are the text {outputs!r}: write ({outputs!r},)")
    for name in outputs:
        shown = f"the output {printable(str(name))!r} of the job"
        if not isinstance(name, str) or not is_plain(name):
            raise UsageError(f"{shown}: is not a plain file name")
        if name == MANIFEST:
            raise UsageError(f"{shown}: is the name of the manifest; choose another name")
        if outputs.count(name) > 1:
            raise UsageError(f"{shown}: is declared twice")


def check_tables(tables: Sequence[Table], outputs: Sequence[str]) -> None:
    """Raise ``JobError`` unless a job returned each table that it has declared, and no other."""
    if not isinstance(tables, Sequence) or not all(isinstance(t, Table) for t in tables):
        raise JobError(f"finish() of the job returned {tables!r:.60}, not a list of tables")
    names = [table.name for table in tables]
    for name in names:
        shown = printable(str(name))
        if name not in outputs:
            declared = ", ".join(map(repr, outputs)) or "none"
            raise JobError(f"the job returned the table {shown!r}, but declares {declared}")
        if names.count(name) > 1:
            raise JobError(f"the job returned the table {shown!r} twice")
    for name in outputs:
        if name not in names:
            raise JobError(f"the job did not return its table {printable(name)!r}")
    for table in tables:
        check_table(table)


def check_targets(targets: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise ``UsageError`` if a target cannot be written, is an input, or is another target."""
    read = [status for path in inputs if (status := _status(path))]
    seen = set[str]()
    for target in targets:
        real = os.path.realpath(target)
        if reason := _refusal(target, real, read):
            raise UsageError(f"{printable(str(target))}: {reason}")
        if real in seen:
            raise UsageError(f"{printable(str(target))}: is also another output; choose another")
        seen.add(real)
        _check_directory(Path(real).parent)


def _refusal(target: Path, real: str, read: Iterable[os.stat_result]) -> str:
    """Return why a target cannot be written, or an empty text if it can."""
    if _URL.match(str(target)):
        return "outputs are local files; name a directory, and copy the results from there"
    status = _status(target)
    if status and any(os.path.samestat(status, other) for other in read):
        return "is an input; choose another output"
    if status and not stat.S_ISREG(status.st_mode):
        return "is a directory" if stat.S_ISDIR(status.st_mode) else "is not a regular file"
    if os.path.islink(real):  # noqa: PTH114 - Path.is_symlink raises without permission
        return "too many levels of symbolic links"
    if len(os.fsencode(Path(real).name)) > LONGEST_NAME:
        return f"the name is too long: use at most {LONGEST_NAME} bytes"
    return ""


def _status(path: str | os.PathLike[str]) -> os.stat_result | None:
    try:
        return os.fstat(0) if str(path) == STDIN else Path(path).stat()
    except OSError:
        return None


def _check_directory(directory: Path) -> None:
    """Raise ``UsageError`` unless files, and the directory itself if missing, can be created."""
    name = printable(str(directory))
    existing = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise UsageError(
            f"{name}: cannot be created: {printable(str(existing))} is not a directory"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"{name}: permission denied, or a read-only file system")


def _clear_leftovers_of(directory: Path, names: Sequence[str]) -> None:
    """Remove the temporary files that killed runs left beside these outputs."""
    with suppress(OSError):  # what cannot be removed now, the next run finds
        for name in names:
            clear_leftovers(Path(os.path.realpath(directory / name)))
