"""Hold the native kernel to the naive counter on random blocks, for as long as it is told.

Not a test by itself: CI runs it under AddressSanitizer and UndefinedBehaviorSanitizer, where one
byte read too far ends the process. ``python tests/fuzz_native.py SECONDS [SEED]``
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from typing import Any

from held import columns as sums_of
from held import merge, unpack
from naive import count_fields
from naive_json import find_in_json
from naive_shapes import Question, count_shaped

from mapreduce import kernel
from mapreduce.kernel._pure_finding import find_lines
from mapreduce.kernel.json_lines import JsonLines
from mapreduce.kernel.shaped import shape_table
from mapreduce.kernel.shapes import AccessLog, Blanks, Cut, Plain, Quoted, Shape

ENDS = [b"", b" ", b"?", b" ?"]
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


TEXTS = [
    "a",
    "b",
    "null",
    "",
    'say "a"',
    "\\",
    "\u00e9",
    "\U0001f600",
    "x" * 70,
    "/",
    "\x7f\n",
    "[{,:",
]
SCALARS = [None, True, False, 0, -1, 1234567890123456789, 1.5e300, -2.5e-7, 10**30, *TEXTS]


def random_document(chance: random.Random, depth: int) -> Any:
    """Return something that is JSON, now and then deep."""
    if depth == 0 or chance.random() < 0.4:
        return chance.choice(SCALARS)
    inside = [random_document(chance, depth - 1) for _ in range(chance.randrange(6))]
    return inside if chance.random() < 0.3 else dict(zip(TEXTS, inside, strict=False))


def random_line(chance: random.Random) -> bytes:
    """Return a line of JSON, often with a byte changed."""
    marks = chance.choice([(",", ":"), (", ", ": "), (" ,\t", " : ")])
    document = random_document(chance, chance.choice([1, 3, 6, 12]))
    text = json.dumps(document, ensure_ascii=chance.random() < 0.5, separators=marks)
    line = bytearray(b" " * chance.randrange(3) + text.replace(chr(10), "").encode())
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        line[chance.randrange(len(line))] = chance.choice(b'{}[]:,"\\ 019.-eEtu\xff\x80\xc3\x01')
    return bytes(line).replace(b"\n", b"")


def one_json_round(chance: random.Random) -> None:
    """Count lines of JSON with a random variant and compare every figure and key."""
    steps: list[str | int] = ["a", "b", "null", 'say "a"', "\u00e9", 0, 1]
    paths = tuple(
        tuple(chance.choices(steps, k=chance.randrange(1, 4)))
        for _ in range(chance.randrange(1, 6))
    )
    shape = JsonLines(paths)
    lines = [random_line(chance) for _ in range(chance.randrange(1, 30))]
    good = [line for line in lines if find_in_json(line, paths) is not None]
    expected = Counter(b"\n".join(shape.split(line)) for line in good)
    table = shape_table(shape, range(1, len(paths) + 1), name=chance.choice(kernel.VARIANTS))
    scan = table.scan(memoryview(bytearray(b"\n".join(lines))))
    assert (scan.lines, scan.misshapen) == (len(lines), len(lines) - len(good)), (paths, lines)
    assert unpack(table.drain()) == expected, (paths, lines)


def shaped_line(chance: random.Random, kind: str) -> bytes:
    """Return a line of some shape, or one that is nearly so."""
    values = [
        chance.choice([b"", b"a", b"GET /a?b x", b"%d" % chance.randrange(10**22), b"-"])
        + bytes(chance.choices(b'ab1 ,"[]\\\t\r', k=chance.choice([0, 0, 1, 2, 70])))
        for _ in range(chance.randrange(1, 12))
    ]
    if kind == "quoted":
        marks = [(b'"', b'"'), (b"", b""), (b"", b"")]
        doubled = [value.replace(b'"', chance.choice([b'""', b'"', b""])) for value in values]
        wrapped = [chance.choice(marks) for _ in values]
        return b",".join(a + value + b for value, (a, b) in zip(doubled, wrapped, strict=True))
    if kind == "access":
        time_and_request = [b"[%b]" % values[0], b'"%b"' % values[-1], b"200", b"7"]
        return b" ".join([b"h", b"-", b"-", *time_and_request, *values[: chance.randrange(3)]])
    return chance.choice([b" ", b"\t  ", b" " * 60]).join(values)


def shaped_round(chance: random.Random) -> None:
    """Count a block of lines of some shape with a random variant and compare every figure."""
    kind = chance.choice(["quoted", "access", "blanks", "plain"])
    ends = [b"\n", b"\n", b"\r\n", b"\n\n"]
    lines = [shaped_line(chance, kind) + chance.choice(ends) for _ in range(chance.randrange(40))]
    block = b"".join(lines)[: None if chance.random() < 0.8 else -1]
    parts = [
        (chance.randrange(1, 10), chance.choice([0, 0, 1, 2]), chance.choice(ENDS), length)
        for length in chance.choices([0, 0, 3, 40], k=chance.randrange(1, 5))
    ]
    weights = chance.choices(range(1, 9), k=chance.choice([0, 0, 1, 3]))
    asked = Question(kind, parts, weights, chance.choice([None, None, 9]))
    naive = count_shaped(block, asked)
    shapes: dict[str, Shape] = {
        "quoted": Quoted(b","),
        "access": AccessLog(),
        "blanks": Blanks(),
    }
    shape = shapes.get(kind, Plain(b","))
    cuts = [Cut(*part) for part in parts]
    name = chance.choice(kernel.VARIANTS)
    table = shape_table(shape, cuts, weights, asked.width, name=name)
    scan = table.scan(memoryview(bytearray(block)))
    figures = (scan.lines, scan.empty, scan.misshapen)
    assert figures == (naive.lines, naive.empty, naive.misshapen), (asked, block)
    counts, *sums = sums_of(table.drain())
    assert counts == naive.keys, (asked, block)
    assert [+column for column in sums] == [+column for column in naive.sums], (asked, block)


def main(seconds: float, seed: int) -> None:
    """Run rounds until the time is over; print how many."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        one_round(chance)
        one_json_round(chance)
        shaped_round(chance)
        rounds += 1
    print(f"{rounds} rounds over {', '.join(kernel.VARIANTS)}, seed {seed}: all figures agree")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns())
