"""Malformed lines are found in whole blocks, and each line has the meaning that it has alone."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

import pytest
from conftest import record
from hypothesis import example, given
from hypothesis import strategies as st
from promises import becomes, promise

from mapreduce import InputError, Mapper, Tally
from mapreduce.jobs.flowlogs.forms import Form
from mapreduce.jobs.flowlogs.layout import DEFAULT, TRANSIT_GATEWAY, parse_format
from mapreduce.jobs.flowlogs.records import Question, mapper_of
from mapreduce.jobs.flowlogs.rewriting import Rewriter

TIME = b"2023-11-14T22:13:20Z "
HEADER = " ".join(DEFAULT.names).encode()
LAYOUTS = {
    "default": DEFAULT,
    "named": parse_format("srcaddr dstport protocol log-status"),
    "ends with the port": parse_format("version log-status protocol dstport"),
    "ends with bytes": parse_format("dstport protocol log-status bytes"),
}
VALUES = {
    "version": ["2", "2", "2", "3", "two"],
    "dstport": ["443", "80", "70000", "x", "-"],
    "protocol": ["6", "17", "256"],
    "log-status": ["OK", "OK", "NODATA"],
    "bytes": ["1", "1", "8k"],
}
JUNK = [
    *(
        b"",
        b" ",
        b"\t",
        b"-",
        b"2",
        b"2 443",
        b"[INFO] app started with code 7",
        b"start 7",
        b"\xff",
    ),
    *(b"a 443 6", b"a b c d", b"2023-11-14 12 took 7 ms", b"x" * 5000, b"type=start", b"\r"),
]


def line_of(names: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """Return a strategy for records of a layout, some of them not quite."""
    values = st.tuples(*(st.sampled_from(VALUES.get(name, ["1"])) for name in names))
    return values.map(" ".join).map(str.encode)


def transit(port: str, status: str) -> bytes:
    values = {"version": "6", "dstport": port, "protocol": "6", "log-status": status}
    return " ".join(values.get(name, "1") for name in TRANSIT_GATEWAY.names).encode()


def lines_of_log(names: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    proper = line_of(names)
    header = " ".join(names).encode()
    spelled = [header, header.upper(), header.replace(b"-", b"_"), header.replace(b" ", b"  ")]
    gateway = st.builds(transit, st.sampled_from(["443", "x"]), st.sampled_from(["OK", "NODATA"]))
    odd = proper.map(lambda line: line + b" 7") | proper.map(lambda line: line[:-3])
    line = proper | proper | odd | gateway | st.sampled_from([*JUNK, *spelled])
    return st.builds(
        bytes.__add__, line, st.sampled_from([b"", b"", b"", b" ", b"\t", b" \t ", b"\r"])
    )


def naive_values(line: bytes, names: tuple[str, ...]) -> dict[str, bytes] | None:
    """Return the values of a record, with whatever stands before it taken away, or None."""
    bare, fields = line.rstrip(b" \t"), line.split(b" ")
    if len(fields) != len(names) or line.endswith(b"\t"):
        fields = bare.split(b" ")
    if names != DEFAULT.names:
        return dict(zip(names, fields, strict=True)) if len(fields) == len(names) else None
    for version, known in ((b"2", names), (b"6", TRANSIT_GATEWAY.names)):
        if (len(fields), fields[0]) == (len(known), version):
            return dict(zip(known, fields, strict=True))
    return None


def naive_meaning(line: bytes, names: tuple[str, ...], before: int, numbers: list[str]) -> bytes:
    """Return the key of a line, b"skipped" or b"malformed"; ``before`` fields are not named."""
    line = line.removesuffix(b"\r")
    record = line.split(b" ", before)[-1] if line.count(b" ") >= before else b""
    words = record.decode("latin-1").lower().replace("_", "-").split()
    values = naive_values(record, names)
    if not line or words == [*names]:
        return b"skipped"
    if values is None:
        return b"malformed"
    if values["log-status"] in (b"NODATA", b"SKIPDATA"):
        return b"skipped"
    largest = {"dstport": 65535, "protocol": 255, "bytes": 10**9}
    if not all(values[n].isdigit() and int(values[n]) <= largest[n] for n in numbers):
        return b"malformed"
    return b" ".join([values["dstport"], values["protocol"], values["log-status"]])


@st.composite
def logs(draw: st.DrawFn) -> tuple[str, int, list[bytes]]:
    """Return the name of a layout, the number of fields before each record, and lines."""
    name = draw(st.sampled_from(sorted(LAYOUTS)))
    lines = draw(st.lists(lines_of_log(LAYOUTS[name].names), max_size=12))
    before = draw(st.integers(0, 1)) if name == "default" else 0
    return (
        name,
        before,
        [TIME * before + line if line not in (b"", b"\r") else line for line in lines],
    )


def counted(mapper: Mapper, lines: list[bytes], wanted: int) -> tuple[Tally, int, dict[bytes, int]]:
    """Return the tally of lines, the number of skipped ones, and the count of each key."""
    combiner = mapper.start()
    tally = combiner.map_block(memoryview(b"".join(line + b"\n" for line in lines)), wanted)
    drained = combiner.drain()
    return tally, tally.skipped + drained.skipped, drained.totals.columns()[0]


@promise(
    "A line that is not a plain record means the same among others as alone",
    broken_by=becomes(
        "mapreduce.jobs.flowlogs.rewriting:Rewriter.doubtful_lines", "return iter(())"
    ),
)
@given(logs(), st.sampled_from([0, 1, 3, 100]), st.sampled_from([1, 100, 1 << 12]))
@example(("default", 0, [HEADER.upper(), record(), b"junk"]), 1, 100)
@example(("default", 0, [transit("443", "OK"), record(b"x"), record() + b" "]), 1, 100)
@example(("default", 1, [b"x", TIME, TIME + record()]), 1, 100)
@example(("ends with bytes", 0, [b"443 6 OK 8k", b"443 6 OK 1\t"]), 1, 100)
def test_a_line_means_the_same_among_others_as_alone(
    log: tuple[str, int, list[bytes]], wanted: int, piece: int
) -> None:
    name, before, lines = log
    question = Question(measures=("flows", "bytes") if name == "ends with bytes" else ("flows",))
    layout = LAYOUTS[name]._replace(before=before)
    mapper = mapper_of(Form(layout), question)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.jobs.flowlogs.mapping._PIECE", piece)
        tally, skipped, keys = counted(mapper, lines, wanted)
    numbers = [*question.by, *question.weights]
    meanings = [naive_meaning(line, layout.names, before, numbers) for line in lines]
    kinds = Counter(meanings)
    assert (tally.lines, skipped, tally.malformed) == (
        len(lines),
        kinds.pop(b"skipped", 0),
        kinds.pop(b"malformed", 0),
    )
    assert {key: count for key, count in keys.items() if count} == kinds
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    alone = [
        (start, counted(mapper, [line], 1)[0].malformed_at[0][1])
        for start, line, meaning in zip(starts, lines, meanings, strict=False)
        if meaning == b"malformed"
    ]
    assert [*tally.malformed_at] == alone[:wanted]


@pytest.mark.parametrize("beside", [b"junk", record() + b" more", record(b"70000"), b""])
@pytest.mark.parametrize(
    "other", [HEADER.replace(b"srcport dstport", b"dstport srcport"), b"start end"]
)
def test_a_header_of_another_layout_among_malformed_lines_ends_the_run(
    other: bytes, beside: bytes
) -> None:
    with pytest.raises(InputError, match="a header of another layout in the middle"):
        counted(mapper_of(Form(DEFAULT), Question()), [record(), beside, other], 0)


def test_many_malformed_lines_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    is_plain = Rewriter.is_plain

    def noted(self: Rewriter, line: bytes) -> bool:
        read.append(line)
        return is_plain(self, line)

    monkeypatch.setattr(Rewriter, "is_plain", noted)
    junk = [b"app %d took 7 ms" % n for n in range(5000)]
    tally, _skipped, _keys = counted(mapper_of(Form(DEFAULT), Question()), [*junk, b"x "], 3)
    assert (tally.malformed, len(tally.malformed_at)) == (5001, 3)
    assert len(read) < 1000
