"""The cases of lines of other shapes, and of jobs of one's own, against the peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import shape_peers
from bench import (
    HERE,
    OURS,
    Bench,
    Case,
    add_up,
    check_counts,
    installed,
    printed_counts,
    table_counts,
    timed,
)
from peers import Peer
from pool_script import PATTERN

Measure = Callable[[Bench, Case], None]


@dataclass(frozen=True)
class Question:
    """What is asked about a file, our command for it, and the peers that answer it, too."""

    path: Path
    command: list[str]
    peers: Sequence[Peer]
    table: str = "counts.csv"
    key_columns: int = 2
    null_is_missing: bool = False
    """Whether the peers do not tell null from a missing value."""


def compare(bench: Bench, case: Case, question: Question) -> None:
    """Check that all peers give the counts that we give, then time all of them."""
    peers = installed(case, question.peers)
    # In a process of its own: the tables must not count as memory of what is timed (see `timed`).
    checker = get_context("fork").Process(target=check, args=(bench, question, peers))
    checker.start()
    checker.join()
    if checker.exitcode:
        raise SystemExit(f"{case.name}: not timed, as the counts could not be compared")
    commands = {peer.name: peer.command(question.path, "", "") for peer in peers}
    bench.alternate(case, {OURS: question.command, **commands})


def check(bench: Bench, question: Question, peers: Sequence[Peer]) -> None:
    """Stop with an error if a peer does not give the counts that we give."""
    timed(question.command)
    counts = table_counts(bench.directory / "out" / question.table, question.key_columns)
    if question.null_is_missing:
        counts = add_up(counts, lambda key: tuple("" if one == "null" else one for one in key))
    for peer in peers:
        output = timed(peer.command(question.path, "", ""))[2]
        if peer.name == "GoAccess":
            statuses = add_up(counts, lambda key: key[1:])
            check_counts(peer.name, statuses, shape_peers.goaccess_statuses(output))
        else:
            check_counts(peer.name, counts, printed_counts(output, question.key_columns))


def words(bench: Bench, case: Case) -> None:
    path = bench.generated("words.txt", "text", "1GB")
    ours = bench.ours("wordcount", str(path))
    compare(bench, case, Question(path, ours, shape_peers.WORDS, "wordcount.csv", 1))


def access_log(bench: Bench, case: Case) -> None:
    path = bench.generated("access.log", "access", "1GB")
    ours = bench.ours("count", str(path), "--access-log", "--by", "path,status")
    compare(bench, case, Question(path, ours, shape_peers.ACCESS))


def quoted_csv(bench: Bench, case: Case) -> None:
    path = bench.generated("quoted.csv", "csv", "1GB")
    options = ["--csv", "--header", "--by", "city,product", "--sum", "amount"]
    ours = bench.ours("count", str(path), *options)
    compare(bench, case, Question(path, ours, shape_peers.CSV))


def json_lines(bench: Bench, case: Case) -> None:
    path = bench.generated("lines.jsonl", "json", "1GB")
    ours = bench.ours("count", str(path), "--json", "--by", "http.status,http.method")
    compare(bench, case, Question(path, ours, shape_peers.JSON, null_is_missing=True))


def line_function(bench: Bench, case: Case) -> None:
    path = bench.generated("access200.log", "access", "200MB")
    ours = bench.ours("run", str(HERE / "line_job.py"), str(path))
    compare(bench, case, Question(path, ours, shape_peers.FUNCTION, key_columns=1))


def regex(bench: Bench, case: Case) -> None:
    path = bench.generated("access200.log", "access", "200MB")
    ours = bench.ours("count", str(path), "--regex", PATTERN, "--by", "path,status")
    compare(bench, case, Question(path, ours, shape_peers.REGEX))


CASES: dict[str, tuple[Measure, dict[str, float]]] = {
    "words": (words, {"bar": 6, "stretch": 12}),
    "access-log": (access_log, {"bar": 3, "stretch": 6}),
    "csv-quoted": (quoted_csv, {"bar": 3, "stretch": 5}),
    "json-lines": (json_lines, {"bar": 2, "stretch": 4}),
    "line-function": (line_function, {"bar": 1.3, "stretch": 2}),
    "regex": (regex, {"bar": 1.5, "stretch": 2}),
}
