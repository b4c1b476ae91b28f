"""What a job's function of a line may return, and what is wrong with anything else."""

from __future__ import annotations

from mapreduce.kernel import SEPARATOR


def wrong_key(found: object, measures: int, columns: int = 1) -> str:
    """Return what is wrong with a key that a line function has returned; empty if nothing is."""
    if columns > 1:
        return _wrong_columns(found, columns)
    if measures and not (isinstance(found, tuple) and len(found) == 1 + measures):
        return (
            f"with {measures} measure{'s' if measures > 1 else ''} the function returns a list of "
            f"tuples of a key and {measures} more; {found!r:.60} is none"
        )
    key = found[0] if measures and isinstance(found, tuple) else found
    if type(key) is bytes:
        return ""
    if isinstance(key, tuple):
        return (
            f"the key {key!r:.60} is a tuple: a list holds several keys; for a key of "
            f"{len(key)} columns write LineMapper(..., columns={len(key)})"
        )
    return (
        f"the key {key!r:.60} is {type(key).__name__}, and keys are bytes: return a list of them, "
        "such as [line[:3]], and encode text with .encode()"
    )


def _wrong_columns(key: object, columns: int) -> str:
    values = key if isinstance(key, tuple) else ()
    is_right = len(values) == columns and all(type(one) is bytes for one in values)
    if is_right and not any(SEPARATOR in one for one in values):
        return ""
    return f"the key {key!r:.60} is no tuple of {columns} bytes without line feeds"


def no_keys(returned: object) -> str:
    return (
        f"the function returned {returned!r:.60}, and must return a key or a list of keys; "
        "None or [] skips the line"
    )
