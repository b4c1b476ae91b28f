"""Objects in S3 are counted like the same files, or one line says why they cannot be.

The tests use a real HTTP server on loopback (``s3_server.py``), by the real command: the client
starts threads, and tests that fork must not run in a process that has threads.
"""

from __future__ import annotations

import bz2
import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import record
from promises import change, promise

from mapreduce.errors import install_hint

pytest.importorskip("obstore", reason="obstore is not installed")
pytest.importorskip("moto", reason="moto is not installed")

LOOKUP = "dstport,protocol,tag\n443,tcp,web\n53,udp,names\n"
HEADER = b"action dstport protocol bytes log-status\n"
PLAIN = b"AWSLogs/1/vpcflowlogs/eu-west-1/2024/05/01/"


class Server:
    """The server, its buckets and its faults."""

    def __init__(self, port: int) -> None:
        self.url, self._port = f"http://127.0.0.1:{port}", port
        self._buckets = 0

    def ask(
        self, method: str, path: str, data: bytes | None = None, acl: str = "private", **more: str
    ) -> bytes:
        """Send a request; its content type keeps urllib from treating the body as a form."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"Content-Type": "application/octet-stream", "x-amz-acl": acl, **more}
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body
        return body

    def bucket(self, objects: dict[str, bytes], acl: str = "private") -> str:
        """Return the URL of a new bucket with these objects."""
        self._buckets += 1
        name = f"logs-{self._buckets}"
        self.ask("PUT", f"/{name}", b"")
        for key, data in objects.items():
            self.ask("PUT", f"/{name}/{quote(key)}", data, acl)
        self.faults()
        return f"s3://{name}"

    def faults(self, *faults: dict[str, Any]) -> None:
        self.ask("PUT", "/_faults", json.dumps(faults).encode())

    def log(self) -> list[str]:
        return list(json.loads(self.ask("GET", "/_log")))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    script = Path(__file__).parents[1] / "s3_server.py"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script)], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        yield Server(int(process.stdout.readline()))
        process.stdin.close()


class Shell:
    """Runs the command in a directory of its own, with credentials for a server."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        (directory / "lookup.csv").write_text(LOOKUP)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = kept | {
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "HOME": str(directory),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "mapreduce", *arguments, "--no-progress"]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def tables(self, *inputs: str) -> list[str]:
        """Return the tables of flow logs, bytes measured, and what became of the lines."""
        arguments = ["-l", "lookup.csv", "--measure", "flows,bytes", "--stats", "stats"]
        done = self.run("flowlogs", *inputs, *arguments)
        assert done.returncode == 0, done.stderr
        stats = json.loads((self.directory / "stats").read_text())
        figures = [str(stats[name]) for name in ("lines", "counted", "skipped", "malformed")]
        tables = [*sorted((self.directory / "outputs").glob("*.csv"))]
        return [*(table.read_text() for table in tables), *figures]


@pytest.fixture
def shell(tmp_path: Path, server: Server) -> Shell:
    return Shell(tmp_path, server.url)


def sample(records: int) -> bytes:
    ports = [b"443", b"53", b"80", b"-"]
    return b"".join(record(ports[n % 3], b"6" if n % 2 else b"17") + b"\n" for n in range(records))


def own_layout(records: int) -> bytes:
    return HEADER + b"".join(b"ACCEPT %d 6 %d OK\n" % (n % 500, n) for n in range(records))


def parquet(rows: int) -> bytes:
    import io

    import pyarrow as pa
    from pyarrow import parquet as pq

    file = io.BytesIO()
    columns = {"dstport": [443] * rows, "protocol": [6] * rows, "bytes": [*range(rows)]}
    pq.write_table(pa.table(columns), file, row_group_size=1000)
    return file.getvalue()


@promise(
    "Objects are counted as the same files are",
    broken_by=change(
        "mapreduce.inputs.ranges:ObjectFile.readinto", "self._held[size:]", "self._held[size + 1 :]"
    ),
)
def test_objects_of_every_form_are_counted_as_the_same_files_are(
    server: Server, shell: Shell
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    objects = {
        "a/plain.log": sample(60_000),  # 6 MB: many ranges
        "a/b/own layout,ü.log.gz": gzip.compress(own_layout(20_000)),
        "a/b/two.gz": gzip.compress(own_layout(5)) + gzip.compress(b"REJECT 53 17 9 OK\n"),
        "a/rows.parquet": parquet(5000),
        "a/long block.log.bz2": bz2.compress(own_layout(40_000)),
        "a/empty.log": b"",
        "a/_SUCCESS": b"no flow log",
        "a/.hidden": b"no flow log",
        "other/x.log": b"no flow log\n",
    }
    for key, data in objects.items():
        path = shell.directory / "local" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (shell.directory / "local" / "a" / "empty.log").unlink()  # a stream, were it a file
    bucket = server.bucket(objects)
    expected = shell.tables("local/a")
    assert shell.tables(f"{bucket}/a/", "-j", "2") == expected
    assert shell.tables(f"{bucket}/a", "-j", "1") == expected
    assert shell.tables(f"{bucket}/a", "--inline") == expected
    assert shell.tables(f"{bucket}/a/plain.log") == shell.tables("local/a/plain.log")


def test_files_and_objects_and_lists_of_them_are_one_input(server: Server, shell: Shell) -> None:
    bucket = server.bucket({"x.log": sample(10)})
    (shell.directory / "y.log").write_bytes(sample(20))
    (shell.directory / "list").write_text(f"{bucket}/x.log\ny.log\n")
    (shell.directory / "all.log").write_bytes(sample(10) + sample(20))
    assert shell.tables("@list", bucket) == shell.tables("all.log")


@promise(
    "A server that refuses or cuts for a while costs nothing but time",
    broken_by=change("mapreduce.inputs.s3:_RETRY", "6", "0"),
)
@pytest.mark.parametrize(
    ("form", "fault", "match", "times"),
    [
        ("plain", "503", "GET .*x.log", 3),
        ("gzip", "503", "GET .*list-type", 2),
        ("plain", "cut", "GET .*x.log", 3),
        ("gzip", "cut", "GET .*x.log", 2),
        ("plain", "slow0.3", "GET .*x.log", 3),
    ],
)
def test_faults_that_pass_cost_nothing_but_time(  # noqa: PLR0917 - a row of the table above
    server: Server, shell: Shell, form: str, fault: str, match: str, times: int
) -> None:
    log = sample(15_000)  # 1.5 MB
    bucket = server.bucket({"x.log": gzip.compress(log, 0) if form == "gzip" else log})
    (shell.directory / "local.log").write_bytes(log)
    server.faults({"kind": fault, "match": match, "times": times})
    assert shell.tables(f"{bucket}/") == shell.tables("local.log")
    assert sum(bool(re.search(match, line)) for line in server.log()) > times


def failure(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Return the one line of an error."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("mapreduce: error: ")
    return lines[0].removeprefix("mapreduce: error: ")


@pytest.mark.soak
def test_what_stays_broken_ends_the_run_and_nothing_is_written(
    server: Server, shell: Shell
) -> None:
    bucket = server.bucket({"x.log": sample(15_000)})
    server.faults({"kind": "cut", "match": "x.log bytes=[1-9]", "times": 1000})
    said = failure(shell.run("wordcount", f"{bucket}/x.log"), 1)
    assert said.startswith(f"{bucket}/x.log, bytes ")
    assert not (shell.directory / "outputs").exists()


@promise(
    "An object that is replaced or denied is one clear line",
    broken_by=change("mapreduce.inputs.s3:_MESSAGES", "'PreconditionFailed'", "'Precondition'"),
)
@pytest.mark.parametrize(
    ("kind", "match", "expected"),
    [
        ("403", "GET .*x.log bytes=0", (2, "access denied; see the credentials")),
        ("403", "x.log bytes=[1-9]", (1, "access denied; see the credentials")),
        ("412", "x.log bytes=[1-9]", (1, "was replaced while it was being read; run again")),
        ("403", "list-type", (2, "access denied; see the credentials")),
    ],
)
def test_what_is_denied_or_replaced_is_one_clear_line(
    server: Server, shell: Shell, kind: str, match: str, expected: tuple[int, str]
) -> None:
    bucket = server.bucket({"x.log": sample(15_000)})
    server.faults({"kind": kind, "match": match, "times": 1000})
    said = failure(shell.run("wordcount", f"{bucket}/"), expected[0])
    assert said.startswith(bucket)
    assert expected[1] in said


@promise(
    "A server's client is never forked",
    broken_by=change(
        "mapreduce.splits.plan:make_plan",
        "remote and options.start_method == 'fork' and not options.inline",
        "False",
    ),
)
def test_a_missing_bucket_or_object_is_one_clear_line(server: Server, shell: Shell) -> None:
    bucket = server.bucket({"x.log": b"a\n"})
    missing = failure(shell.run("wordcount", "s3://missing/x"), 2)
    assert missing == "s3://missing/x: there is no such bucket"
    nothing = failure(shell.run("wordcount", f"{bucket}/y/"), 2)
    assert nothing == f"{bucket}/y/: holds no object"
    assert "patterns are for files" in failure(shell.run("wordcount", f"{bucket}/*.log"), 2)
    fork = failure(shell.run("wordcount", f"{bucket}/x.log", "--start-method", "fork"), 2)
    assert "fork cannot be used with s3://" in fork


def test_a_server_that_cannot_be_reached_is_one_clear_line(shell: Shell) -> None:
    shell.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    assert "error sending request" in failure(shell.run("wordcount", "s3://logs/x"), 2)


@promise(
    "Missing credentials are one clear line",
    broken_by=change(
        "mapreduce.inputs.s3:_credentials", "(BotoCoreError, ValueError)", "BotoCoreError"
    ),
)
def test_missing_credentials_are_one_clear_line(server: Server, shell: Shell) -> None:
    del shell.environment["AWS_ACCESS_KEY_ID"]
    said = failure(shell.run("wordcount", f"{server.bucket({'x.log': b''})}/"), 2)
    assert said.startswith("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and")
    shell.environment["AWS_PROFILE"] = "absent"
    assert "(The config profile (absent)" in failure(shell.run("wordcount", "s3://logs/"), 2)


@pytest.mark.parametrize("way", ["profile", "none needed"])
def test_credentials_come_from_where_aws_tools_look(server: Server, shell: Shell, way: str) -> None:
    bucket = server.bucket({"x.log": b"a a\n"}, "private" if way == "profile" else "public-read")
    del shell.environment["AWS_ACCESS_KEY_ID"], shell.environment["AWS_SECRET_ACCESS_KEY"]
    if way == "profile":
        (shell.directory / ".aws").mkdir()
        keys = "aws_access_key_id = id\naws_secret_access_key = secret\n"
        (shell.directory / ".aws" / "credentials").write_text(f"[logs]\n{keys}")
        shell.environment["AWS_PROFILE"] = "logs"
    else:
        shell.environment["AWS_SKIP_SIGNATURE"] = "true"
    done = shell.run("wordcount", f"{bucket}/x.log", "-o", "-")
    assert done.stdout == "Word,Count\na,2\n", done.stderr


def test_without_the_extra_it_is_named(tmp_path: Path) -> None:
    script = """
import sys
sys.modules["obstore"] = sys.modules["obstore.store"] = None
from mapreduce.__main__ import mapreduce
sys.argv = ["mapreduce", "wordcount", "s3://logs/x"]
mapreduce()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"s3:// needs one more package: {install_hint('s3')}" in failure(done, 2)


LOGS = [
    "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2024/05/01/a.log",
    "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2024/05/02/10/b.log",
    "AWSLogs/111122223333/vpcflowlogs/us-east-1/2024/05/02/c.log",
    "AWSLogs/444455556666/vpcflowlogs/us-east-1/2024/05/02/d.log",
    "hive/aws-account-id=444455556666/aws-service=vpcflowlogs/aws-region=eu-west-1/"
    "year=2024/month=05/day=02/hour=11/e.log",
    "unknown/f.log",
]


@pytest.fixture(scope="module")
def delivered(server: Server) -> str:
    return server.bucket({key: port_record(key) for key in LOGS})


def port_record(key: str) -> bytes:
    """Return a record whose port is the code of the letter in the name of the log."""
    return record(str(ord(key[-5])).encode()) + b"\n"


def letters(table: str) -> str:
    """Return the names of the logs whose ports stand in a table, in order."""
    return "".join(sorted(chr(int(line.partition(",")[0])) for line in table.splitlines()[1:]))


@promise(
    "What is outside is neither opened nor listed",
    broken_by=change("mapreduce.inputs.s3:_list_level", "may_hold(...)", "True"),
)
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "abcdef"),
        (["--since", "2024-01-01", "--until", "2024-05-02"], "a"),
        (["--since", "2024-05-02T11:00", "--region", "eu-west-1"], "e"),
        (["--account", "444455556666"], "de"),
    ],
)
def test_what_is_outside_is_neither_opened_nor_listed(
    server: Server, shell: Shell, delivered: str, arguments: list[str], wanted: str
) -> None:
    server.faults()  # forgets what has been asked
    done = shell.run("flowlogs", delivered, "--by", "dstport", *arguments, "-o", "-")
    assert letters(done.stdout) == wanted, done.stderr
    asked = server.log()
    opened = {line.split(" ")[1][-5] for line in asked if ".log" in line}
    assert opened == set(wanted)
    if "--account" in arguments:
        other = {"111122223333", "444455556666"} - {arguments[1]}
        assert not any(f"{account}%2F" in line for account in other for line in asked)


def test_the_same_holds_for_directories(shell: Shell) -> None:
    for key in LOGS:
        path = shell.directory / "logs" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(port_record(key))
    asked = ["flowlogs", "logs", "--by", "dstport", "-o", "-"]
    done = shell.run(*asked, "--since", "2024-05-02", "--region", "eu-west-1")
    assert letters(done.stdout) == "be", done.stderr
    none = failure(shell.run(*asked, "--region", "mars"), 2)
    assert none == "none of the inputs is of this time, account and region"


def test_an_empty_object_is_no_log_of_another_layout(server: Server, shell: Shell) -> None:
    bucket = server.bucket({"m": b"", "m/AWSLogs": b"", "m/AWSLogs/v5.log": b"vpc-id\nvpc-1\n"})
    done = shell.run("flowlogs", f"{bucket}/m/", "--by", "vpc-id", "-o", "-")
    assert done.stdout == "vpc-id,Count\nvpc-1,1\n", done.stderr


@promise(
    "A signal ends a run that waits for a server",
    broken_by=change(
        "mapreduce.inputs.s3:_call_in_thread", "thread.submit(function).result()", "function()"
    ),
)
@promise(
    "A signal ends a run that looks where a large object may be cut",
    broken_by=change(
        "mapreduce.inputs.ranges:ObjectFile._result",
        "coming.result(timeout=0.1)",
        "coming.result()",
    ),
)
@pytest.mark.parametrize(
    ("match", "records"),
    [
        ("list-type", 15_000),
        ("x.log bytes=0", 15_000),
        ("x.log bytes=[1-9]", 15_000),
        ("x.log bytes=[1-9]", 300_000),  # 30 MB: cut in two, where the cut is looked for
    ],
)
def test_a_signal_ends_a_run_that_waits_for_a_server(
    server: Server, shell: Shell, match: str, records: int
) -> None:
    bucket = server.bucket({"x.log": sample(records)})
    server.faults({"kind": "slow20", "match": match, "times": 1000})
    with subprocess.Popen(
        shell.command("wordcount", f"{bucket}/"),
        cwd=shell.directory,
        env=shell.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not any(re.search(match, line) for line in server.log()):
            time.sleep(0.05)
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _out, said = process.communicate()
    assert (process.returncode, time.monotonic() - start < 5) == (130, True)
    assert said == "mapreduce: stopped by SIGINT; nothing was written\n"
    assert not (shell.directory / "outputs").exists()
