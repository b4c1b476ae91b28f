"""Refuse exports that this job cannot read, with a command that makes plain records of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from mapreduce import UsageError
from mapreduce.jobs.flowlogs.layout import KNOWN, field_name

_EVENT: Final = re.compile(rb"EVENTS\t|SEARCHEDLOGSTREAMS\t|[bf]/[0-9]{20,}(?:\t|$)")
_READERS: Final = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
_KEYS: Final = ("message", "@message", "log")
"""The names under which JSON has a whole record."""
_MESSAGE: Final = '.message // ."@message" // .log // select(.field == "@message").value'
_MESSAGES: Final = f"jq -r '(.. | objects | {_MESSAGE}), arrays[] | strings'"
"""What finds the records that are texts in any JSON that AWS's tools write."""
_ANY: Final = (
    f"jq -rc '(.. | objects | {_MESSAGE} // select(has(\"protocol\"))), (arrays[] | strings)'"
)
"""As ``_MESSAGES``, and it writes each object of fields in a line, whose names can then be told."""
_SEPARATORS: Final = {b"\t": (r"\t", "tabs"), b";": (";", "semicolons"), b"|": ("|", "bars")}
"""Separators of columns that are not read, as a command writes them, and what they are called."""
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
    for separator, (written, what) in _SEPARATORS.items():
        if separator in line:
            command = _pipe(name, f"tr '{written}' ' '")
            raise UsageError(
                f"{name}: has {what} between its fields; turn them into blanks: {command}"
            )


def refuse_separated_messages(name: str, line: bytes) -> None:
    """Raise ``UsageError`` if a first line names a column of records, but not between commas."""
    for separator, (written, what) in _SEPARATORS.items():
        titles = line.decode("utf-8", "replace").split(separator.decode())
        names = [field_name(title).removeprefix("@") for title in titles]
        if len(names) > 1 and "message" in names:
            between = "" if separator == b"\t" else f" -d '{written}'"
            command = _pipe(name, f"cut{between} -f {names.index('message') + 1}")
            raise UsageError(f"{name}: has {what} between its columns; keep the records: {command}")


def _json_command(name: str, line: bytes) -> str:
    """Return the command that makes records of JSON that begins with this line."""
    import json  # noqa: PLC0415 - costs each start a millisecond

    try:
        found = json.loads(line)
    except ValueError:  # a value that goes on in the next line
        return _pipe(name, _ANY)
    if _has_messages(found):
        return _pipe(name, _MESSAGES)
    names = _field_names(found)
    if not names:
        return _pipe(name, _ANY)
    values = ", ".join(f'."{one}"' for one in names)
    header = " ".join(map(field_name, names))
    records = f'jq -r \'.. | objects | [{values}] | select(any) | map(. // "-") | join(" ")\''
    return f"(echo {header}; {_pipe(name, records, again='')}) | {_AGAIN}"


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects within a JSON value, an outer one before those in it."""
    if isinstance(value, dict):
        yield value
        value = [*value.values()]
    for one in value if isinstance(value, list) else ():
        yield from _objects(one)


def _has_messages(found: Any) -> bool:
    """Return whether a JSON value has texts where ``_MESSAGES`` looks for records."""
    if isinstance(found, list) and any(isinstance(one, str) for one in found):
        return True
    return any(
        one.get("field") == "@message" or any(isinstance(one.get(key), str) for key in _KEYS)
        for one in _objects(found)
    )


def _field_names(found: Any) -> list[str]:
    """Return the names of the fields in the first object of a JSON value that is a record."""
    for one in _objects(found):
        names = [key for key in one if field_name(key) in KNOWN and re.fullmatch(r"[\w-]+", key)]
        if "protocol" in names:
            return names
    return []


def _message_column(line: bytes) -> int:
    """Return the number of the column that holds the record.

    It is 3 in the output of ``get-log-events``, which begins with two tokens. Else it is the column
    that has the most blanks, or 5, as in the output of ``filter-log-events``.
    """
    if line[1:2] == b"/":
        return 3
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
