"""A command that fails says why in one line and by its exit code, and leaves nothing."""

from __future__ import annotations

import json

import pytest
from promises import change, promise
from shell import (
    FLOWS,
    HEADER,
    PROCESSFLOWS,
    TABLES,
    Shell,
    error_line,
)

# --- failure: exit 1


@pytest.mark.parametrize("options", [[], ["-q"]])
def test_strict_refuses_malformed_lines_and_writes_nothing(
    shell: Shell, options: list[str]
) -> None:
    shell.write(bad_log=f"{FLOWS}junk\n{FLOWS}")
    before = shell.contents()
    done = shell.run("flowlogs", "bad.log", "-l", "lookup.csv", "--strict", *options)
    assert done.returncode == 1
    reject, error = done.stderr.splitlines()
    assert reject == f"malformed: bad.log: byte {len(FLOWS)}: 1 fields where 14 are expected: junk"
    assert error == (
        "mapreduce: error: 1 malformed of 13 lines, more than --strict allows: nothing was written"
    )
    assert shell.contents() == before


def test_strict_accepts_records_without_flow(shell: Shell) -> None:
    assert shell.run("flowlogs", "flows.log", "-l", "lookup.csv", "--strict").returncode == 0
    assert shell.made() == TABLES


def test_the_options_of_malformed_lines_reach_the_run(shell: Shell) -> None:
    shell.write(bad_log=f"{FLOWS}junk\n{FLOWS}")
    arguments = ["flowlogs", "bad.log", "-l", "lookup.csv", "--rejects", "out/rejects.jsonl"]
    done = shell.run(*arguments, "--max-malformed", "0.1%")
    assert done.returncode == 1
    assert done.stderr.endswith("allows: nothing but out/rejects.jsonl was written\n")
    reject = json.loads(shell.contents()["out/rejects.jsonl"])
    assert reject == {
        "file": "bad.log",
        "byte": len(FLOWS),
        "reason": "1 fields where 14 are expected",
        "line": "junk",
    }
    assert set(shell.made()) == {"out/rejects.jsonl"}
    assert shell.run(*arguments, "--max-malformed", "1").returncode == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--max-line", "9"], "flows.log: byte 0: a line of more than 9 bytes"),
        (["--max-keys", "1"], "more than 1 distinct keys; count fewer fields"),
    ],
)
def test_a_limit_that_is_passed_is_one_clear_line(
    shell: Shell, options: list[str], error: str
) -> None:
    done = shell.run("flowlogs", "flows.log", "-l", "lookup.csv", *options)
    assert done.returncode == 1
    assert error in error_line(done.stderr)
    assert not (shell.directory / "outputs").exists()


def test_text_is_exact_unless_a_spreadsheet_is_to_read_it(shell: Shell) -> None:
    shell.write(lookup_csv=f"{HEADER}443,tcp,=web()\n")
    for option, tag in [([], "=web()"), (["--excel-safe"], "'=web()")]:
        assert shell.run("flowlogs", "flows.log", "-l", "lookup.csv", *option).returncode == 0
        assert shell.made()["outputs/tag2count.csv"].startswith(f"Tag,Count\n{tag},3\n")


# --- failure: exit 2, before any work


@promise(
    "What is missing, or stands for no file, is refused before any work",
    broken_by=change(
        "mapreduce.inputs.names:_not_empty", "not files and may_hold is None", "False"
    ),
)
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["wordcount"], "no input: name one or more files, or - for standard input"),
        (["wordcount", "gone.txt"], "gone.txt: No such file or directory"),
        (["wordcount", "text.txt", "-f", "gone.txt"], "gone.txt: No such file or directory"),
        (["wordcount", "text.txt/gone"], "text.txt/gone: Not a directory"),
        (["wordcount", "taken/wordcount.csv"], "taken/wordcount.csv: holds no file"),
        (["wordcount", "*.gz"], "*.gz: matches no file"),
        (["wordcount", "@gone"], "@gone: No such file"),
        (["wordcount", "text.txt", "--nope"], "--nope"),
        (["wordcount", "text.txt", "-j", "0"], "--workers 0: must be a whole"),
        (
            ["wordcount", "text.txt", "-j", "-3"],
            "--workers -3: must be a whole number of at least 1",
        ),
        (["wordcount", "text.txt", "-j", "two"], "'--workers' / '-j': 'two' is not"),
        (["wordcount", "text.txt", "--start-method", "thread"], "'--start-method': 'thread'"),
        (["wordcount", "text.txt", "-f"], "'-f' requires an argument"),
        (["nope"], "'nope'"),
        (["protocols", "text.txt"], "'protocols'"),
        (["__init__", "text.txt"], "'__init__'"),
        (["flowlogs", "flows.log", "--action", "drop"], "--action drop: choose one of ACCEPT, "),
        (["flowlogs", "flows.log", "-l", "gone.csv"], "gone.csv: No such file or directory"),
        (["flowlogs", "flows.log", "-l", "."], ".: Is a directory"),
        (["flowlogs", "flows.log", "-l", "text.txt"], "text.txt:1: the column 'dstport' is"),
        (["flowlogs", "flows.log", "-l", "lookup.csv", "--on-conflict", "both"], "'both' is not"),
        (["wordcount", "text.txt", "-o", "text.txt"], "text.txt: cannot be created: "),
        (["wordcount", "text.txt", "-o", "text.txt/below"], "text.txt/below: cannot be created: "),
        (["wordcount", "text.txt", "-o", "loop"], "loop"),
        (["wordcount", "wordcount.csv", "-o", "."], "wordcount.csv: is an input"),
        (["wordcount", "text.txt", "-o", "taken"], "taken/wordcount.csv: is a directory"),
        (["flowlogs", "flows.log", "-l", "tag2count.csv", "-o", "."], "tag2count.csv: is an input"),
        (["wordcount", "text.txt", "--rejects", "text.txt"], "text.txt: is an input"),
        (["wordcount", "text.txt", "--rejects", "loop"], "loop"),
        (["wordcount", "text.txt", "--rejects", "outputs/_SUCCESS.json"], "also another output"),
        (["wordcount", "text.txt", "--rejects", "r", "--stats", "r"], "also another output"),
        (["wordcount", "text.txt", "-o", "out", "--stats", "out/_SUCCESS.json"], "another output"),
        (["wordcount", "text.txt", "--max-malformed", "many"], "--max-malformed many: must be"),
        (
            ["wordcount", "text.txt", "--max-malformed", "1", "--strict"],
            "--strict means --max-malformed 0",
        ),
        (
            ["wordcount", "text.txt", "--max-line", "0"],
            "--max-line 0: must be a whole number of at least 1",
        ),
        (
            ["wordcount", "text.txt", "--max-keys", "0"],
            "--max-keys 0: must be a whole number of at least 1",
        ),
        (["wordcount", "text.txt", "--stats", "text.txt"], "text.txt: is an input"),
        (["wordcount", "text.txt", "--stats", "link.txt"], "link.txt: is an input"),
        (["flowlogs", "flows.log", "-l", "lookup.csv", "--stats", "lookup.csv"], "is an input"),
        (["wordcount", "text.txt", "--stats", "taken"], "taken: is a directory"),
        (["wordcount", "text.txt", "-o", "s3://b/out"], "outputs are local files"),
        (["wordcount", "text.txt", "--stats", "s3://b/stats"], "outputs are local files"),
        (["wordcount", "text.txt", "--stats", "text.txt/stats"], "cannot be created"),
        (["wordcount", "text.txt", "--stats", "loop"], "loop"),
        (["wordcount", "text.txt", "-o", "taken", "--stats", "taken/wordcount.csv"], "taken/word"),
        (["wordcount", "text.txt", "-o", "new", "--stats", "new/wordcount.csv"], "new/wordcount"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value[:9],
)
def test_a_usage_error_is_one_clear_line_before_any_work(
    shell: Shell, arguments: list[str], error: str
) -> None:
    shell.write(wordcount_csv="Word,Count\n", tag2count_csv=f"{HEADER}443,tcp,web\n")
    (shell.directory / "loop").symlink_to("loop")
    (shell.directory / "link.txt").hardlink_to(shell.directory / "text.txt")
    (shell.directory / "taken" / "wordcount.csv").mkdir(parents=True)
    before = shell.contents()
    done = shell.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert error in error_line(done.stderr)
    assert shell.contents() == before
    assert not (shell.directory / "outputs").exists()


def test_an_output_that_is_redirected_to_standard_input_is_refused(shell: Shell) -> None:
    shell.write(wordcount_csv="a b\n")
    with (shell.directory / "wordcount.csv").open("rb", buffering=0) as file:
        done = shell.run("wordcount", "-", "-o", ".", stdin=file)
    assert done.returncode == 2
    assert "wordcount.csv: is an input" in error_line(done.stderr)
    assert shell.contents()["wordcount.csv"] == "a b\n"


def test_an_error_of_processflows_bears_its_name(shell: Shell) -> None:
    done = shell.run("-f", "gone.log", "-l", "lookup.csv", program=PROCESSFLOWS)
    assert done.returncode == 2
    assert error_line(done.stderr, "processflows") == "gone.log: No such file or directory"


def test_all_bad_lookup_rows_are_shown(shell: Shell) -> None:
    shell.write(lookup_csv=f"{HEADER}443,tcp,web\n70000,tcp,a\n1,x,b\n2,tcp,\n")
    done = shell.run("flowlogs", "flows.log", "-l", "lookup.csv")
    assert (done.returncode, done.stdout) == (2, "")
    first, *others = done.stderr.splitlines()
    assert first.startswith("mapreduce: error: lookup.csv:3: the port '70000' is not")
    assert [line[: len("lookup.csv:4: ")] for line in others] == [
        "lookup.csv:4: ",
        "lookup.csv:5: ",
    ]
    assert shell.made() == {}


def test_no_command_at_all_is_explained(shell: Shell) -> None:
    done = shell.run()
    assert done.returncode == 2
    assert "--help" in done.stdout + done.stderr
    assert "error:  " not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["text.txt", "sealed/text.txt"], "sealed/text.txt: Permission denied"),
        (["unreadable.txt"], "unreadable.txt"),
        (["text.txt", "-o", "locked"], "permission denied"),
        (["text.txt", "-o", "locked/out"], "permission denied"),
        (["text.txt", "-o", "sealed/out"], "sealed"),
        (["text.txt", "--stats", "locked/stats.json"], "permission denied"),
        (["text.txt", "--stats", "sealed/deep/stats.json"], "sealed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_may_not_be_read_or_written_is_refused_before_any_work(
    unprivileged: Shell, arguments: list[str], error: str
) -> None:
    unprivileged.write(unreadable_txt="secret")
    (unprivileged.directory / "unreadable.txt").chmod(0o000)
    for name, mode in [("locked", 0o555), ("sealed", 0o000)]:
        (unprivileged.directory / name).mkdir()
        (unprivileged.directory / name).chmod(mode)
    done = unprivileged.run("wordcount", *arguments)
    (unprivileged.directory / "sealed").chmod(0o755)
    assert (done.returncode, done.stdout) == (2, "")
    assert error.casefold() in error_line(done.stderr).casefold()
    assert not (unprivileged.directory / "outputs").exists()
