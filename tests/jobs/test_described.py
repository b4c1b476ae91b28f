"""The manifest says which job made the tables, and what was asked of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import record
from promises import change, promise

from mapreduce import Job, KeyCount, LineMapper, TableView, run
from mapreduce.jobs.count import count
from mapreduce.jobs.flowlogs import flowlogs
from mapreduce.jobs.wordcount import wordcount
from mapreduce.outputs.manifest import MANIFEST

ANY_LOG = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/01/02/some.log"


def manifest(job: Job, directory: Path) -> dict[str, Any]:
    log = directory / ANY_LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(record() + b"\n")
    run(job, [log.parent], output=directory / "out")
    said: dict[str, Any] = json.loads((directory / "out" / MANIFEST).read_text())
    return said


def own_job() -> KeyCount:
    return KeyCount(LineMapper(bytes.split), "keys.csv", ("Key", "Count"))


FLOWLOGS = {
    "by": ["dstport"],
    "measure": ["flows"],
    "action": "all",
    "log_format": "version account-id interface-id srcaddr dstaddr srcport dstport protocol "
    "packets bytes start end action log-status",
    "on_conflict": "error",
    "since": None,
    "until": None,
    "account": [],
    "region": [],
}
COUNT = {
    "fields": [7],
    "sum": [],
    "lines": "fields",
    "delimiter": " ",
    "header": False,
    "fields_expected": None,
    "top": None,
}


@promise(
    "The manifest names the job and what was asked of it",
    broken_by=change("mapreduce.counted:Counted._describe", "self.job.described", "{}"),
)
@pytest.mark.parametrize(
    ("make", "name", "options"),
    [
        (lambda: flowlogs(by="dstport"), "flowlogs", FLOWLOGS),
        (
            lambda: flowlogs(
                by="dstport,action",
                measure=["bytes", "flows"],
                since="2026-01-01",
                until="2026-01-02T12:00",
                account=["123456789012"],
                region=["eu-west-1"],
            ),
            "flowlogs",
            FLOWLOGS
            | {
                "by": ["dstport", "action"],
                "measure": ["flows", "bytes"],
                "since": "2026-01-01T00:00:00+00:00",
                "until": "2026-01-02T12:00:00+00:00",
                "account": ["123456789012"],
                "region": ["eu-west-1"],
            },
        ),
        (lambda: count("7"), "count", COUNT),
        (
            lambda: count("2,7-", fields_expected=14, view=TableView(top=3)),
            "count",
            COUNT | {"fields": [2, -7], "fields_expected": 14, "top": 3},
        ),
        (wordcount, "wordcount", {}),
        (own_job, "KeyCount", {}),
    ],
)
def test_the_manifest_names_the_job_and_what_was_asked_of_it(
    tmp_path: Path, make: Callable[[], Job], name: str, options: dict[str, object]
) -> None:
    said = manifest(make(), tmp_path)
    assert (said["job"], said["options"]) == (name, options)


def test_how_conflicts_of_the_lookup_were_settled_and_which_records_count_are_told(
    tmp_path: Path,
) -> None:
    lookup = tmp_path / "lookup.csv"
    lookup.write_text("dstport,protocol,tag\n443,tcp,web\n443,tcp,tls\n")
    job = flowlogs(lookup, on_conflict="first", action="ACCEPT")
    assert job.described == FLOWLOGS | {
        "by": ["dstport", "protocol"],
        "on_conflict": "first",
        "action": "ACCEPT",
    }


@pytest.mark.parametrize(("text", "told"), [("\\t", "\t"), ("\udcff", "\xff"), ("\\", "\\")])
def test_any_byte_may_be_the_delimiter_in_a_manifest(text: str, told: str) -> None:
    said = json.loads(json.dumps(dict(count("1", delimiter=text).described)))
    assert said["delimiter"] == told
