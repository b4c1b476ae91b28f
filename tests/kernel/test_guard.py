"""One call at a time uses a table, from its first byte to the last key that it returns."""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from typing import Any

import pytest
from promises import change_text, promise

from mapreduce import kernel

pytestmark = pytest.mark.skipif(not kernel.VARIANTS, reason="the native kernel is not built")

LONG_BLOCK = memoryview(b"".join(b"%d x\n" % number for number in range(500_000)))


def new_table() -> Any:
    return kernel.choose(kernel.VARIANTS[0])[1](b" ", (1,), None)


def is_refused(table: Any) -> bool:
    try:
        table.forget([])
    except RuntimeError:
        return True
    return False


def wait_until_refused(table: Any, thread: threading.Thread) -> bool:
    while thread.is_alive():
        if is_refused(table):
            return True
    return False


@promise(
    "A table that two threads share refuses one of them",
    broken_by=change_text(
        "mapreduce/kernel/_counting.c",
        "if (!atomic_flag_test_and_set_explicit(&self->taken, memory_order_acquire))",
        "if (1)",
    ),
)
@pytest.mark.parametrize("method", ["scan", "forget", "drain"])
def test_every_call_is_refused_while_another_thread_scans(method: str) -> None:
    arguments = {"scan": (memoryview(b"a x\n"),), "forget": ([],), "drain": ()}[method]
    for _ in range(100):  # a thread may be over before this one has its turn
        table = new_table()
        thread = threading.Thread(target=table.scan, args=(LONG_BLOCK,))
        thread.start()
        try:
            if wait_until_refused(table, thread):
                with pytest.raises(RuntimeError, match="another thread is using this table"):
                    getattr(table, method)(*arguments)
                return
        finally:
            thread.join()
    pytest.fail("nobody was refused")


def test_a_table_that_was_taken_while_arguments_were_read_is_refused() -> None:
    """The number of an argument is Python code: another thread may begin to scan meanwhile."""
    for _ in range(100):
        table = new_table()
        thread = threading.Thread(target=table.scan, args=(LONG_BLOCK, False))
        began: list[bool] = []

        class BeginsAScan:
            def __index__(self) -> int:
                thread.start()  # noqa: B023 - called in this turn of the loop
                began.append(wait_until_refused(table, thread))  # noqa: B023
                return 1

        try:
            table.scan(memoryview(b"a x\n"), BeginsAScan())
            raced = False
        except RuntimeError:
            raced = True
        thread.join()
        if began == [True]:
            assert raced
            return
    pytest.fail("no scan began in time")


def test_a_call_that_fails_gives_the_table_back() -> None:
    table = new_table()
    with pytest.raises(TypeError):
        table.scan(None)
    with pytest.raises(TypeError):
        table.forget(None)
    with pytest.raises(TypeError):
        table.forget([b"a", None])
    table.scan(memoryview(b"a x\n"))
    assert table.drain().columns()[0] == {b"a": 1}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="garbage is collected between instructions")
def test_no_call_gets_between_a_scan_and_the_list_of_its_new_keys() -> None:
    """Python 3.11 collects garbage, and runs its finalizers, when a list is made."""
    table = new_table()
    scan, arguments = table._table.scan, (memoryview(b"a x\n"), True)
    within, refused = False, Counter[bool]()

    def collecting(_phase: str, _info: object) -> None:
        if within:
            refused[is_refused(table)] += 1

    threshold = gc.get_threshold()
    gc.callbacks.append(collecting)
    lists: list[object] = [[] for _ in range(1000)]  # none is left in Python's store of free lists
    try:
        gc.set_threshold(1, 1000, 1000)
        for _ in range(20):
            lists.append([])
            within = True
            scan(*arguments)
            within = False
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(collecting)
    assert refused[True] > 0
    assert refused[False] == 0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no class of Python's own has a buffer")
def test_the_list_of_new_keys_is_made_before_the_block_is_released() -> None:
    """Releasing a block may run Python code, which may use the table."""
    table = new_table()
    known = [b"%d" % number for number in range(1000)]
    table.scan(memoryview(b"".join(key + b" x\n" for key in known)))

    class Block:
        def __buffer__(self, _flags: int) -> memoryview:
            return memoryview(b"new x\n")

        def __release_buffer__(self, _view: memoryview) -> None:
            assert table.forget(known) == [1] * 1000

    assert table.scan(Block()).fresh == [b"new"]


def test_threads_that_share_a_table_count_exactly_what_was_not_refused() -> None:
    """On a free-threaded Python the calls of all threads meet, not only those that scan."""
    table, block, totals = new_table(), memoryview(b"a x\n"), list[Counter[bytes]]()

    def count() -> None:
        total = Counter[bytes]()
        for turn in range(10_000):
            try:
                table.scan(block)
                total[b"scanned"] += 1
                if turn % 8 == 0:
                    total.update(table.drain().columns()[0])
            except RuntimeError:
                total[b"refused"] += 1
        totals.append(total)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(totals) == 4
    whole = sum(totals, Counter(table.drain().columns()[0]))
    assert whole[b"a"] == whole[b"scanned"] > 0
