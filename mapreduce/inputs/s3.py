"""Objects in S3: listed, read in ranges, each fault one clear line. Needs the extra ``s3``.

Endpoint, region and credentials come from where AWS's own tools look: the environment
(``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``), a profile, the machine's role;
``AWS_SKIP_SIGNATURE=true`` reads a public bucket without any. The client retries with back-off what
a server refuses for now (429, 5xx); so does this module what breaks off in the middle. Keys that
the client cannot name, such as ``a//b``, are listed and read by ``odd_keys``.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from shlex import quote
from typing import Any, Final

from mapreduce.errors import InputError, MapReduceError, UsageError, install_hint, printable
from mapreduce.inputs.stores import SCHEME
from mapreduce.inputs.tree import MayHold, is_shown

TRIES: Final = 3
"""How often a range is asked for, at most; each time the client tries several times itself."""
PAUSE: Final = 0.2
"""Seconds before the second try; three times as many before the third one."""

_RETRY: Final = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=90),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}
_CODES: Final = {
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object",
    "PreconditionFailed": "was replaced while it was being read; run again",
    "AccessDenied": "access denied; see the credentials and the policy of the bucket",
    "Forbidden": "access denied; see the credentials and the policy of the bucket",
    "InvalidAccessKeyId": "the access key is unknown; see AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key is wrong; see AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired; get new ones",
    "PermanentRedirect": "is in another region; set AWS_REGION",
}
"""What is told of an error code of S3. Source: the API reference, "Error responses"."""
_CODE: Final = re.compile(r"(?:<Code>|An error occurred \()(\w+)")
"""Where the clients have the error code in what they say."""
_FINAL: Final = frozenset(
    {
        *("FileNotFoundError", "PermissionError", "PermissionDeniedError", "PreconditionError"),
        *("NoSuchKey", "InvalidObjectState", "ClientError"),
    }
)
"""Errors that another try does not mend."""


class Remote(str):
    """The URL of an object, and what its listing tells: bytes, ETag, nanoseconds since 1970."""

    __slots__ = ("etag", "mtime", "size")

    def __new__(cls, bucket: str, found: Any) -> Remote:
        url = super().__new__(cls, f"{SCHEME}{bucket}/{found['path']}")
        url.size, url.etag = int(found["size"]), found["e_tag"] or ""
        url.mtime = int(found["last_modified"].timestamp() * 1e9)
        return url

    size: int
    etag: str
    mtime: int


def list_objects(url: str, may_hold: MayHold | None = None) -> list[Remote]:
    """Return the object of a URL or, if there is none, all objects below it, as in a directory.

    What is hidden or begins with ``_`` is left out, and a whole prefix for which ``may_hold`` is
    false is not even listed. Raises ``UsageError`` if nothing can be listed.
    """
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not bucket or any(sign in key for sign in "*?["):
        raise UsageError(f"{printable(url)}: name {SCHEME}BUCKET/PREFIX/; patterns are for files")
    try:
        store = _store(bucket)
        return _apart(lambda: _list(store, bucket, key, may_hold))
    except MapReduceError:  # a signal, too
        raise
    except Exception as error:  # the client has errors of its own, and some of Python's
        raise UsageError(f"{printable(url)}: {_reason(error, url)}") from error


def _list(store: Any, bucket: str, key: str, may_hold: MayHold | None) -> list[Remote]:
    try:
        return [*_listed(store, bucket, key, may_hold)]
    except Exception as error:
        if not _is_of_key(error):
            raise
    from mapreduce.inputs.odd_keys import list_keys  # noqa: PLC0415 - rare, and slow to import

    return [Remote(bucket, found) for found in list_keys(bucket, key, may_hold)]


def _is_of_key(error: Exception) -> bool:
    """Return whether the client failed only because it cannot name a key."""
    return type(error).__name__ == "InvalidPathError" or "Could not parse path" in str(error)


def _apart(function: Callable[[], list[Remote]]) -> list[Remote]:
    """Call in a thread: a signal reaches who waits for a thread, but not who waits for a server."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - costs a small run 5 ms

    thread = ThreadPoolExecutor(1)
    try:
        return thread.submit(function).result()
    finally:
        thread.shutdown(wait=False)


def _listed(store: Any, bucket: str, key: str, may_hold: MayHold | None) -> Iterator[Remote]:
    import obstore  # noqa: PLC0415 - optional

    if key and not key.endswith("/") and (found := _head(store, key)):
        yield Remote(bucket, found)
        return
    prefix = key.rstrip("/")
    if may_hold is not None:
        yield from _walk(store, bucket, prefix, may_hold)
        return
    for page in obstore.list(store, f"{prefix}/" if prefix else None):
        for found in page:
            below = found["path"].removeprefix(prefix)
            if all(map(is_shown, below.split("/"))):
                yield Remote(bucket, found)


def _head(store: Any, key: str) -> Any:
    import obstore  # noqa: PLC0415 - optional

    try:
        return obstore.head(store, key)
    except FileNotFoundError:
        return None


def _walk(store: Any, bucket: str, prefix: str, may_hold: MayHold) -> Iterator[Remote]:
    """Yield the objects below a prefix, one level after the other."""
    import obstore  # noqa: PLC0415 - optional

    page = obstore.list_with_delimiter(store, f"{prefix}/" if prefix else None)
    for found in page["objects"]:
        if is_shown(found["path"].rpartition("/")[2]):
            yield Remote(bucket, found)
    for below in page["common_prefixes"]:
        if is_shown(below.rpartition("/")[2]) and may_hold(f"{below}/"):
            yield from _walk(store, bucket, below, may_hold)


def read_range(url: str, start: int, stop: int, etag: str) -> memoryview:
    """Return the bytes ``[start, stop)`` of the object that had this ETag when it was listed.

    Raises ``InputError`` if it has been replaced, is gone or denied, or cannot be read in the end.
    """
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    for attempt in range(TRIES):
        time.sleep(PAUSE * (2**attempt - 1))
        try:
            data = memoryview(_get(bucket, key, start, stop, etag))
            if len(data) == stop - start:
                return data
            fault: Exception | None = None
        except Exception as error:  # noqa: BLE001 - the client's own, and some of Python's
            fault = error
            if type(error).__name__ in _FINAL:
                break
    reason = "ends before its end" if fault is None else _reason(fault, url)
    raise InputError(f"{printable(url)}, bytes {start} to {stop}: {reason}") from fault


def _get(bucket: str, key: str, start: int, stop: int, etag: str) -> Any:
    """Return bytes of an object as the client gives them; raise what the client raises."""
    from mapreduce.inputs.odd_keys import is_odd, read_key  # noqa: PLC0415 - optional

    if is_odd(key):
        return read_key(bucket, key, start, stop, etag)
    import obstore  # noqa: PLC0415 - optional

    options: Any = {"range": (start, stop)} | ({"if_match": etag} if etag else {})
    return obstore.get(_store(bucket), key, options=options).bytes()


@cache
def _store(bucket: str) -> Any:
    """Return the client of a bucket, one for each process. Raises ``UsageError``."""
    try:
        from obstore.store import S3Store  # noqa: PLC0415 - optional
    except ImportError as error:
        raise UsageError(f"{SCHEME} needs one more package: {install_hint('s3')}") from error
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: Any = {"retry_config": _RETRY} | _identity()
    if endpoint:
        options["endpoint"] = endpoint
    options["client_options"] = {
        "timeout": timedelta(seconds=30),
        "connect_timeout": timedelta(seconds=5),
        "allow_http": (endpoint or "").startswith("http://"),
    }
    return S3Store(bucket, **options)


def _identity() -> dict[str, Any]:
    """Return region and credentials, as far as the client does not find them by itself."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in {"1", "true"}:
        return {"skip_signature": True, "region": region or "us-east-1"}
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {"region": region or "us-east-1"}
    import boto3  # noqa: PLC0415 - optional, and slow to import
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

    try:
        session = boto3.Session()
        provider = Boto3CredentialProvider(session)
    except (BotoCoreError, ValueError) as error:
        found = "" if "Received None" in str(error) else f" ({error})"
        raise UsageError(
            f"no AWS credentials{found}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket"
        ) from error
    region = region or session.region_name or "us-east-1"
    return {"credential_provider": provider, "region": region}


def _reason(error: Exception, url: str) -> str:
    """Return in a few words why the client failed: what it says fills a page."""
    text = str(error)
    code = _CODE.search(text)
    if code and code[1] == "InvalidObjectState":
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        return (
            "is archived (GLACIER, DEEP_ARCHIVE); restore it first: aws s3api restore-object "
            f"--bucket {quote(bucket)} --key {printable(quote(key))} --restore-request Days=7"
        )
    if code and code[1] in _CODES:
        return _CODES[code[1]]
    status = re.search(r"status code: (\d{3})", text)
    if status and status[1] == "403":
        return _CODES["AccessDenied"]
    if "redirect" in text:
        return _CODES["PermanentRedirect"]
    line = text.partition("\n")[0].rpartition(": ")[2] if status is None else f"HTTP {status[1]}"
    return printable(code[1] if code else line)
