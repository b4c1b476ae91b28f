"""The manifest: a file beside the tables that says what they are and of which run.

Where it stands, the files that it lists are whole and of one run. Later runs read it, too: to leave
these files out of their inputs, and to remove those that they do not write again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from mapreduce.outputs.temporary import (
    Digest,
    Digests,
    best_effort,
    blamed_on,
    close,
    leftovers,
)

MANIFEST: Final = "_SUCCESS.json"

_PIECE: Final = 1 << 20

Outputs = Mapping[str, Digest]
"""What a manifest says of each file, by its path as seen from the manifest's directory."""


def manifest_text(
    directory: Path,
    described: Mapping[str, object],
    side_inputs: Iterable[str | os.PathLike[str]],
    digests: Digests,
) -> bytes:
    """Return what a run says of itself (``described``), of its lookups and its outputs, as JSON."""
    said = {
        **described,
        "side_inputs": [_side_input(Path(path)) for path in side_inputs],
        "outputs": {
            os.path.relpath(path, directory): {"bytes": digest.size, "sha256": digest.sha256}
            for path, digest in digests.items()
        },
    }
    return _as_text(said)


def _as_text(said: Mapping[str, object]) -> bytes:
    import json  # noqa: PLC0415 - start-up counts

    return json.dumps(said, indent=1).encode() + b"\n"


def _side_input(path: Path) -> dict[str, object]:
    """Return which version of a file a job was built from; of a pipe only its name is left."""
    try:
        status = path.stat()
        digest = _digest(path) if stat.S_ISREG(status.st_mode) else None
    except (OSError, ValueError):
        digest = None
    if digest is None:
        return {"path": str(path), "bytes": None, "mtime_ns": None, "sha256": None}
    times = {"bytes": digest.size, "mtime_ns": status.st_mtime_ns}
    return {"path": str(path), **times, "sha256": digest.sha256}


def read_manifest(path: Path) -> Outputs:
    """Return what a manifest lists: nothing, if there is none, or if the file is something else.

    Raises ``OutputError`` if there is one that cannot be read although this user may.
    """
    text = b""
    with blamed_on(path), best_effort(), suppress(FileNotFoundError, NotADirectoryError):
        text = _read(path)
    return _parse(text) if text else {}


def _parse(text: bytes) -> Outputs:
    import json  # noqa: PLC0415 - start-up counts

    try:
        said: Any = json.loads(text)
        outputs = {
            str(name): Digest(int(file["bytes"]), str(file["sha256"]))
            for name, file in said["outputs"].items()
        }
        is_ours = isinstance(said["version"], str) and "\0" not in "".join(outputs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_ours = False  # a file of this name that no run of ours has written
    return outputs if is_ours else {}


def _read(path: Path) -> bytes:
    """Return what a plain file holds, and nothing of a directory or of a FIFO."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        return b"".join(iter(partial(os.read, handle, _PIECE), b""))
    finally:
        close(handle)


def earlier_outputs(directory: Path) -> Iterator[tuple[str, Digest]]:
    """Yield the files that earlier runs into a directory have listed, by their names there.

    A run that was killed amid its renames has left its manifest, or the one before, beside the
    place where one belongs.
    """
    manifest = directory / MANIFEST
    yield from read_manifest(manifest).items()
    for left in leftovers(Path(os.path.realpath(manifest))):
        yield from read_manifest(left).items()
        yield from read_manifest(left / MANIFEST).items()


def manifest_without(directory: Path, target: Path) -> bytes | None:
    """Return the text of the manifest of a directory without an output, if it lists that one."""
    import json  # noqa: PLC0415 - start-up counts

    path, real = directory / MANIFEST, os.path.realpath(target)
    outputs = read_manifest(path)
    kept = [name for name in outputs if os.path.realpath(directory / name) != real]
    if len(kept) == len(outputs):
        return None
    said = json.loads(_read(path))
    said["outputs"] = {name: said["outputs"][name] for name in kept}
    return _as_text(said)


def is_plain(name: str) -> bool:
    """Return whether a name is that of a file in the directory where it is looked for."""
    return bool(name.strip(".")) and "/" not in name and "\0" not in name


def outdated_outputs(
    directory: Path, written: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]
) -> Sequence[Path]:
    """Return the files that earlier runs into a directory have left and that are to be removed.

    They are plain files in the directory itself that are byte for byte what a run has written.
    Neither those are among them that this run writes, nor its inputs.
    """
    real = Path(os.path.realpath(directory))
    earlier = {real / name: digest for name, digest in earlier_outputs(directory) if is_plain(name)}
    for path in map(os.path.realpath, written):
        earlier.pop(Path(path), None)
    if not earlier:
        return []
    spared = [status for path in inputs if (status := _status(path))]
    return [path for path, digest in earlier.items() if _may_go(path, digest, spared)]


def _may_go(path: Path, digest: Digest, spared: Iterable[os.stat_result]) -> bool:
    """Return whether a file is still what a run has written, and none of those to be spared."""
    with blamed_on(path), best_effort(), suppress(FileNotFoundError):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != digest.size:
            return False
        if any(os.path.samestat(status, other) for other in spared):
            return False
        return _digest(path) == digest
    return False


def _status(path: str | os.PathLike[str]) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> Digest:
    from hashlib import sha256 as new_digest  # noqa: PLC0415 - start-up counts

    size, sha256 = 0, new_digest()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            sha256.update(piece)
    return Digest(size, sha256.hexdigest())


def own_outputs(directory: Path | None, *targets: Path | None) -> set[Path]:
    """Return the files that are outputs: of earlier runs into ``directory``, and ``targets``.

    They are the manifest there and what it lists, and each target that exists (a file of malformed
    lines or of figures, say). All are real paths, without symbolic links. A run that is given a
    directory as its input must not count them. Raises ``OutputError``.
    """
    names = [] if directory is None else [name for name, _digest in earlier_outputs(directory)]
    files = [directory / name for name in (MANIFEST, *names) if directory and names]
    files += [target for target in targets if target]
    return {Path(os.path.realpath(file)) for file in files if os.path.isfile(file)}  # noqa: PTH113 - a Path raises where it may not look
