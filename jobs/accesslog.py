"""Count the requests in access logs of Apache and nginx."""

from typing import Annotated

from mapreduce import KeyCount, UsageError, access_log, named


def accesslog(
    by: Annotated[
        str, "Fields to count by: host, user, hour, method, path, status, referer, agent, ..."
    ] = "status",
    top: Annotated[int | None, "Write only this many rows, those with the most requests."] = None,
) -> KeyCount:
    """Count the requests in access logs, common or combined, and sum the bytes that were sent."""
    if top is not None and top < 1:
        raise UsageError(f"{named('top', top)}: must be at least 1")
    try:
        mapper = access_log(*by.split(","), summed=("bytes",))
    except ValueError as error:
        raise UsageError(f"{named('by', by)}: {error}") from error
    return KeyCount(mapper, output="accesslog.csv", name="accesslog", top=top)
