"""Lines are found by their ends, widths and words exactly as a naive search finds them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from promises import change, change_text, promise

from mapreduce import kernel
from mapreduce.kernel import _pure_finding

SEARCHES: list[Any] = [_pure_finding.find_lines]
if kernel.BUILT:
    from mapreduce.kernel import native

    SEARCHES.append(native.find_lines)
every_search = pytest.mark.parametrize("find", SEARCHES, ids=["pure", "native"][: len(SEARCHES)])

WORDS = [b"start", b"end", b"packets", b"dstport", b"ecscontainerinstancearn"]
PARTS = [
    *(b"start", b"END", b"dst-port", b"${Dst_Port}", b"ends", b"ECS-container-instance-ARN", b"x"),
    "PAC\u212aETS".encode(),
    *(
        b" ",
        b" ",
        b" ",
        b"\t",
        b"\r",
        b",",
        b'"',
        b"7",
        b"-",
        b"\xe2\x84\xaa",
        b"\xe2\x84",
        b"\0",
        b"[",
        b"x" * 70,
    ),
]


def naive(
    block: bytes, delimiter: bytes, widths: list[int], words: list[bytes], before: int
) -> list[int]:
    """Return the offsets of the lines that are wanted; written from the docstring alone."""
    found, at = [], 0
    for whole in [line + b"\n" for line in block.split(b"\n")[:-1]]:
        line = whole[:-1]
        line = line[:-1] if line[-1:] == b"\r" else line
        rest = delimiter.join(line.split(delimiter)[before:])
        letters = rest.decode("utf-8", "replace").replace("\u212a", "k").lower()
        letters = "".join(c for c in letters if c not in "-_${}\\")
        named = [word for word in re.split(r"[^a-z0-9]", letters) if word.encode() in words]
        starts = [word[:1] for word in re.split(rb"[ \t,;|]", rest)]
        is_header = not any(start in b"0123456789!%&()*+./:<=>?[]^~" for start in starts if start)
        if line and (
            line[-1] in b" \t"
            or len(line.split(delimiter)) in widths
            or (not re.match(rb"[0-9]", rest) and ((named and is_header) or len(named) >= 3))
        ):
            found.append(at)
        at += len(whole)
    return found


@promise(
    "No line is missed that may need a second look",
    broken_by=change("mapreduce.kernel._pure_finding:find_lines", "line.endswith(...)", "False"),
)
@every_search
@given(
    st.lists(st.lists(st.sampled_from(PARTS), max_size=8).map(b"".join), max_size=12),
    st.sampled_from([b" ", b","]),
    st.lists(st.integers(1, 6), max_size=2),
    st.integers(0, 2),
)
@example([b"${Dst_Port} x"], b" ", [], 0)
@example([b"7 start", b"x start", b"x 7start", b"x x start"], b" ", [], 1)
def test_the_lines_that_are_found_are_those_that_a_naive_search_finds(
    find: Any, lines: list[bytes], delimiter: bytes, widths: list[int], before: int
) -> None:
    block = b"".join(line + b"\n" for line in lines)
    found = find(memoryview(block), delimiter, widths=widths, words=WORDS, before=before)
    assert found == naive(block, delimiter, widths, WORDS, before)


@promise(
    "A word is known in any spelling, wherever it stands in a line",
    broken_by=change_text(
        "mapreduce/kernel/_finding.c",
        "kinds['a' + letter] = kinds['A' + letter]",
        "kinds['a' + letter]",
    ),
)
@every_search
@pytest.mark.parametrize(
    "word", [b"dstport", b"DSTPORT", b"dst-Port", b'"dst_port"', b"${dstport}"]
)
@pytest.mark.parametrize("before", [b"", b"x ", b"x" * 200 + b",", b"a-b ", b"\xc3\x9c "])
@pytest.mark.parametrize("behind", [b"", b"\r", b" x", b";x7"])
def test_a_word_is_known_in_any_spelling(
    find: Any, word: bytes, before: bytes, behind: bytes
) -> None:
    block = b"x y\n" + before + word + behind + b"\nz\n"
    assert find(memoryview(block), b" ", words=WORDS) == [4]


@pytest.mark.skipif(not kernel.BUILT, reason="the native kernel is not built")
@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"widths": range(9)}, ValueError),
        ({"widths": [-1]}, OverflowError),
        ({"widths": ["3"]}, TypeError),
        ({"words": [b"a" * n for n in range(1, 200)]}, ValueError),
    ],
)
def test_the_native_search_refuses_what_it_cannot_hold(asked: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        native.find_lines(memoryview(b"x\n"), b" ", **asked)
