"""Which files that were found in directories are our own, and must not be counted unasked.

They are what the job was built from (a lookup table), what this run writes, and what the manifest
of an earlier run, where it was met, lists as written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mapreduce.outputs.manifest import MANIFEST, own_outputs


def own_among(found: Sequence[str], without: Iterable[Path]) -> list[str]:
    """Return the paths among those ``found`` that lead to our own files, ``without`` included."""
    given = [*without]
    own = {os.path.realpath(path) for path in given}
    for directory in {path.rpartition("/")[0] for path in found}:
        if os.path.lexists(f"{directory or '.'}/{MANIFEST}"):
            own |= {*map(str, own_outputs(Path(directory)))}
    names = {path.name for path in (*map(Path, own), *given)}  # a real path costs more than a name
    return [
        path
        for path in (found if names else ())
        if path.rpartition("/")[2] in names and os.path.realpath(path) in own
    ]
