"""Objects in S3 are read as whom the options name, in every process, or one line says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from promises import change, promise
from test_s3 import Server, Shell, failure, server, shell

__all__ = ["server", "shell"]

ROLE = "arn:aws:iam::123456789012:role/reads-logs"
OBJECTS = {"a/x.log": b"a a\n" * 9, "a/y.log": b"b\n"}


@pytest.fixture
def logs(server: Server, shell: Shell) -> str:
    """Return the URL of a bucket; there is a profile that may read it."""
    write_profile(shell.directory)
    return server.bucket(OBJECTS)


def write_profile(home: Path) -> None:
    (home / ".aws").mkdir()
    keys = "aws_access_key_id = PROFILE\naws_secret_access_key = secret\n"
    (home / ".aws" / "credentials").write_text(f"[logs]\n{keys}")


def keys(server: Server) -> list[str]:
    """Return the access keys that signed the requests."""
    return list(json.loads(server.ask("GET", "/_keys")))


@promise(
    "A profile that is named comes before all other credentials",
    broken_by=change("mapreduce.inputs.objects:Objects.open", "self.login", "NO_LOGIN"),
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_profile_that_is_named_comes_before_all_other_credentials(
    server: Server, shell: Shell, logs: str, workers: str
) -> None:
    shell.environment["AWS_SKIP_SIGNATURE"] = "true"
    done = shell.run("wordcount", f"{logs}/a/", "-o", "-", "--profile", "logs", "-j", workers)
    assert done.stdout == "Word,Count\na,18\nb,1\n", done.stderr
    assert keys(server) == ["PROFILE"]


@promise(
    "A role that is named is assumed, and all objects are read in it",
    broken_by=change("mapreduce.inputs.login:log_in", "login.role_arn is None", "login.profile"),
)
def test_a_role_that_is_named_is_assumed_and_all_objects_are_read_in_it(
    server: Server, shell: Shell, logs: str
) -> None:
    done = shell.run("wordcount", f"{logs}/a/", "-o", "-", "--profile", "logs", "--role-arn", ROLE)
    assert done.stdout == "Word,Count\na,18\nb,1\n", done.stderr
    assert "POST /" in server.log()
    first, *others = sorted(keys(server), key=lambda key: key != "PROFILE")
    assert first == "PROFILE"
    assert others
    assert all(key.startswith("ASIA") for key in others)


def test_keys_that_are_no_paths_are_read_in_the_role_too(server: Server, shell: Shell) -> None:
    write_profile(shell.directory)
    bucket = server.bucket({"a//x.log": b"a\n"})
    asked = ["--profile", "logs", "--role-arn", ROLE]
    done = shell.run("wordcount", f"{bucket}/a/", "-o", "-", *asked)
    assert done.stdout == "Word,Count\na,1\n", done.stderr
    assert "id" not in keys(server)


def test_who_cannot_log_in_is_told_as_the_option_is_typed(
    server: Server, shell: Shell, logs: str
) -> None:
    done = shell.run("wordcount", f"{logs}/a/", "--profile", "absent")
    assert failure(done, 2).startswith("--profile absent: The config profile (absent)")
    done = shell.run("wordcount", f"{logs}/a/", "--role-arn", "role")
    assert failure(done, 2).startswith("--role-arn role: Parameter validation failed")
    server.faults({"kind": "403", "match": "POST /", "times": 99})
    done = shell.run("wordcount", f"{logs}/a/", "--role-arn", ROLE)
    assert failure(done, 2).startswith(f"--role-arn {ROLE}: An error occurred")
    done = shell.run("wordcount", f"{logs}/a/", "--profile", "")
    assert failure(done, 2).startswith("--profile: must be a text")
