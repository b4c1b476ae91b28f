"""List objects in S3 and read ranges of them; report each fault in one line.

It needs the extra ``s3``. Endpoint, region and credentials come from the places that AWS's own
tools read: the environment (``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``), a
profile, or the machine's role. ``AWS_SKIP_SIGNATURE=true`` reads a public bucket without
credentials. A ``Login`` comes before all of these. The client ``obstore`` waits and retries when a
server refuses for now (429, 5xx); this module retries a read that breaks off in the middle. The
module ``odd_keys`` lists and reads keys that ``obstore`` cannot name, such as ``a//b``.
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
from mapreduce.inputs.stores import NO_LOGIN, S3_SCHEME, Login
from mapreduce.inputs.tree import MayHold, is_shown

TRIES: Final = 3
"""Times that a range is requested at most; each time the client itself retries several times."""
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
_MESSAGES: Final = {
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
"""The message for each error code of S3. Source: the API reference, "Error responses"."""
_CODE: Final = re.compile(r"(?:<Code>|An error occurred \()(\w+)")
"""Finds the error code in the message of a client's exception."""
_PERMANENT_ERRORS: Final = frozenset(
    {
        *("FileNotFoundError", "PermissionError", "PermissionDeniedError", "PreconditionError"),
        *("NoSuchKey", "InvalidObjectState", "ClientError"),
    }
)
"""Exceptions of the clients after which a retry is pointless."""


class Remote(str):
    """The URL of an object, with its size, ETag and time of change from the listing.

    ``size`` is in bytes, ``mtime`` in nanoseconds since 1970.
    """

    __slots__ = ("etag", "mtime", "size")

    def __new__(cls, bucket: str, found: Any) -> Remote:
        url = super().__new__(cls, f"{S3_SCHEME}{bucket}/{found['path']}")
        url.size, url.etag = int(found["size"]), found["e_tag"] or ""
        url.mtime = int(found["last_modified"].timestamp() * 1e9)
        return url

    size: int
    etag: str
    mtime: int


def list_objects(
    url: str, may_hold: MayHold | None = None, login: Login = NO_LOGIN
) -> list[Remote]:
    """Return the object of a URL or, if there is none, all objects below it.

    Objects below it are left out if any part of their path begins with ``.`` or ``_``. A prefix for
    which ``may_hold`` is false is not listed. Raises ``UsageError`` if the listing fails.
    """
    bucket, _, key = url.removeprefix(S3_SCHEME).partition("/")
    if not bucket or any(sign in key for sign in "*?["):
        raise UsageError(
            f"{printable(url)}: name {S3_SCHEME}BUCKET/PREFIX/; patterns are for files"
        )
    try:
        store = _store(bucket, login)
        return _call_in_thread(lambda: _list(store, bucket, key, may_hold, login))
    except MapReduceError:  # includes a signal
        raise
    except Exception as error:  # the client raises its own and built-in ones
        raise UsageError(f"{printable(url)}: {_reason(error, url)}") from error


def _list(
    store: Any, bucket: str, key: str, may_hold: MayHold | None, login: Login
) -> list[Remote]:
    try:
        return [*_list_with_obstore(store, bucket, key, may_hold)]
    except Exception as error:
        if not _is_key_error(error):
            raise
    from mapreduce.inputs.odd_keys import list_keys  # noqa: PLC0415 - rare, and slow to import

    return [Remote(bucket, found) for found in list_keys(bucket, key, may_hold, login)]


def _is_key_error(error: Exception) -> bool:
    """Return whether the client failed only because it cannot name a key."""
    return type(error).__name__ == "InvalidPathError" or "Could not parse path" in str(error)


def _call_in_thread(function: Callable[[], list[Remote]]) -> list[Remote]:
    """Call in a thread: a signal interrupts waiting for a thread, but not waiting for a server."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - costs a small run 5 ms

    thread = ThreadPoolExecutor(1)
    try:
        return thread.submit(function).result()
    finally:
        thread.shutdown(wait=False)


def _list_with_obstore(
    store: Any, bucket: str, key: str, may_hold: MayHold | None
) -> Iterator[Remote]:
    import obstore  # noqa: PLC0415 - optional

    if key and not key.endswith("/") and (found := _head(store, key)):
        yield Remote(bucket, found)
        return
    prefix = key.rstrip("/")
    if may_hold is not None:
        yield from _list_level(store, bucket, prefix, may_hold)
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


def _list_level(store: Any, bucket: str, prefix: str, may_hold: MayHold) -> Iterator[Remote]:
    """Yield the objects below a prefix. List each level alone, to skip prefixes that hold none."""
    import obstore  # noqa: PLC0415 - optional

    page = obstore.list_with_delimiter(store, f"{prefix}/" if prefix else None)
    for found in page["objects"]:
        if is_shown(found["path"].rpartition("/")[2]):
            yield Remote(bucket, found)
    for below in page["common_prefixes"]:
        if is_shown(below.rpartition("/")[2]) and may_hold(f"{below}/"):
            yield from _list_level(store, bucket, below, may_hold)


def read_range(url: str, start: int, stop: int, etag: str, login: Login = NO_LOGIN) -> memoryview:
    """Return the bytes ``[start, stop)`` of the object that had this ETag when it was listed.

    Raises ``InputError`` if the object was replaced or deleted, if access is denied, or if the last
    retry fails.
    """
    bucket, _, key = url.removeprefix(S3_SCHEME).partition("/")
    for attempt in range(TRIES):
        time.sleep(PAUSE * (2**attempt - 1))
        try:
            data = memoryview(_get(bucket, key, start, stop, etag, login=login))
            if len(data) == stop - start:
                return data
            fault: Exception | None = None
        except Exception as error:  # noqa: BLE001 - as in list_objects
            fault = error
            if type(error).__name__ in _PERMANENT_ERRORS:
                break
    reason = (
        "fewer bytes came than were requested; run again" if fault is None else _reason(fault, url)
    )
    raise InputError(f"{printable(url)}, bytes {start} to {stop}: {reason}") from fault


def _get(bucket: str, key: str, start: int, stop: int, etag: str, *, login: Login) -> Any:
    """Return bytes of an object; raise whatever the client raises."""
    from mapreduce.inputs.odd_keys import is_odd, read_key  # noqa: PLC0415 - optional

    if is_odd(key):
        return read_key(bucket, key, start, stop, etag, login=login)
    import obstore  # noqa: PLC0415 - optional

    options: Any = {"range": (start, stop)} | ({"if_match": etag} if etag else {})
    return obstore.get(_store(bucket, login), key, options=options).bytes()


@cache
def _store(bucket: str, login: Login) -> Any:
    """Return this process's client of a bucket. Raises ``UsageError`` if there can be none."""
    try:
        from obstore.store import S3Store  # noqa: PLC0415 - optional
    except ImportError as error:
        raise UsageError(f"{S3_SCHEME} needs one more package: {install_hint('s3')}") from error
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: Any = {"retry_config": _RETRY} | _credentials(login)
    if endpoint:
        options["endpoint"] = endpoint
    options["client_options"] = {
        "timeout": timedelta(seconds=30),
        "connect_timeout": timedelta(seconds=5),
        "allow_http": (endpoint or "").startswith("http://"),
    }
    return S3Store(bucket, **options)


def _credentials(login: Login) -> dict[str, Any]:
    """Return the region, and the credentials unless the client finds them by itself."""
    if login != NO_LOGIN:
        from mapreduce.inputs.login import log_in  # noqa: PLC0415 - optional

        provider, of_profile = log_in(login)
        # The client reads AWS_SKIP_SIGNATURE, too, unless it is told otherwise.
        signed = {"skip_signature": False, "region": of_profile}
        return {"credential_provider": provider, **signed}
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
    """Return in a few words why the client failed: its own message may fill a page."""
    text = str(error)
    code = _CODE.search(text)
    if code and code[1] == "InvalidObjectState":
        bucket, _, key = url.removeprefix(S3_SCHEME).partition("/")
        return (
            "is archived (GLACIER, DEEP_ARCHIVE); restore it first: aws s3api restore-object "
            f"--bucket {quote(bucket)} --key {printable(quote(key))} --restore-request Days=7"
        )
    if code and code[1] in _MESSAGES:
        return _MESSAGES[code[1]]
    status = re.search(r"status code: (\d{3})", text)
    if status and status[1] == "403":
        return _MESSAGES["AccessDenied"]
    if "redirect" in text:
        return _MESSAGES["PermanentRedirect"]
    line = text.partition("\n")[0].rpartition(": ")[2] if status is None else f"HTTP {status[1]}"
    return printable(code[1] if code else line)
