"""The manifest: a file beside the tables that lists them and describes the run that wrote them.

While the manifest exists, the files that it lists are whole and of one run. Later runs read it to
leave these files out of their inputs, and to remove the files that they do not write again.
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
    as_output_error,
    best_effort,
    close,
    leftovers,
)

MANIFEST: Final = "_SUCCESS.json"

_PIECE: Final = 1 << 20

Outputs = Mapping[str, Digest]
"""The digest of each file that a manifest lists, by its path relative to the manifest."""


def manifest_text(
    directory: Path,
    described: Mapping[str, object],
    side_inputs: Iterable[str | os.PathLike[str]],
    digests: Digests,
) -> bytes:
    """Return a manifest as JSON: the description of a run, its side inputs and its outputs."""
    content = {
        **described,
        "side_inputs": [_side_input(Path(path)) for path in side_inputs],
        "outputs": {
            os.path.relpath(path, directory): {"bytes": digest.size, "sha256": digest.sha256}
            for path, digest in digests.items()
        },
    }
    return _as_text(content)


def _as_text(content: Mapping[str, object]) -> bytes:
    import json  # noqa: PLC0415 - keeps start-up fast

    return json.dumps(content, indent=1).encode() + b"\n"


def _side_input(path: Path) -> dict[str, object]:
    """Describe the version of a file that a job was built from; for a pipe, only its name."""
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
    """Return the files that a manifest lists: none if there is no manifest or it is not ours.

    Raises ``OutputError`` if reading fails for another reason than missing permission.
    """
    text = b""
    with as_output_error(path), best_effort(), suppress(FileNotFoundError, NotADirectoryError):
        text = _read(path)
    return _parse(text) if text else {}


def _parse(text: bytes) -> Outputs:
    import json  # noqa: PLC0415 - keeps start-up fast

    try:
        content: Any = json.loads(text)
        outputs = {
            str(name): Digest(int(file["bytes"]), str(file["sha256"]))
            for name, file in content["outputs"].items()
        }
        is_ours = isinstance(content["version"], str) and "\0" not in "".join(outputs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_ours = False  # another program wrote a file of this name
    return outputs if is_ours else {}


def _read(path: Path) -> bytes:
    """Return the content of a regular file; return nothing for a directory or a FIFO."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        return b"".join(iter(partial(os.read, handle, _PIECE), b""))
    finally:
        close(handle)


def earlier_outputs(directory: Path) -> Iterator[tuple[str, Digest]]:
    """Yield the name and digest of each file that earlier runs into a directory have listed.

    A run that was killed while it renamed has left its new manifest, or the old one, under a
    temporary name.
    """
    manifest = directory / MANIFEST
    yield from read_manifest(manifest).items()
    for left in leftovers(Path(os.path.realpath(manifest))):
        yield from read_manifest(left).items()
        yield from read_manifest(left / MANIFEST).items()


def manifest_without(directory: Path, target: Path) -> bytes | None:
    """Return the text of a directory's manifest without ``target``, or ``None`` if unlisted."""
    import json  # noqa: PLC0415 - keeps start-up fast

    path, real = directory / MANIFEST, os.path.realpath(target)
    outputs = read_manifest(path)
    kept = [name for name in outputs if os.path.realpath(directory / name) != real]
    if len(kept) == len(outputs):
        return None
    content = json.loads(_read(path))
    content["outputs"] = {name: content["outputs"][name] for name in kept}
    return _as_text(content)


def is_plain(name: str) -> bool:
    """Return whether a name is a plain file name: not ``.`` or ``..``, and without a slash."""
    return bool(name.strip(".")) and "/" not in name and "\0" not in name


def outdated_outputs(
    directory: Path, written: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]
) -> Sequence[Path]:
    """Return the files of earlier runs that this run must remove from a directory.

    These are regular files directly in the directory that still hold the bytes that a run wrote.
    Files that this run writes or reads are not among them.
    """
    real = Path(os.path.realpath(directory))
    earlier = {real / name: digest for name, digest in earlier_outputs(directory) if is_plain(name)}
    for path in map(os.path.realpath, written):
        earlier.pop(Path(path), None)
    if not earlier:
        return []
    spared = [status for path in inputs if (status := _status(path))]
    return [path for path, digest in earlier.items() if _is_removable(path, digest, spared)]


def _is_removable(path: Path, digest: Digest, spared: Iterable[os.stat_result]) -> bool:
    """Return whether a file still has its digest and is none of the files to be spared."""
    with as_output_error(path), best_effort(), suppress(FileNotFoundError):
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
    from hashlib import sha256 as new_digest  # noqa: PLC0415 - keeps start-up fast

    size, sha256 = 0, new_digest()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            sha256.update(piece)
    return Digest(size, sha256.hexdigest())


def own_outputs(directory: Path | None, *targets: Path | None) -> set[Path]:
    """Return the files in a directory that a run must not count as its inputs: its own outputs.

    These are the manifest of ``directory``, the files that it lists, and those ``targets`` (a file
    of malformed lines or of figures, say) that exist. All paths are real ones, without symbolic
    links. Raises ``OutputError`` if the manifest cannot be read.
    """
    names = [] if directory is None else [name for name, _digest in earlier_outputs(directory)]
    files = [directory / name for name in (MANIFEST, *names) if directory and names]
    files += [target for target in targets if target]
    return {Path(os.path.realpath(file)) for file in files if os.path.isfile(file)}  # noqa: PTH113 - a Path raises where it may not look
