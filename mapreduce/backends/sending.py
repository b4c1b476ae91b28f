"""Find out whether a value can be sent to other processes, before any of them is started.

A lambda cannot be pickled. A function that was typed into a notebook or an interpreter can be
pickled, but only a fork of this process can unpickle it.
"""

from __future__ import annotations

import pickle
import sys


def why_not_sendable(value: object, *, forked: bool) -> str | None:
    """Return why a value cannot be sent to other processes, or ``None`` if it can.

    ``forked`` says that the other processes are forks of this one.
    """
    try:
        data = pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - the value may raise anything
        summary = str(error).partition("\n")[0]
        return f"the job cannot be sent to other processes ({summary}): {REMEDY}"
    main = sys.modules.get("__main__")
    if not forked and b"__main__" in data and not hasattr(main, "__file__"):
        return f"other processes cannot import what was defined in a notebook: {REMEDY}"
    return None


REMEDY = "define its functions at the top level of a module that can be imported"
