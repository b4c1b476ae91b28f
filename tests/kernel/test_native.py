"""The native kernel: every variant is here, reads nothing outside its block, and packs exactly."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from held import unpack
from hypothesis import given
from hypothesis import strategies as st
from naive import count_fields
from promises import change_text, promise

from mapreduce import kernel

pytestmark = pytest.mark.skipif(
    not kernel.VARIANTS, reason="the native kernel is not built: no compiler when installing"
)
every_variant = pytest.mark.parametrize("variant", kernel.VARIANTS)

LENGTHS = [0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513, 5000]


def table_of(variant: str, fields: tuple[int, ...] = (1, 2), width: int | None = 2) -> kernel.Table:
    return kernel.choose(variant)[1](b" ", fields, width)


def test_ci_has_the_native_kernel_that_it_forced() -> None:
    if os.environ.get("MAPREDUCE_REQUIRE_NATIVE") == "1":
        assert kernel.BUILT
    if wanted := os.environ.get("MAPREDUCE_KERNEL"):
        assert wanted == kernel.NAME


@every_variant
def test_nothing_is_read_outside_the_block(variant: str) -> None:
    """The block ends where a page begins that nobody may read: one byte more is a SIGSEGV."""
    script = """
import ctypes, mmap, sys
from mapreduce import kernel
from mapreduce import Totals
variant, lengths = sys.argv[1], [int(text) for text in sys.argv[2:]]
size = mmap.PAGESIZE * 4
area = mmap.mmap(-1, size + mmap.PAGESIZE)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mprotect(ctypes.c_void_p(address + size), mmap.PAGESIZE, 0) == 0
for length in lengths:
    print(length, file=sys.stderr)
    for lines in (1, 2, 3):
        for fields in ((1, 2), (2,), (2, 1)):
            block = (b"7" * length + b" 123456789012"[: 2 + length % 12] + b"\\n") * lines
            start = size - len(block)
            if start < 0:
                continue
            area[start:size] = block
            for weights in ((), (2,), (2, 1)):
                table = kernel.choose(variant)[1](b" ", fields, 2, weights)
                scan = table.scan(memoryview(area)[start:size])
                assert scan.lines == lines == Totals(table.drain()).lines
print("whole")
"""
    arguments = [sys.executable, "-c", script, variant, *map(str, LENGTHS)]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "whole\n"), run.stderr


@every_variant
def test_blocks_at_every_alignment_are_counted_alike(variant: str) -> None:
    block = b"".join(b"%d %b\n" % (n, b"x" * (n % 70)) for n in range(200)) + b"bad\n\r\n\n"
    expected = count_fields(block, b" ", (1, 2), 2)
    area = mmap.mmap(-1, len(block) + 64)
    for shift in range(64):
        area[shift : shift + len(block)] = block
        table = table_of(variant)
        scan = table.scan(memoryview(area)[shift : shift + len(block)])
        found = (scan.lines, scan.empty, scan.misshapen, unpack(table.drain()))
        assert found == (expected.lines, expected.empty, expected.misshapen, expected.keys)


@every_variant
@pytest.mark.parametrize("length", LENGTHS)
def test_keys_of_any_length_are_told_apart(variant: str, length: int) -> None:
    stem = bytes(range(33, 33 + 64)) * (length // 64 + 1)
    keys = [stem[:length], stem[:length] + b"\0", stem[:length] + b"\xff", b"\0" * length]
    block = b"".join(b"%b same\n" % key for key in keys * 3)
    table = table_of(variant)
    table.scan(memoryview(block))
    assert unpack(table.drain()) == Counter(key + b" same" for key in keys * 3)


@every_variant
def test_keys_that_are_forgotten_leave_all_others_findable(variant: str) -> None:
    """Deleting from a table of linear probes moves others; thousands of them meet here."""
    keys = [b"%d %b" % (n, b"k" * (n % 40)) for n in range(3000)]
    table = table_of(variant)
    table.scan(memoryview(b"".join(key + b"\n" for key in keys)))
    assert table.forget(keys[::2]) == [1] * 1500
    assert table.forget(keys[::2]) == [0] * 1500
    scan = table.scan(memoryview(b"".join(key + b"\n" for key in keys)))
    assert sorted(scan.fresh) == sorted(keys[::2])
    assert unpack(table.drain()) == {key: 1 + n % 2 for n, key in enumerate(keys)}


counters = st.dictionaries(st.binary(max_size=80), st.integers(1, 2**57), max_size=50)


@given(counters, counters)
def test_packed_counts_add_up_as_counters_do(
    left: dict[bytes, int], right: dict[bytes, int]
) -> None:
    from mapreduce.kernel.native import PackedCounts

    one, two = PackedCounts.of(left), PackedCounts.of(right)
    assert one.columns() == [left]
    assert one.total() == sum(left.values())
    assert one.merge(two).columns()[0] == Counter(left) + Counter(right)


@given(counters, st.data())
def test_packed_counts_that_are_cut_or_longer_are_refused(
    counts: dict[bytes, int], data: st.DataObject
) -> None:
    from mapreduce.kernel import _native
    from mapreduce.kernel.native import PackedCounts

    packed = PackedCounts.of(counts).data
    size = data.draw(st.integers(0, len(packed) - 1))
    for wrong in (packed[:size], packed + b"x", b"\xff" * 8 + packed[8:]):
        with pytest.raises(ValueError, match="not packed counts"):
            _native.unpack(wrong)
        with pytest.raises(ValueError, match="not packed counts"):
            _native.merge(packed, wrong, bytes(32))
        with pytest.raises(ValueError, match="not packed counts"):
            _native.Ranking(wrong, 1)
        with pytest.raises(ValueError, match="not packed counts"):
            _native.sums(wrong)


def test_a_ranking_of_fewer_than_no_rows_is_refused() -> None:
    from mapreduce.kernel import _native
    from mapreduce.kernel.native import PackedCounts

    packed = PackedCounts.of({b"a": 1}).data
    with pytest.raises(ValueError, match="fewer than 0 rows"):
        _native.Ranking(packed, -1)
    for by in (-2, 1):
        with pytest.raises(ValueError, match="a ranking is by key"):
            _native.Ranking(packed, 1, by)
    assert len(_native.Ranking(packed, 0)) == 0


def test_a_variant_that_is_not_here_is_refused_by_name_before_any_work() -> None:
    environment = {**os.environ, "MAPREDUCE_KERNEL": "abacus"}
    arguments = [sys.executable, "-m", "mapreduce", "flowlogs", "data/flowlogs-small.log"]
    run = subprocess.run(
        [*arguments, "-l", "data/lookup.csv"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert run.returncode == 2
    assert run.stderr.startswith(
        "mapreduce: error: MAPREDUCE_KERNEL=abacus: this machine has no such kernel; "
    )


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("name", ["pure", "portable"])
def test_the_forced_kernel_is_used_in_workers_of_every_start_method(name: str, method: str) -> None:
    script = f"""
import faulty
from mapreduce.backends.pool import Pool
if __name__ == "__main__":
    with Pool(1, start_method={method!r}) as pool:
        print(*faulty.map_over(pool, faulty.kernel_name, [None]))
"""
    environment = {
        **os.environ,
        "MAPREDUCE_KERNEL": name,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout == f"{name}\n"


@promise(
    "Nothing is read outside a block",
    broken_by=change_text("mapreduce/kernel/_line.h", "SLACK = SHORT,", "SLACK = 0,"),
)
@pytest.mark.parametrize(
    ("compiler", "emulator"), [("cc", ""), ("aarch64-linux-gnu-gcc", "qemu-aarch64")]
)
@pytest.mark.parametrize("program", ["variants", "shapes"])
def test_every_variant_of_a_processor_agrees_with_the_portable_one(
    tmp_path: Path, compiler: str, emulator: str, program: str
) -> None:
    missing = [tool for tool in (compiler, emulator) if tool and not shutil.which(tool)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed, so this processor's variants are not run")
    source = str(Path(__file__).parents[1] / f"{program}.c")
    built = str(tmp_path / program)
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", *(["-static"] if emulator else [])]
    subprocess.run([compiler, *flags, source, "-o", built], check=True)
    command = [*filter(None, [emulator]), built, "300"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert "neon agrees\n" in run.stdout or not emulator


@every_variant
def test_keys_whose_hashes_are_all_the_same_are_counted_and_forgotten_exactly(variant: str) -> None:
    """With a seed that is known, as no attacker knows it: a factor of 0 makes every product 0."""
    from mapreduce.kernel import _native

    table = _native.FieldTable(b" ", (1,), False, 0, (), (0, b""), variant, b"AAAAAAAA" + bytes(24))
    keys = [b"AAAAAAAA%d" % number for number in range(2000)]
    block = b"".join(key + b" x\n" for key in keys * 2)
    lines, _empty, _misshapen, fresh, known = table.scan(memoryview(block), True)
    assert (lines, known, sorted(fresh)) == (4000, 2000, sorted(keys))
    assert table.forget(keys[::2]) == [2] * 1000
    table.scan(memoryview(block), False)
    (counts,) = _native.unpack(table.drain())
    assert counts == {key: 2 if number % 2 == 0 else 4 for number, key in enumerate(keys)}


ZEROS_BEHIND = [bytes(8) + bytes(zeros) for zeros in range(9)]
"""Keys that differ only in their lengths."""


@promise(
    "Keys that differ only in zeros at their ends are different keys",
    broken_by=change_text(
        "mapreduce/kernel/_table.h", "(record->length ^ length) | unit_differs", "unit_differs"
    ),
)
@every_variant
def test_keys_of_one_hash_that_differ_only_in_zeros_at_their_ends_are_different_keys(
    variant: str,
) -> None:
    """A seed of zeros makes every product 0, so that only the comparison tells the keys apart."""
    from mapreduce.kernel import _native

    table = _native.FieldTable(b" ", (1,), False, 0, (), (0, b""), variant, seed := bytes(32))
    block = b"".join(key + b" x\n" for key in ZEROS_BEHIND) + b"filler x\n" * 20
    assert table.scan(memoryview(block), True)[3] == [*ZEROS_BEHIND, b"filler"]
    packed = table.drain()
    merged = _native.merge(packed, packed, seed)
    assert _native.unpack(merged) == [{**dict.fromkeys(ZEROS_BEHIND, 2), b"filler": 40}]
    assert table.forget(ZEROS_BEHIND[:4]) == [0] * 4
    assert table.scan(memoryview(block), True)[3] == ZEROS_BEHIND[:4]


@promise(
    "No keys of one hash can be written into a log by adding zeros",
    broken_by=change_text("mapreduce/kernel/_table.h", "seed[1] ^ length)", "seed[1])"),
)
@every_variant
def test_keys_that_differ_only_in_zeros_at_their_ends_have_different_hashes(variant: str) -> None:
    """Otherwise whoever writes a log could fill the table with keys of one hash."""
    from mapreduce.kernel import _native

    keys = [b"k" * length + bytes(zeros) for length in (0, 1, 17) for zeros in range(1, 15)]
    table = _native.FieldTable(b" ", (1,), False, 0, (), (0, b""), variant, bytes(range(32)))
    table.scan(memoryview(b"".join(key + b" x\n" for key in keys) + b"filler x\n" * 20), False)
    packed, at, hashes = table.drain(), 24, set[int]()
    while at < len(packed):
        _count, hash_, length = struct.unpack_from("=QII", packed, at)
        hashes.add(hash_)
        at += 16 + max(16, -(-length // 16) * 16)
    assert len(hashes) == len(keys) + 1


def test_every_table_and_every_merge_has_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from mapreduce.kernel import native

    drawn: list[int] = []

    def draw(size: int) -> bytes:
        drawn.append(size)
        return bytes(size)

    monkeypatch.setattr("mapreduce.kernel.native.os.urandom", draw)
    tables = [table_of(kernel.VARIANTS[0]) for _ in range(2)]
    one, two = (native.PackedCounts(table.drain().data) for table in tables)  # type: ignore[union-attr]
    one.merge(two)
    assert drawn == [native.SEED_SIZE] * 3


@every_variant
def test_a_table_that_grows_many_times_forgets_and_keeps_exactly(variant: str) -> None:
    table = table_of(variant, (1,), None)
    expected: Counter[bytes] = Counter()
    for start in range(0, 60_000, 6_000):
        keys = [b"%0*d" % (1 + n % 40, n) for n in range(start, start + 6_000)]
        block = b"".join(key + b" x\n" for key in keys)
        table.scan(memoryview(block))
        junk = keys[::3]
        table.forget(junk)
        expected.update(set(keys) - set(junk))
    assert unpack(table.drain()) == expected
