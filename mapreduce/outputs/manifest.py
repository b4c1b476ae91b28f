"""The manifest: a file beside the tables that says what they are and of which run.

Where it stands, the files that it lists are whole and of one run. Later runs read it, too: to leave
these files out of their inputs, and to remove those that they do not write again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mapreduce.outputs.files import Digest, Digests

MANIFEST: Final = "_SUCCESS.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says of files; ``outputs`` maps each name, as its directory sees it."""

    path: Path
    outputs: Mapping[str, Digest]

    @property
    def files(self) -> list[Path]:
        """The manifest itself and the files that it lists."""
        return [self.path, *(self.path.parent / name for name in self.outputs)]


def manifest_text(directory: Path, described: Mapping[str, object], digests: Digests) -> bytes:
    """Return what a run says of itself and of its outputs, as JSON."""
    import json  # noqa: PLC0415 - start-up counts

    outputs = {
        os.path.relpath(path, directory): {"bytes": digest.size, "sha256": digest.sha256}
        for path, digest in digests.items()
    }
    return json.dumps({**described, "outputs": outputs}, indent=1).encode() + b"\n"


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; return ``None`` if there is none, or if the file is something else."""
    try:
        text = path.read_bytes()
    except OSError:
        return None
    import json  # noqa: PLC0415 - start-up counts

    try:
        said: Any = json.loads(text)
        outputs = {
            str(name): Digest(int(file["bytes"]), str(file["sha256"]))
            for name, file in said["outputs"].items()
        }
        return Manifest(path, outputs) if isinstance(said["version"], str) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # a file of this name that no run of ours has written


def own_outputs(directory: Path | None, *targets: Path | None) -> set[Path]:
    """Return the files that are outputs: of an earlier run into ``directory``, and ``targets``.

    They are the manifest there and what it lists, and each target that exists (a file of malformed
    lines or of figures, say). All are real paths, without symbolic links. A run that is given a
    directory as its input must not count them.
    """
    manifest = None if directory is None else read_manifest(directory / MANIFEST)
    files = [*(manifest.files if manifest else ()), *(target for target in targets if target)]
    return {Path(os.path.realpath(file)) for file in files if os.path.lexists(file)}
