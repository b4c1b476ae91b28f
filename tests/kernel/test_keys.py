"""Each kernel counts keys that Python code has made, and words, as the naive counter does."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from held import unpack
from hypothesis import example, given
from hypothesis import strategies as st
from promises import change, change_text, promise

from mapreduce import kernel

KERNELS = ["pure", *kernel.VARIANTS]
every_kernel = pytest.mark.parametrize(
    "new_table", [kernel.choose_keys(name) for name in KERNELS], ids=KERNELS
)

KEYS = st.one_of(
    st.sampled_from([b"a", b"b", b"", b"\n", b"\0", b"\0\0", b"k" * 16, b"k" * 17, b"k" * 33]),
    st.binary(max_size=40),
    st.integers(0, 3000).map(lambda length: b"long" * length),
)
ITEMS = st.one_of(KEYS, st.none(), st.lists(KEYS, max_size=4))


def keys_of(item: Any) -> list[bytes]:
    return [item] if isinstance(item, bytes) else list(item or ())


@every_kernel
@given(st.lists(st.lists(ITEMS, max_size=90), min_size=1, max_size=3))
def test_each_item_of_a_list_is_a_line_with_its_keys(
    new_table: Any, lists: list[list[Any]]
) -> None:
    table, expected = new_table(), Counter[bytes]()
    for found in lists:
        keys = [key for item in found for key in keys_of(item)]
        known = set(expected)
        expected.update(keys)
        added = table.add(found)
        assert added.counted == sum(1 for item in found if keys_of(item))
        assert sorted(added.fresh) == sorted(set(keys) - known)
        assert added.known == len(expected)
    assert unpack(table.drain()) == expected


VALUES = KEYS.map(lambda key: key.replace(b"\n", b"\r"))


@every_kernel
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=90))
def test_the_columns_of_a_key_are_joined_with_line_feeds(
    new_table: Any, rows: list[tuple[bytes, ...]]
) -> None:
    table = new_table()
    assert table.add(rows, 3).counted == len(rows)
    assert unpack(table.drain()) == Counter(map(b"\n".join, rows))


class Text(bytes):
    """Bytes that may behave in any way."""


@promise(
    "A list with an item that is no key is refused as a whole",
    broken_by=change_text(
        "mapreduce/kernel/_keys.c", "if (!PyBytes_CheckExact(item)) return 0;", ""
    ),
)
@every_kernel
@pytest.mark.parametrize(
    ("item", "columns", "reason"),
    [
        ("a", 0, "item 1 is neither bytes nor None nor a list of bytes"),
        (["a"], 0, "item 1 is neither bytes nor None nor a list of bytes"),
        ((b"a", [b"a"]), 0, "item 1 is neither bytes nor None nor a list of bytes"),
        ({b"a"}, 0, "item 1 is neither bytes nor None nor a list of bytes"),
        (iter([b"a"]), 0, "item 1 is neither bytes nor None nor a list of bytes"),
        (Text(b"a"), 0, "item 1 is neither bytes nor None nor a list of bytes"),
        ([Text(b"a")], 0, "item 1 is neither bytes nor None nor a list of bytes"),
        (None, 1, "item 1 is not bytes"),
        ([b"a"], 1, "item 1 is not bytes"),
        ("a", 1, "item 1 is not bytes"),
        (b"ab", 2, "item 1 is no tuple of 2 bytes without line feeds"),
        ((b"a",), 2, "item 1 is no tuple of 2 bytes without line feeds"),
        ((b"a", "b"), 2, "item 1 is no tuple of 2 bytes without line feeds"),
        ((b"a", b"b\n"), 2, "item 1 is no tuple of 2 bytes without line feeds"),
    ],
)
def test_a_list_with_an_item_that_is_no_key_is_refused_as_a_whole(
    new_table: Any, item: Any, columns: int, reason: str
) -> None:
    table = new_table()
    first: Any = (b"a",) * columns if columns > 1 else b"a"
    with pytest.raises(TypeError, match=reason):
        table.add([first, item, first], columns)
    assert unpack(table.drain()) == {}


@every_kernel
def test_a_list_is_neither_changed_nor_held(new_table: Any) -> None:
    key, table = b"a key of my own", new_table()
    found = [key, [key], None]
    before = sys.getrefcount(key)
    table.add(found)
    assert sys.getrefcount(key) == before or type(table).__module__.endswith("_pure_keys")
    assert found == [key, [key], None]


@every_kernel
def test_a_key_is_fresh_until_it_is_known_and_again_once_forgotten(new_table: Any) -> None:
    table = new_table()
    assert list(table.add([b"a", b"b", b"a"]).fresh) in ([b"a", b"b"], [b"b", b"a"])
    assert list(table.add([b"c", b"a"]).fresh) == [b"c"]
    assert table.forget([b"a", b"x"]) == [3, 0]
    assert list(table.words(memoryview(b"b a\n")).fresh) == [b"a"]
    assert unpack(table.drain()) == {b"a": 1, b"b": 2, b"c": 1}
    assert list(table.add([b"a", b"d"], 0, False).fresh) == []
    assert unpack(table.drain()) == {b"a": 1, b"d": 1}


WORDS = st.one_of(
    st.sampled_from([b"a", b"to", b"\x08", b"\x0e", b"\x1f", b"!", b"\x85", b"\xa0", b"\x89\xff"]),
    st.binary(min_size=1, max_size=70),
    st.integers(1, 1500).map(lambda length: b"w" * length),
)
WHITE = st.sampled_from(
    [b" ", b" ", b"\n", b"\n", b"\t", b"\v", b"\f", b"\r\n", b" " * 70, b"\n" * 70]
)
TEXTS = st.lists(st.one_of(WORDS, WHITE), max_size=120).map(lambda parts: b"".join([*parts, b"\n"]))


def words_of(line: bytes) -> list[bytes]:
    words, word = list[bytes](), b""
    for byte in line + b" ":
        if byte in b" \t\n\v\f\r":
            words += [word] if word else []
            word = b""
        else:
            word += bytes([byte])
    return words


@promise(
    "Every run of bytes that are not ASCII white space is a word, in each kernel",
    broken_by=change(
        "mapreduce.kernel._pure_keys:KeyTable.words", "text.split()", "text.split(b' ')"
    ),
)
@every_kernel
@given(st.lists(TEXTS, min_size=1, max_size=3))
@example([b"\n"])
@example([b" " * 64 + b"\n", b" " * 63 + b"\n" + b" " * 200 + b"\n", b"\n" * 300])
@example([b"x" * 63 + b"\n" + b"y" * 64 + b"\n" + b"z" * 65 + b" \n" + b" " * 300 + b"end\n"])
def test_every_run_of_bytes_that_are_not_ascii_white_space_is_a_word(
    new_table: Any, blocks: list[bytes]
) -> None:
    table, expected = new_table(), Counter[bytes]()
    for block in blocks:
        lines = [words_of(line) for line in block[:-1].split(b"\n")]
        known = set(expected)
        expected.update(word for line in lines for word in line)
        scan = table.words(memoryview(block))
        assert (scan.lines, scan.empty, scan.misshapen) == (len(lines), lines.count([]), 0)
        assert sorted(scan.fresh) == sorted(set(expected) - known)
        assert scan.known == len(expected)
    assert unpack(table.drain()) == expected


@every_kernel
@given(TEXTS, st.integers(0, 70), st.binary(max_size=70))
def test_words_see_nothing_beside_their_block(
    new_table: Any, block: bytes, before: int, after: bytes
) -> None:
    table = new_table()
    around = memoryview(b"x" * before + block + after)[before : before + len(block)]
    table.words(around)
    assert unpack(table.drain()) == Counter(words_of(block))


@every_kernel
def test_a_block_without_lines_has_no_words(new_table: Any) -> None:
    table = new_table()
    assert tuple(table.words(memoryview(b""))) == (0, 0, 0, [], 0)
    assert tuple(table.add([])) == (0, [], 0)


@every_kernel
def test_very_many_keys_are_all_counted_as_the_table_grows(new_table: Any) -> None:
    table = new_table()
    keys = [b"%d%b" % (number, b"k" * (number % 60)) for number in range(300_000)]
    table.add(keys)
    table.words(memoryview(b" ".join(keys[::2]) + b"\n"))
    assert unpack(table.drain()) == {key: 2 - n % 2 for n, key in enumerate(keys)}


@promise(
    "Words are found without a look behind the end of the block",
    broken_by=change_text(
        "mapreduce/kernel/_words.h", "end - p >= WINDOW + SHORT_KEY;", "end - p >= WINDOW;"
    ),
)
@pytest.mark.parametrize(
    ("compiler", "emulator"), [("cc", ""), ("aarch64-linux-gnu-gcc", "qemu-aarch64")]
)
def test_every_variant_finds_the_words_that_are_found_byte_by_byte(
    tmp_path: Path, compiler: str, emulator: str
) -> None:
    missing = [tool for tool in (compiler, emulator) if tool and not shutil.which(tool)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed, so this processor's variants are not run")
    program = str(tmp_path / "variants")
    source = str(Path(__file__).parents[1] / "word_variants.c")
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", *(["-static"] if emulator else [])]
    subprocess.run([compiler, *flags, source, "-o", program], check=True)
    command = [*filter(None, [emulator]), program, "600"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert "neon agrees\n" in run.stdout or not emulator


@pytest.mark.skipif(not kernel.VARIANTS, reason="the native kernel is not built")
@pytest.mark.parametrize("method", ["add", "words", "forget", "drain"])
def test_every_call_is_refused_while_another_thread_counts_words(method: str) -> None:
    block = memoryview(b" ".join(b"%d" % number for number in range(500_000)) + b"\n")
    arguments = {"add": ([b"a"],), "words": (block[-2:],), "forget": ([],), "drain": ()}[method]
    for _ in range(100):  # a thread may be over before this one has its turn
        table: Any = kernel.choose_keys(kernel.VARIANTS[0])()
        thread = threading.Thread(target=table.words, args=(block, False))
        thread.start()
        try:
            while thread.is_alive():
                getattr(table, method)(*arguments)
        except RuntimeError:
            return
        finally:
            thread.join()
    pytest.fail("nobody was refused")
