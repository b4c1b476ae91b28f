"""List and read, by ``boto3``, the objects of S3 whose keys ``obstore`` cannot name.

A key is any text: it may begin or end with ``/``, or have parts that are empty, ``.`` or ``..``.
``obstore``, the client of the module ``s3``, treats keys as paths of files, which have none of
these. One such key makes it fail for a whole listing. ``boto3`` takes keys as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

from mapreduce.inputs.stores import NO_LOGIN, Login
from mapreduce.inputs.tree import MayHold, is_shown


def is_odd(key: str) -> bool:
    """Return whether a key has a part that no path of a file may have."""
    return not {"", ".", ".."}.isdisjoint(key.split("/"))


def list_keys(
    bucket: str, key: str, may_hold: MayHold | None, login: Login
) -> Iterator[dict[str, Any]]:
    """Yield the object with this key or, if there is none, all objects below it.

    Hidden and empty objects below it are left out, as the module ``s3`` leaves them out.
    """
    found = [*_list_prefix(bucket, key, login)]
    if exact := [one for one in found if one["path"] == key and not key.endswith("/")]:
        yield from exact
        return
    prefix = f"{key.rstrip('/')}/" if key else ""
    for one in found:
        parts = one["path"].removeprefix(prefix).split("/")
        shown = all(part in {".", ".."} or is_shown(part) for part in parts)
        directory = one["path"].rpartition("/")[0]
        wanted = may_hold is None or may_hold(f"{directory}/")
        if one["path"].startswith(prefix) and shown and wanted and one["size"]:
            yield one


def read_key(bucket: str, key: str, start: int, stop: int, etag: str, *, login: Login) -> bytes:
    """Return the bytes ``[start, stop)`` of an object; raise what ``boto3`` raises."""
    condition = {"IfMatch": etag} if etag else {}
    wanted = f"bytes={start}-{stop - 1}"
    answer = _client(login).get_object(Bucket=bucket, Key=key, Range=wanted, **condition)
    return bytes(answer["Body"].read())


def _list_prefix(bucket: str, prefix: str, login: Login) -> Iterator[dict[str, Any]]:
    pages = _client(login).get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", ()):
            yield {
                "path": found["Key"],
                "size": found["Size"],
                "e_tag": found["ETag"],
                "last_modified": found["LastModified"],
            }


@cache
def _client(login: Login) -> Any:
    """Return this process's client, which finds its endpoint by itself, without a login all."""
    import boto3  # noqa: PLC0415 - optional, and slow to import
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    if login != NO_LOGIN:
        from mapreduce.inputs.login import session_of  # noqa: PLC0415 - optional

        return session_of(login).client("s3", config=Config(connect_timeout=5, read_timeout=30))
    unsigned = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in {"1", "true"}
    settings: dict[str, Any] = {"signature_version": UNSIGNED} if unsigned else {}
    config = Config(connect_timeout=5, read_timeout=30, **settings)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return boto3.session.Session().client("s3", region_name=region, config=config)
