"""Hold the native kernel to the naive counter on random blocks, for as long as it is told.

Not a test by itself: CI runs it under AddressSanitizer and UndefinedBehaviorSanitizer, where one
byte read too far ends the process. ``python tests/fuzz_native.py SECONDS [SEED]``
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from typing import Any

from held import columns as sums_of
from held import merge, unpack
from naive import count_fields

from mapreduce import kernel
from mapreduce.kernel._pure import find_lines

LENGTHS = [0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 65, 100, 600, 5000]


def random_block(chance: random.Random, delimiter: bytes) -> bytes:
    """Return whole lines of fields of all lengths, some of them misshapen."""
    usual = chance.randrange(1, 16)
    fields = [
        chance.randbytes(chance.choice(LENGTHS[: chance.randrange(1, 16)])) for _ in range(20)
    ] + [b"%d" % chance.randrange(10 ** chance.randrange(1, 22)) for _ in range(20)]
    lines = []
    for _ in range(chance.randrange(1, 60)):
        width = usual if chance.random() < 0.9 else chance.randrange(1, 30)
        end = chance.choice([b"\n", b"\n", b"\n", b"\r\n", b"\n\n"])
        lines.append(delimiter.join(chance.choices(fields, k=width)).replace(b"\n", b"?") + end)
    return b"".join(lines)


def one_round(chance: random.Random) -> None:
    """Count a few blocks with a random variant and compare every figure."""
    delimiter = bytes([chance.choice([byte for byte in range(256) if byte not in b"\r\n"])])
    fields = tuple(chance.choices(range(1, 15), k=chance.randrange(1, 6)))
    width = chance.choice([None, chance.randrange(max(fields), 16)])
    weights = (
        tuple(chance.choices(range(1, width or 15), k=chance.choice([0, 0, 1, 2])))
        if (width != 1)
        else ()
    )
    number = chance.randrange(width or 1)
    expected_field = (number, chance.choice([b"", b"443", b"6"]) if number else b"")
    if delimiter in expected_field[1]:
        expected_field = (0, b"")
    columns = (delimiter, fields, width, weights, expected_field)
    table = kernel.choose(chance.choice(kernel.VARIANTS))[1](*columns)
    parts, expected = [], Counter[bytes]()
    expected_sums = [Counter[bytes]() for _ in weights]
    for _ in range(chance.randrange(1, 5)):
        block = bytearray(random_block(chance, delimiter))
        asked: Any = {"widths": (3, 34), "words": [b"a", b"xyz"], "before": chance.randrange(3)}
        found = kernel.find_lines(memoryview(block), delimiter, **asked)
        assert {*find_lines(memoryview(block), delimiter, **asked)} <= {*found}, asked
        naive = count_fields(bytes(block), *columns)
        scan = table.scan(memoryview(block))
        figures = (scan.lines, scan.empty, scan.misshapen)
        assert figures == (naive.lines, naive.empty, naive.misshapen), columns
        dropped = chance.sample(scan.fresh, len(scan.fresh) // 3)
        assert table.forget(dropped) == [naive.keys[key] for key in dropped], columns
        expected += Counter({key: n for key, n in naive.keys.items() if key not in dropped})
        for sums, more in zip(expected_sums, naive.sums, strict=True):
            sums.update({key: n for key, n in more.items() if key not in dropped})
        parts.append(table.drain())
    whole: Any = parts[0]
    for part in parts[1:]:
        whole = merge(whole, part)
    assert unpack(whole) == expected, columns
    assert [+sums for sums in sums_of(whole)[1:]] == expected_sums, columns


def main(seconds: float, seed: int) -> None:
    """Run rounds until the time is over; print how many."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        one_round(chance)
        rounds += 1
    print(f"{rounds} rounds over {', '.join(kernel.VARIANTS)}, seed {seed}: all figures agree")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns())
