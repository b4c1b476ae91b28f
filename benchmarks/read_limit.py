"""Read a file with some processes, each its share, and do nothing else: the most there can be.

python benchmarks/read_limit.py FILE PROCESSES --stats    # prints {"seconds": {"map": ...}}
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

BLOCK = 256 << 10


def read_range(path: Path, start: int, end: int) -> None:
    """Read a range in blocks into one reused buffer."""
    buffer = bytearray(BLOCK)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end:
            start += file.readinto(buffer) or end


def main(path: Path, processes: int) -> None:
    """Fork, read, wait, print the seconds."""
    size, started = path.stat().st_size, time.perf_counter()
    for number in range(processes):
        if os.fork() == 0:
            read_range(path, size * number // processes, size * (number + 1) // processes)
            os._exit(0)
    for _ in range(processes):
        os.wait()
    print(json.dumps({"seconds": {"map": time.perf_counter() - started}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
