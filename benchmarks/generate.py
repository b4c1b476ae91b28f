"""Generate data to measure and test with: flow logs, text, access logs, CSV, JSON lines.

Chunk i of a file is a function of (seed, i) and of nothing else. So one seed gives the same bytes
for any number of workers, and a smaller file is the beginning of a larger one.

    python benchmarks/generate.py flows.log --size 1GB       # or --lines 2000
    python benchmarks/generate.py access.log --form access --size 1GB
    python benchmarks/generate.py lookup.csv --lookup
    python benchmarks/generate.py data/ --samples            # how the inputs in data/ were made

What each form looks like stands in `generators/`.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from functools import partial
from itertools import count, cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer
from generators import access_logs, flowlogs, json_lines, quoted_csv, texts
from generators.drawing import CHUNK_LINES

Render = Callable[[int, int], bytes]
"""Returns chunk i of the file of a seed: CHUNK_LINES lines."""


class Form(Enum):
    """The forms by their names on the command line."""

    FLOWLOGS = "flowlogs"
    TEXT = "text"
    ACCESS = "access"
    CSV = "csv"
    JSON = "json"


RENDERERS: dict[Form, Render] = {
    Form.FLOWLOGS: flowlogs.render_chunk,
    Form.TEXT: texts.render_chunk,
    Form.ACCESS: access_logs.render_chunk,
    Form.CSV: quoted_csv.render_chunk,
    Form.JSON: json_lines.render_chunk,
}

SAMPLES = {Form.ACCESS: "access-500.log", Form.CSV: "orders-500.csv", Form.JSON: "events-500.jsonl"}


def send_chunks(sender: Connection, render: Render, seed: int, first: int, step: int) -> None:
    """Send every `step`-th chunk, from `first` on, until nobody reads any more."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # it then holds a whole chunk: 1 GB in 4.0 s, not 4.8 s
        fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
    with suppress(BrokenPipeError, KeyboardInterrupt):
        for index in count(first, step):
            sender.send_bytes(render(seed, index))


def start_worker(render: Render, seed: int, first: int, step: int) -> Connection:
    """Return the worker's own pipe: that it fills, and the worker waits, bounds the memory."""
    spawn = get_context("spawn")  # a forked worker would hold the pipes of the others open
    receiver, sender = spawn.Pipe(duplex=False)
    arguments = (sender, render, seed, first, step)
    spawn.Process(target=send_chunks, args=arguments, daemon=True).start()
    sender.close()  # so that a dead worker is an EOFError, not a wait
    return receiver


def render_chunks(render: Render, seed: int, workers: int) -> Iterator[bytes]:
    """Yield the chunks of an endless file, made by `workers` processes; by this one if it is 1."""
    if workers == 1:
        yield from map(partial(render, seed), count())  # without end
    receivers = [start_worker(render, seed, first, workers) for first in range(workers)]
    yield from (receiver.recv_bytes() for receiver in cycle(receivers))


def trim_to_size(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the largest whole number of lines that is not above `size` bytes."""
    for chunk in chunks:
        yield chunk if len(chunk) <= size else chunk[: chunk.rfind(b"\n", 0, size) + 1]
        size -= len(chunk)
        if size <= 0:
            return


def trim_to_lines(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """Yield exactly `lines` lines."""
    for chunk in chunks:
        yield chunk if lines >= CHUNK_LINES else b"".join(chunk.splitlines(keepends=True)[:lines])
        lines -= CHUNK_LINES
        if lines <= 0:
            return


def write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to `path`, which appears complete or not at all."""
    target = path.resolve()
    incomplete = target.with_name(f".{target.name}.{os.getpid()}.incomplete")
    try:
        with incomplete.open("wb") as file:
            file.writelines(chunks)
        incomplete.replace(target)
    finally:
        incomplete.unlink(missing_ok=True)


def write_samples(directory: Path, seed: int) -> None:
    """Write the inputs of data/: flow logs, the lookup table that tags them, and other lines."""
    write_file(directory / "flowlogs-small.log", flowlogs.render_small(seed))
    chunks = render_chunks(flowlogs.render_chunk, seed, 1)
    write_file(directory / "flowlogs-2000.log", trim_to_lines(chunks, 2000))
    write_file(directory / "lookup.csv", [flowlogs.LOOKUP.encode()])
    for form, name in SAMPLES.items():
        chunks = render_chunks(RENDERERS[form], seed, 1)
        write_file(directory / name, trim_to_lines(chunks, 500))


def parse_size(text: str) -> int:
    """Return the bytes that `text` names in decimal units: 12,000,000 for "12MB"."""
    if not (found := re.fullmatch(r"([0-9]+)([KMGT]?)B?", text.upper())):
        raise typer.BadParameter(f"{text!r} is not a size; write it as 12MB or 1GB")
    return int(found[1]) * int(1000 ** " KMGT".index(found[2] or " "))


def main(
    output: Annotated[Path, typer.Argument(help="File to write; a directory for --samples.")],
    *,
    size: Annotated[int | None, typer.Option(parser=parse_size, help="Such as 12MB, 1GB.")] = None,
    lines: Annotated[int | None, typer.Option(min=0, help="Number of lines.")] = None,
    form: Annotated[Form, typer.Option(help="What the lines look like.")] = Form.FLOWLOGS,
    lookup: Annotated[bool, typer.Option("--lookup", help="Write the lookup table.")] = False,
    samples: Annotated[bool, typer.Option("--samples", help="Write the inputs of data/.")] = False,
    seed: Annotated[int, typer.Option(help="One seed, one file.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Default: every usable CPU.")] = None,
) -> None:
    """Write lines of a form, AWS VPC flow logs by default, or what goes with those."""
    if [size is not None, lines is not None, lookup, samples].count(True) != 1:
        raise typer.BadParameter("give exactly one of --size, --lines, --lookup and --samples")
    if not (output if samples else output.parent).is_dir():
        raise typer.BadParameter(f"{output if samples else output.parent} is not a directory")
    if not samples and output.exists() and not output.is_file():
        raise typer.BadParameter(f"{output} is not a file")  # so /dev/null is never replaced
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    chunks = render_chunks(RENDERERS[form], seed, workers or usable or 1)
    if samples:
        write_samples(output, seed)
    if lookup:
        write_file(output, [flowlogs.LOOKUP.encode()])
    if lines is not None:
        write_file(output, trim_to_lines(chunks, lines))
    if size is not None:
        write_file(output, trim_to_size(chunks, size))


if __name__ == "__main__":
    typer.run(main)
