"""Count the requests in access logs of Apache and nginx."""

from functools import partial
from typing import Annotated

import mapreduce
from mapreduce import ALL_ROWS, KeyCount, ShapeMapper, TableView, UsageError, access_log


def accesslog(
    by: Annotated[
        str,
        "Fields to count by: host, user, hour, method, path, status, referer, agent, ... or "
        "functions of them: net(host,24),day(time).",
    ] = "status",
    where: Annotated[
        str | None,
        "Count only requests for which this is true, such as 'status>=500 and method=\"GET\"'.",
    ] = None,
    timezone: Annotated[
        str, "Time zone of hour(), minute() and day(), such as Europe/Berlin."
    ] = "UTC",
    view: TableView = ALL_ROWS,
) -> KeyCount:
    """Count the requests in access logs, common or combined, and sum the bytes that were sent."""
    try:
        mapper = _mapper(by, where, timezone)
    except ValueError as error:
        raise UsageError(f"{error}") from error
    return KeyCount(mapper, output="accesslog.csv", name="accesslog", view=view)


def _mapper(by: str, where: str | None, timezone: str) -> ShapeMapper:
    make = partial(access_log, summed=("bytes",))
    if where is None and "(" not in by:  # nothing needs to be imported for a question
        return make(*by.split(","))
    condition = None if where is None else mapreduce.parse_where(where, timezone)
    return mapreduce.question_mapper(make, mapreduce.parse_by(by, timezone), condition)
