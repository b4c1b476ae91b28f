"""Count the splits of a task in a worker, block by block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

from mapreduce.backends.report import report
from mapreduce.errors import InputError, LimitError, TaskError
from mapreduce.formats.format import Block, drop_header
from mapreduce.formats.records import STAND_IN, joined_blocks
from mapreduce.mapping.mapper import Combiner, LineFailedError, Mapper, Tally
from mapreduce.options import BLOCK, MAX_KEYS, MAX_LINE, Tick
from mapreduce.reducing.partial import Partial, add_kinds
from mapreduce.reducing.totals import EMPTY
from mapreduce.splits.split import Batch, Split

if TYPE_CHECKING:
    from mapreduce.outputs.rejects import Reject, Spool


class MapSettings(NamedTuple):
    """How splits are mapped. The settings are sent to a worker with every task.

    Splits are read in blocks of ``block_size`` bytes. The first ``wanted`` malformed lines are
    located; all of them are written to the ``spool`` if there is one. No line may have more than
    ``max_line`` bytes, and no worker more than ``max_keys`` distinct keys. ``run`` identifies the
    run.
    """

    mapper: Mapper
    block_size: int = BLOCK
    wanted: int = 0
    max_line: int = MAX_LINE
    max_keys: int = MAX_KEYS
    spool: Spool | None = None
    run: str = ""


_NEWLINE = re.compile(rb"\n")  # a memoryview has no find

_idle: dict[tuple[str, Mapper], Combiner] = {}
"""The combiners of a run between two tasks, so that a worker judges each key once. A combiner is
removed while it counts, so that no other split sees what a failed split has left in it."""


def map_task(task: Split | Batch, settings: MapSettings, *, tick: Tick = report) -> Partial:
    """Count all splits of a task, and report its progress; see ``map_splits``."""
    return map_splits(task.splits, settings, tick=tick)


def map_splits(
    splits: Iterable[Split], settings: MapSettings, *, tick: Tick | None = None
) -> Partial:
    """Count splits into one partial result; locate the first malformed lines, and spool all.

    ``tick`` is called with the size of each block in bytes. Raises ``InputError`` if a file was
    truncated or can no longer be read, and ``LimitError`` if there are too many keys.
    """
    total, combiners = Partial(EMPTY), dict[Mapper, Combiner]()
    _forget_other_runs(settings.run)
    for split in splits:
        mapper = split.source.mapper or settings.mapper
        if mapper not in combiners:
            combiners[mapper] = _take_combiner(settings.run, mapper)
        total = _map_into(total, combiners[mapper], split, settings, tick)
    for combiner in combiners.values():
        drained = combiner.drain()
        total = total._replace(
            totals=total.totals + drained.totals,
            counted=total.counted + drained.counted,
            notes=total.notes | drained.notes,
            skipped=total.skipped + drained.skipped,
            kinds=add_kinds(total.kinds, drained.kinds),
        )
    if len(total.totals) > settings.max_keys:
        raise LimitError.of_keys("these inputs", settings.max_keys)
    _idle.update({(settings.run, mapper): combiner for mapper, combiner in combiners.items()})
    return total


def _take_combiner(run: str, mapper: Mapper) -> Combiner:
    """Return the combiner that an earlier task of the run has left in ``_idle``, or a new one."""
    try:
        return _idle.pop((run, mapper))
    except KeyError:
        return mapper.start()


def _forget_other_runs(run: str) -> None:
    """Drop the combiners of all other runs."""
    for key in [key for key in list(_idle) if key[0] != run]:
        _idle.pop(key, None)  # another thread may have dropped it


def _map_into(
    total: Partial, combiner: Combiner, split: Split, settings: MapSettings, tick: Tick | None
) -> Partial:
    """Count one more split; return the total with its lines added."""
    lines, skipped, malformed, ticked = total.lines, total.skipped, total.malformed, 0
    rejects = list(total.rejects)
    if settings.spool:
        settings.spool.clear(split.source.index, split.start)
    blocks, dropped = _records_of(split, settings)
    lines, skipped = lines + dropped, skipped + dropped
    for block in blocks:
        missing = settings.wanted - len(rejects)
        wanted = len(block.view) if settings.spool else missing
        tally = _map_block(combiner, block, wanted, split)
        if tally.keys > settings.max_keys:
            raise LimitError.of_keys(str(split), settings.max_keys)
        lines, skipped = lines + tally.lines, skipped + tally.skipped
        malformed += tally.malformed
        if tally.malformed_at:
            rejects += _note_rejects(tally, block, split, settings)[:missing]
        ticked += block.size
        if tick:
            tick(block.size)
    if tick and ticked < split.size:
        tick(split.size - ticked)
    return Partial(
        total.totals,
        splits=total.splits + 1,
        size=total.size + split.size,
        lines=lines,
        skipped=skipped,
        malformed=malformed,
        rejects=tuple(rejects),
        notes=total.notes,
    )


def _records_of(split: Split, settings: MapSettings) -> tuple[Iterator[Block], int]:
    """Return the blocks of a split without a header, and the number of lines that were dropped."""
    blocks, mapper = split.blocks(settings.block_size, settings.max_line), split.source.mapper
    mapper = mapper or settings.mapper
    if mapper.record_delimiter is not None:
        name, delimiter = split.source.name, mapper.record_delimiter
        blocks = joined_blocks(name, blocks, delimiter, settings.max_line)
    if split.is_first and mapper.skips_first_line:
        return drop_header(blocks)
    return blocks, 0


def _note_rejects(tally: Tally, block: Block, split: Split, settings: MapSettings) -> list[Reject]:
    """Spool the malformed lines of a block if there is a spool; return the first of them."""
    from mapreduce.outputs.rejects import EXCERPT, Reject  # noqa: PLC0415 - for malformed lines only

    source, unit = split.source, split.source.format.position_unit
    places = block.positions(start for start, _reason in tally.malformed_at)
    found = [
        (place, reason, _line(block, start))
        for place, (start, reason) in zip(places, tally.malformed_at, strict=True)
    ]
    if settings.spool:
        settings.spool.write(source.index, split.start, source.path, found, unit)
    return [
        Reject(source.index, source.name, source.path, at, reason, line[: EXCERPT + 1], unit)
        for at, reason, line in found[: settings.wanted]
    ]


def _map_block(combiner: Combiner, block: Block, wanted: int, split: Split) -> Tally:
    try:
        return combiner.map_block(block.view, wanted)
    except InputError as error:
        raise InputError(f"{split}: {error}") from error
    except MemoryError as error:
        raise LimitError.of_memory(str(split)) from error
    except LineFailedError as error:
        (place,) = block.positions([error.offset])
        where = f"{split.source.name}: {split.source.format.position_unit} {place}"
        raise TaskError.of(where, error.cause) from error
    except (Exception, SystemExit) as error:
        raise TaskError.of(str(split), error) from error


def forget_combiners() -> None:
    """Drop the combiners that tasks have left in this process."""
    _idle.clear()


def _line(block: Block, start: int) -> bytes:
    """Return the line that begins at byte ``start`` of a block, without its line end."""
    end = cast(re.Match[bytes], _NEWLINE.search(block.view, start)).start()
    line = bytes(block.view[start:end]).removesuffix(b"\r")
    return line.replace(STAND_IN, b"\n") if block.is_joined else line
