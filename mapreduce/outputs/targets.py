"""What a run writes: the tables of the job, the manifest beside them, and the malformed lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapreduce.errors import UsageError, printable
from mapreduce.outputs.files import Digests, check_targets, commit, private_directory
from mapreduce.outputs.manifest import MANIFEST, manifest_text
from mapreduce.outputs.rejects import JSON_SUFFIXES, Spool
from mapreduce.outputs.table import Table, table_text


@dataclass(frozen=True, slots=True)
class Targets:
    """The directory of the tables and the file of the malformed lines, each if there is one."""

    directory: Path | None
    rejects: Path | None

    def check(self, outputs: Iterable[str], inputs: Iterable[str | Path]) -> None:
        """Raise ``UsageError`` for a file that cannot be written, is an input, or stands twice.

        ``outputs`` are the names of the tables that the job has declared.
        """
        directory, names = self.directory, (*outputs, MANIFEST)
        files = [] if directory is None else [directory / name for name in names]
        if self.rejects is not None:
            if os.path.realpath(self.rejects) in map(os.path.realpath, files):
                raise UsageError(f"{printable(str(self.rejects))}: is another output, too")
            files.append(self.rejects)
        check_targets(files, inputs)

    @contextmanager
    def spool(self) -> Iterator[Spool | None]:
        """Make the spool of the malformed lines, if they are wanted; remove it at the end."""
        if self.rejects is None:
            yield None
            return
        with private_directory(self.rejects) as directory:
            yield Spool(directory, self.rejects.suffix in JSON_SUFFIXES)

    def write(
        self,
        tables: Sequence[Table],
        spool: Spool | None,
        *,
        describe: Callable[[], dict[str, Any]],
        check: Callable[[], object],
    ) -> list[Path]:
        """Write tables, manifest and malformed lines, all or nothing; return the tables' paths.

        ``describe`` gives what the manifest says besides the digests of the files. ``check`` is
        called at the last moment at which nothing has been changed yet, and may raise. Raises
        ``OutputError``.
        """
        rejects = {self.rejects: spool.text()} if self.rejects and spool else {}
        directory = self.directory
        if directory is None:
            commit(rejects, check=check)
            return []

        def manifest(digests: Digests) -> bytes:
            return manifest_text(directory, describe(), digests)

        texts = {directory / table.name: table_text(table) for table in tables}
        commit(texts | rejects, manifest=(directory / MANIFEST, manifest), check=check)
        return list(texts)

    def write_rejects(self, spool: Spool | None, *, check: Callable[[], object]) -> None:
        """Write the malformed lines alone, if they are wanted."""
        if self.rejects and spool:
            commit({self.rejects: spool.text()}, check=check)
