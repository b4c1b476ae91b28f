"""Refuse exports that this job cannot read, with a command that makes plain records of them."""

from __future__ import annotations

import re
from typing import Final

from mapreduce import UsageError
from mapreduce.jobs.flowlogs.layout import KNOWN, field_name

_EVENT: Final = re.compile(rb"EVENTS\t|SEARCHEDLOGSTREAMS\t|[bf]/[0-9]{20,}(?:\t|$)")
_READERS: Final = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
_MESSAGES: Final = "jq -r '.. | .message? | strings'"
_AGAIN: Final = "mapreduce flowlogs -"


def refuse_export(name: str, line: bytes) -> None:
    """Raise ``UsageError`` if the first line shows that a log is JSON or text of ``aws logs``.

    The message has the command that makes plain records of the log.
    """
    start = line.lstrip()[:1]
    if start in {b"{", b"["}:
        raise UsageError(f"{name}: is JSON; make plain records of it: {_json_command(name, line)}")
    if _EVENT.match(line):
        column = _message_column(line)
        command = _pipe(name, "grep '^EVENTS'", f"cut -f {column}")
        raise UsageError(f"{name}: is text output of aws logs; make plain records of it: {command}")


def refuse_separator(name: str, line: bytes) -> None:
    """Raise ``UsageError`` if tabs, semicolons or bars separate the names of a header."""
    for separator, written, what in (
        (b"\t", r"\t", "tabs"),
        (b";", ";", "semicolons"),
        (b"|", "|", "bars"),
    ):
        if separator in line:
            command = _pipe(name, f"tr '{written}' ' '")
            raise UsageError(
                f"{name}: has {what} between its fields; turn them into blanks: {command}"
            )


def _json_command(name: str, line: bytes) -> str:
    names = _json_names(line)
    if not names:
        return _pipe(name, _MESSAGES)
    values = ", ".join(f'."{one}"' for one in names)
    header = " ".join(map(field_name, names))
    records = f'jq -r \'.. | objects | [{values}] | map(. // "-") | join(" ")\''
    return f"(echo {header}; {_pipe(name, records, again='')}) | {_AGAIN}"


def _json_names(line: bytes) -> list[str]:
    """Return the names of those values in a JSON object that are fields of a record."""
    import json  # noqa: PLC0415 - costs each start a millisecond

    try:
        found = json.loads(line)
    except ValueError:
        return []
    names = [*found] if isinstance(found, dict) else []
    known = [one for one in names if field_name(one) in KNOWN and re.fullmatch(r"[\w-]+", one)]
    return [] if "message" in names else known


def _message_column(line: bytes) -> int:
    """Return the number of the column that has the most blanks, as a record has; else 5.

    Column 5 holds the record in the output of ``filter-log-events``.
    """
    blanks = [column.count(b" ") for column in line.split(b"\t")]
    return blanks.index(max(blanks)) + 1 if max(blanks) else 5


def _pipe(name: str, *commands: str, again: str = _AGAIN) -> str:
    """Return a pipe that reads an input, runs commands on it, and counts the result."""
    import shlex  # noqa: PLC0415 - seldom needed

    path = "FILE" if name == "standard input" else shlex.quote(name)
    suffix = next((end for end in _READERS if name.endswith(end)), "")
    if name.startswith("s3://"):
        first = [f"aws s3 cp {path} -", *([f"{_READERS[suffix]} -dc"] if suffix else [])]
    else:
        first = [f"{_READERS[suffix]} -dc {path}"] if suffix else [f"cat {path}"]
    return " | ".join([*first, *commands, *([again] if again else [])])
