"""Get credentials of AWS for a ``Login``: those of a profile, or of a role that is assumed."""

from __future__ import annotations

import os
from datetime import UTC
from functools import cache
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from obstore.auth.boto3 import Boto3CredentialProvider, StsCredentialProvider

from mapreduce.errors import UsageError, named, printable
from mapreduce.inputs.stores import Login

SESSION: Final = "mapreduce"
"""The name under which AWS logs what is done in the role."""


class _RoleProvider(StsCredentialProvider):
    """Assumes a role. The client takes only a time in the zone of Python's own UTC."""

    def __call__(self) -> Any:
        found: Any = super().__call__()
        return found | {"expires_at": found["expires_at"].astimezone(UTC)}


@cache
def log_in(login: Login) -> tuple[Any, str]:
    """Return what gives credentials to the client, and new ones when they expire; and a region.

    Raises ``UsageError`` for an unknown profile, and if the role cannot be assumed.
    """
    try:
        session = _session_of_profile(login.profile)
        if login.role_arn is None:
            return Boto3CredentialProvider(session), session.region_name
        provider = _RoleProvider(session, RoleArn=login.role_arn, RoleSessionName=SESSION)
        provider()  # so that a fault is told as one of the role, and not of each object
    except (BotoCoreError, ClientError, ValueError) as error:
        raise _cannot_log_in(login, error) from error
    return provider, session.region_name


def session_of(login: Login) -> Any:
    """Return a session that is logged in; its credentials in a role are valid for an hour."""
    provider, region = log_in(login)
    if login.role_arn is None:
        return _session_of_profile(login.profile)
    found = provider()
    return boto3.Session(
        aws_access_key_id=found["access_key_id"],
        aws_secret_access_key=found["secret_access_key"],
        aws_session_token=found["token"],
        region_name=region,
    )


def _session_of_profile(profile: str | None) -> Any:
    """Return a session in a region, which the client must know."""
    named_region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    region = named_region or boto3.Session(profile_name=profile).region_name or "us-east-1"
    return boto3.Session(profile_name=profile, region_name=region)


def _cannot_log_in(login: Login, error: Exception) -> UsageError:
    options = {"profile": login.profile, "role_arn": login.role_arn}
    asked = " ".join(named(name, printable(value)) for name, value in options.items() if value)
    why = "there are no credentials" if "Received None" in str(error) else printable(str(error))
    return UsageError(f"{asked}: {why}")
