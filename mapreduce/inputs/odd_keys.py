"""List and read the objects of S3 whose keys the client of ``s3`` cannot name.

A key is any text: it may begin or end with ``/``, or have parts that are empty, ``.`` or ``..``.
The client takes keys for paths of files, which have none of these, and fails for a whole listing
that has one such key. ``boto3`` takes keys as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

from mapreduce.inputs.tree import MayHold, is_shown


def is_odd(key: str) -> bool:
    """Return whether a key is not a path of a file."""
    return not {"", ".", ".."}.isdisjoint(key.split("/"))


def list_keys(bucket: str, key: str, may_hold: MayHold | None) -> Iterator[dict[str, Any]]:
    """Yield the object of a key or, if there is none, all objects below it, as ``s3`` does."""
    found = [*_below(bucket, key)]
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


def read_key(bucket: str, key: str, start: int, stop: int, etag: str) -> bytes:
    """Return the bytes ``[start, stop)`` of an object; raise what ``boto3`` raises."""
    condition = {"IfMatch": etag} if etag else {}
    wanted = f"bytes={start}-{stop - 1}"
    answer = _client().get_object(Bucket=bucket, Key=key, Range=wanted, **condition)
    return bytes(answer["Body"].read())


def _below(bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    pages = _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for found in page.get("Contents", ()):
            yield {
                "path": found["Key"],
                "size": found["Size"],
                "e_tag": found["ETag"],
                "last_modified": found["LastModified"],
            }


@cache
def _client() -> Any:
    """Return the client, one for each process; it finds endpoint and credentials by itself."""
    import boto3  # noqa: PLC0415 - optional, and slow to import
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    unsigned = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in {"1", "true"}
    settings: dict[str, Any] = {"signature_version": UNSIGNED} if unsigned else {}
    config = Config(connect_timeout=5, read_timeout=30, **settings)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return boto3.session.Session().client("s3", region_name=region, config=config)
