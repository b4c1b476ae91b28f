"""Whether a value can be sent to other processes, before any of them is started.

A lambda cannot be pickled. A function that was typed into a notebook or an interpreter can, but a
process that is not a fork of this one does not find it again.
"""

from __future__ import annotations

import pickle
import sys


def why_stuck(value: object, *, forked: bool) -> str | None:
    """Return why a value cannot travel, or ``None`` if it can.

    ``forked`` says that the other processes are forks of this one.
    """
    try:
        data = pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - pickle lets through what the value raises
        summary = str(error).partition("\n")[0]
        return f"the job cannot be sent to other processes ({summary}): {REMEDY}"
    main = sys.modules.get("__main__")
    if not forked and b"__main__" in data and not hasattr(main, "__file__"):
        return f"other processes do not find what a notebook has defined: {REMEDY}"
    return None


REMEDY = "define its functions at the top level of a module that can be imported"
