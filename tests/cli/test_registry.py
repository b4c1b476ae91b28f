"""Jobs are found by name, those of plug-ins too, and no plug-in breaks another."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest
from promises import change, promise

from mapreduce.cli.app import execute
from mapreduce.cli.registry import find_job, list_jobs
from mapreduce.cli.signals import StopRequest
from mapreduce.jobs.flowlogs.job import flowlogs
from mapreduce.jobs.wordcount import wordcount

GOOD = '''
"""A plug-in as somebody else would write it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated

from mapreduce import KeyCount, LineMapper


def _pick(at_least: int, line: bytes) -> Iterable[bytes]:
    return [word for word in line.split() if len(word) >= at_least]


def longwords(
    at_least: Annotated[int, "-x", "Letters that a word must have."] = 3, *, upper: bool = False
) -> KeyCount:
    """Count long words.

    More than one line is said here.
    """
    assert upper in (True, False)
    return KeyCount(LineMapper(partial(_pick, at_least)), output="long.csv", header=("W", "N"))
'''
# What somebody else's code may do, and the entry point that runs into it.
FAILS_TO_LOAD = {
    "no-module": ("", "not_there:job"),
    "no-attribute": ("", "broken_plugin:job"),
    "no-value": ("", "not an entry point"),
    "syntax-error": ("def job(:", "broken_plugin:job"),
    "raises": ("raise RuntimeError('\\x1b[31mline\\nline')", "broken_plugin:job"),
    "exits": ("import sys; sys.exit(0)", "broken_plugin:job"),
    "not-callable": ("job = 5", "broken_plugin:job"),
}
NOT_A_COMMAND = {
    "option-of-no-type": ("def job(x: object = 1): 'Odd.'", "broken_plugin:job"),
    "option-of-the-engine": ("def job(output: str = ''): 'Odd.'", "broken_plugin:job"),
    "annotation-of-nothing": ("def job(x: 'Nothing' = 1): 'Odd.'", "broken_plugin:job"),
}

Install = Callable[[Mapping[str, str], Mapping[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package of modules with entry points, for this test."""
    site = tmp_path / "site"
    metadata = site / "fake-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n")
    names: list[str] = []

    def install(modules: Mapping[str, str], points: Mapping[str, str]) -> None:
        names.extend(modules)
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)
        lines = (f"{name} = {value}\n" for name, value in points.items())
        (metadata / "entry_points.txt").write_text(f"[mapreduce.jobs]\n{''.join(lines)}")
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)

    yield install
    for name in names:
        sys.modules.pop(name, None)


@promise(
    "Metadata of another package that cannot be read breaks no job and is told",
    broken_by=change("mapreduce.cli.registry:_plugins", "ValueError", "ZeroDivisionError"),
)
def test_metadata_of_another_package_that_cannot_be_read_is_told(
    tmp_path: Path, install: Install
) -> None:
    install({"good_plugin": GOOD}, {"longwords": "good_plugin:longwords"})
    metadata = tmp_path / "site" / "odd-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_bytes(b"[mapreduce.jobs]\nodd = \xff:job\n")
    listed = mapreduce("jobs", cwd=tmp_path)
    assert listed.returncode == 0
    assert "longwords    from fake 1.0 (good_plugin:longwords)" in listed.stdout
    assert f"the entry points of a package in {tmp_path / 'site'} cannot be read" in listed.stdout
    assert mapreduce("longwords", "--help", cwd=tmp_path).returncode == 0
    unknown = mapreduce("odd", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "there is no job 'odd', but the entry points of a package in" in unknown.stderr


def install_broken(install: Install, source: str, value: str) -> None:
    """Install a plug-in that does not work, and after it one that does."""
    install(
        {"broken_plugin": source, "good_plugin": GOOD},
        {"broken": value, "longwords": "good_plugin:longwords"},
    )


def mapreduce(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    command = [sys.executable, "-m", "mapreduce", *arguments]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("name", "factory"), [("flowlogs", flowlogs), ("wordcount", wordcount)])
def test_a_built_in_job_is_found_and_listed(name: str, factory: Callable[..., object]) -> None:
    assert find_job(name) is factory
    assert dict(list_jobs())[name] == (factory.__doc__ or "").partition("\n")[0] != ""


@pytest.mark.parametrize(
    "name", ["protocols", "lookup", "nope", "flow-logs", "__init__", "__pycache__", "_", "-", "__"]
)
def test_what_is_no_job_is_not_found(name: str) -> None:
    assert find_job(name) is None
    assert name not in dict(list_jobs())


@promise(
    "An improper name is never imported",
    broken_by=change("mapreduce.cli.registry:find_job", "not NAME.fullmatch(name)", "False"),
)
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "../x",
        "os.path",
        "flowlogs.flowlogs",
        "jobs/flowlogs",
        "flowlogs.py",
        "Flowlogs",
        "FLOWLOGS",
        "flowlogs\n",
        " flowlogs",
        "flowlogs\0",
        "\N{LATIN SMALL LIGATURE FL}owlogs",
        "٣",
        "\udcff",
    ],
)
def test_an_improper_name_is_never_imported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> NoReturn:
        raise AssertionError("must not be called")

    monkeypatch.setattr(importlib, "import_module", refuse)
    monkeypatch.setattr(importlib.util, "find_spec", refuse)
    assert find_job(name) is None


def test_a_plug_in_is_found_and_listed_after_the_built_in_jobs(install: Install) -> None:
    built_in = [name for name, _job in list_jobs()]
    points = {"zeta": "good_plugin:longwords", "al-pha": "good_plugin:longwords"}
    install({"good_plugin": GOOD}, points)
    assert [name for name, _job in list_jobs()] == [*built_in, "al-pha", "zeta"]
    assert dict(list_jobs())["zeta"] == "from fake 1.0 (good_plugin:longwords)"
    assert "good_plugin" not in sys.modules
    assert find_job("zeta") is find_job("al-pha")
    assert getattr(find_job("zeta"), "__name__", None) == "longwords"


@pytest.mark.parametrize("name", ["wordcount", "flowlogs"])
def test_no_plug_in_takes_the_place_of_a_built_in_job(install: Install, name: str) -> None:
    before, listed = find_job(name), list(list_jobs())
    install({"good_plugin": GOOD}, {name: "good_plugin:longwords"})
    assert find_job(name) is before
    assert list(list_jobs()) == listed


@pytest.mark.parametrize("name", ["Upper", "dot.ted", "ümlaut", "bl ank"])
def test_a_plug_in_with_an_improper_name_is_ignored(install: Install, name: str) -> None:
    before = [name for name, _job in list_jobs()]
    install({"good_plugin": GOOD}, {name: "good_plugin:longwords"})
    assert [name for name, _job in list_jobs()] == before
    assert find_job(name) is None


@pytest.mark.parametrize(
    ("source", "value"),
    [*FAILS_TO_LOAD.values(), *NOT_A_COMMAND.values()],
    ids=[*FAILS_TO_LOAD, *NOT_A_COMMAND],
)
def test_a_plug_in_that_does_not_work_is_one_clear_error_when_it_is_named(
    install: Install, source: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install_broken(install, source, value)
    assert execute(["broken", "text.txt"], StopRequest()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mapreduce: error: ")
    assert "'broken'" in line
    assert line.isprintable()


@promise(
    "No code is run of a job that is not named",
    broken_by=change(
        "mapreduce.cli.registry:list_jobs",
        "point.name not in names",
        "_load(point) and point.name not in names",
    ),
)
@pytest.mark.parametrize(
    "arguments",
    [["jobs"], ["--help"], ["--version"], ["wordcount", "text.txt"], ["longwords", "text.txt"]],
    ids=" ".join,
)
def test_no_code_is_run_of_a_job_that_is_not_named(
    install: Install, tmp_path: Path, arguments: list[str]
) -> None:
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w')"
    install(
        {"trap_plugin": trap, "good_plugin": GOOD},
        {"trap": "trap_plugin:job", "longwords": "good_plugin:longwords"},
    )
    (tmp_path / "text.txt").write_text("three\n")
    assert mapreduce(*arguments, cwd=tmp_path).returncode == 0
    assert not (tmp_path / "sprung").exists()
    assert mapreduce("trap", "text.txt", cwd=tmp_path).returncode == 2
    assert (tmp_path / "sprung").exists()


def test_the_command_lists_jobs_with_what_they_do_or_where_they_come_from(
    install: Install, tmp_path: Path
) -> None:
    expected = [*(name for name, _what in list_jobs()), "broken", "longwords"]
    install_broken(install, "", "not_there:job")
    done = mapreduce("jobs", cwd=tmp_path)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, names) == (0, "", expected)
    assert "longwords    from fake 1.0 (good_plugin:longwords)\n" in done.stdout


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ([], ["three,1", "two,1"]),
        (["-x", "2"], ["of,2", "three,1", "two,1"]),
        (["--at-least", "4", "--upper"], ["three,1"]),
    ],
)
def test_a_plug_in_runs_from_the_command_line_with_its_own_options(
    install: Install, tmp_path: Path, options: list[str], rows: list[str]
) -> None:
    install({"good_plugin": GOOD}, {"long-words": "good_plugin:longwords"})
    (tmp_path / "text.txt").write_text("a of two\nof three\n")
    done = mapreduce("long-words", "text.txt", *options, "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "out" / "long.csv").read_text().splitlines() == ["W,N", *rows]


def test_a_plug_in_explains_its_options_and_refuses_bad_ones(
    install: Install, tmp_path: Path
) -> None:
    install({"good_plugin": GOOD}, {"longwords": "good_plugin:longwords"})
    explained = mapreduce("longwords", "--help", cwd=tmp_path)
    assert explained.returncode == 0
    for text in ("--at-least", "-x", "Letters that a word must have.", "[default: 3]", "--upper"):
        assert text in explained.stdout
    refused = mapreduce("longwords", "text.txt", "-x", "many", cwd=tmp_path)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("mapreduce: error: Invalid value for '--at-least' / '-x'")
