"""The script that people write instead of a job: a Pool, a Counter, byte ranges cut at line ends.

    python benchmarks/pool_script.py words FILE

In the fastest of the forms that were tried: each of two processes adds up its half of the file in
blocks, so that only two Counters travel; words and matches are found in whole blocks.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from line_job import path_and_status

BLOCK, WORKERS = 1 << 22, 2
PATTERN = r'^\S+ \S+ \S+ \[[^]\n]+\] "\S+ (?P<path>[^ ?"\n]*)[^"\n]*" (?P<status>[0-9]+) '
SEARCH = re.compile(PATTERN.encode(), re.MULTILINE)


def requests(block: bytes) -> Iterable[bytes | None]:
    return map(path_and_status, block.splitlines())


KEYS: dict[str, Callable[[bytes], Iterable[Any]]] = {
    "words": bytes.split,
    "function": requests,
    "regex": SEARCH.findall,
}


def cut(path: Path) -> list[tuple[int, int]]:
    size, places = path.stat().st_size, [0]
    with path.open("rb") as file:
        for part in range(1, WORKERS):
            file.seek(size * part // WORKERS)
            file.readline()
            places.append(file.tell())
    return list(zip(places, [*places[1:], size], strict=True))


def count(span: tuple[int, int]) -> Counter[Any]:
    find, counts = KEYS[sys.argv[1]], Counter[Any]()
    with Path(sys.argv[2]).open("rb") as file:
        file.seek(span[0])
        while (left := span[1] - file.tell()) > 0:
            block = file.read(min(left, BLOCK))
            counts.update(find(block + file.readline() if len(block) < left else block))
    return counts


if __name__ == "__main__":
    with Pool(WORKERS) as pool:
        total, *others = pool.map(count, cut(Path(sys.argv[2])), chunksize=1)
    for other in others:
        total.update(other)
    del total[None]  # lines that the function skips
    for key, number in total.items():
        values = key if isinstance(key, tuple) else (key,)
        sys.stdout.buffer.write(b"\t".join([*values, b"%d\n" % number]))
