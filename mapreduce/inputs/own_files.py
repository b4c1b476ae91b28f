"""Find the program's own files among those found in directories, so that they are not counted.

Own files are those that the job was built from (such as a lookup table), those that this run
writes, and those that the manifest of an earlier run in the same directory lists.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mapreduce.outputs.manifest import MANIFEST, own_outputs


def own_files(found: Sequence[str], without: Iterable[Path]) -> list[str]:
    """Return the ``found`` paths that lead to own files, among which are those ``without``."""
    given = [*without]
    own = {os.path.realpath(path) for path in given}
    for directory in {path.rpartition("/")[0] for path in found}:
        if os.path.lexists(f"{directory or '.'}/{MANIFEST}"):
            own |= {*map(str, own_outputs(Path(directory)))}
    # comparing names comes first, because finding real paths is slow
    names = {path.name for path in (*map(Path, own), *given)}
    return [
        path
        for path in (found if names else ())
        if path.rpartition("/")[2] in names and os.path.realpath(path) in own
    ]
