"""What is installed is ours, is whole, and says truly how to add what is missing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from promises import becomes, promise

from mapreduce import __version__, errors
from mapreduce.errors import DISTRIBUTION, install_hint

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
TEXTS = {".cff", ".md", ".py", ".toml", ".yml", ""}
"""What the files may be called that tell a person what to type."""


def our_files() -> list[Path]:
    """Return the files of the project that hold text, without what tools have made."""
    made = {"build", "dist", "outputs", "__pycache__"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and path.suffix in TEXTS
        and not any(
            part in made or (part.startswith(".") and part != ".ci")
            for part in path.relative_to(ROOT).parts
        )
    ]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the package believe that it stands in a directory which is no checkout."""
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "site-packages/mapreduce/errors.py"))
    return tmp_path


class Installed:
    """A distribution that was installed from ``origin``."""

    requires = ("typer", 'pyarrow>=16; extra == "parquet"', "boto3; extra == 's3'")

    def __init__(self, origin: dict[str, Any] | None) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self.origin is None else json.dumps(self.origin)


def installed_from(monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: Installed(origin))


def last_word(command: str) -> str:
    return shlex.split(command)[-1]


def test_no_text_of_ours_names_the_package_of_a_stranger() -> None:
    bare = re.compile(
        r"(?:pip|uv|pipx)\s[^\n]*install[^\n]*[\s'\"]mapreduce(?:\[|['\"`\s]|$)", re.MULTILINE
    )
    texts = {path: path.read_text(errors="replace") for path in our_files()}
    assert ROOT / "README.md" in texts
    named = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path, text in texts.items()
        for found in bare.finditer(text)
        if path != Path(__file__)
    ]
    assert named == []
    assert bare.search("pip install 'mapreduce[codecs]'"), "the pattern finds nothing"
    assert bare.search("`python -m pip install -U mapreduce`"), "the pattern finds nothing"


@promise(
    "Advice to install names our distribution, and not that of a stranger",
    broken_by=becomes("mapreduce.errors:DISTRIBUTION", "'mapreduce'"),
)
def test_the_distribution_is_named_as_its_own_advice_says() -> None:
    assert PROJECT["name"] == DISTRIBUTION


@pytest.mark.parametrize(
    ("machine", "python", "wanted"),
    [
        ("x86_64", "3.11", {"isal", "backports.zstd"}),
        ("x86_64", "3.14", {"isal"}),
        ("aarch64", "3.13", {"isal", "backports.zstd"}),
        ("arm64", "3.12", {"isal", "backports.zstd"}),
        ("s390x", "3.12", {"backports.zstd"}),
        ("armv7l", "3.12", set()),
    ],
)
def test_decoders_are_dependencies_where_they_have_wheels(
    machine: str, python: str, wanted: set[str]
) -> None:
    where = {"platform_machine": machine, "python_version": python, "python_full_version": python}
    needed = {
        need.name
        for need in map(Requirement, PROJECT["dependencies"])
        if need.marker is None or need.marker.evaluate(where)
    }
    assert needed == wanted | {"tqdm", "typer"}


def test_the_hint_of_a_checkout_names_the_checkout() -> None:
    assert shlex.split(install_hint("parquet"))[-2:] == ["--editable", f"{ROOT}[parquet]"]


def test_the_hint_of_an_installed_directory_names_it(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_from(monkeypatch, {"url": elsewhere.as_uri(), "dir_info": {}})
    assert last_word(install_hint("s3")) == f"{DISTRIBUTION}[s3] @ {elsewhere.as_uri()}"


def test_the_hint_of_a_repository_names_the_commit(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcs = {"vcs": "git", "commit_id": "0a1b", "requested_revision": "main"}
    origin = {"url": "https://host.invalid/x.git", "vcs_info": vcs, "subdirectory": "a"}
    installed_from(monkeypatch, origin)
    located = "git+https://host.invalid/x.git@0a1b#subdirectory=a"
    assert last_word(install_hint("s3")) == f"{DISTRIBUTION}[s3] @ {located}"


def test_the_hint_names_the_packages_where_the_directory_is_gone(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_from(monkeypatch, {"url": (elsewhere / "gone").as_uri(), "dir_info": {}})
    assert last_word(install_hint("parquet")) == "pyarrow>=16"
    assert last_word(install_hint("s3")) == "boto3"


def test_the_hint_of_an_index_names_our_distribution(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_from(monkeypatch, None)
    assert last_word(install_hint("codecs")) == "mapreduce-engine[codecs]"


def test_the_hint_without_any_metadata_names_our_distribution(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert last_word(install_hint("codecs")) == "mapreduce-engine[codecs]"


def test_the_hint_installs_for_the_python_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    (tmp_path / "pip").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    own = tmp_path / "bin/pip"
    own.parent.mkdir()
    own.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert install_hint("s3").startswith(f"{sys.executable} -m pip install ")
    monkeypatch.setenv("PATH", str(own.parent))
    assert install_hint("s3").startswith("pip install ")
    monkeypatch.setattr(sys, "path", [])
    assert install_hint("s3").startswith(f"uv pip install --python {sys.executable} ")


def test_the_hint_leaves_the_import_system_as_it_was(tmp_path: Path) -> None:
    script = "import mapreduce.errors as e; e.install_hint('s3'); import setuptools"
    (tmp_path / "hint.py").write_text(script)
    call("hint", env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "error"})


@dataclass(frozen=True)
class Built:
    """The distributions that were built of a copy of the project, and the files in each."""

    project: set[str]
    sdist: set[str]
    wheel: set[str]
    metadata: str
    installed: Path
    """Where the wheel is installed, without what it depends on."""


def source_files() -> set[str]:
    """Return the files of the project: those that git knows, or in an sdist those that it lists."""
    listed = ROOT / "mapreduce_engine.egg-info/SOURCES.txt"
    if (ROOT / ".git").exists():
        git = ["git", "-C", str(ROOT), "ls-files"]
        names = subprocess.run(git, capture_output=True, text=True, check=True).stdout.splitlines()
    else:
        names = [name for name in listed.read_text().splitlines() if ".egg-info/" not in name]
    return {name for name in names if (ROOT / name).is_file()}  # the link to the jobs is none


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the sdist of a checkout that lost its link to the jobs, and the wheel of the sdist."""
    place = tmp_path_factory.mktemp("packaging")
    project, made = place / "project", place / "dist"
    files = source_files()
    for name in files:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, project / name)
    fast = os.environ | {"CFLAGS": "-O0", "MAPREDUCE_REQUIRE_NATIVE": "0"}
    build = ("--no-isolation", "--skip-dependency-check", "--outdir", str(made))
    call("build", *build, str(project), env=fast)
    (sdist,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    install = ("install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target")
    call("pip", *install, str(place / "installed"), str(wheel))
    return Built(files, inside, names, text, place / "installed")


def call(module: str, *arguments: str, **options: Any) -> str:
    """Run a module of this Python, and return what it printed; it must succeed."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_sdist_holds_the_whole_project(built: Built) -> None:
    assert built.project - built.sdist <= {".gitignore"}
    assert {"tests/conftest.py", "data/lookup.csv", "mapreduce/kernel/_native.h"} <= built.sdist


def test_the_wheel_holds_the_jobs_and_nothing_at_the_top_but_mapreduce(built: Built) -> None:
    code = {name for name in built.wheel if name.endswith(".py")}
    package = {name for name in built.project if name.startswith("mapreduce/")}
    jobs = {f"mapreduce/{name}" for name in built.project if name.startswith("jobs/")}
    assert code == {name for name in package | jobs if name.endswith(".py")}
    tops = {name.partition("/")[0] for name in built.wheel}
    assert tops == {"mapreduce", f"mapreduce_engine-{__version__}.dist-info"}
    assert "mapreduce/py.typed" in built.wheel
    assert f"mapreduce_engine-{__version__}.dist-info/licenses/LICENSE" in built.wheel


def test_the_metadata_says_what_may_be_done_with_it(built: Built) -> None:
    said = set(built.metadata.splitlines())
    assert {f"Name: {DISTRIBUTION}", f"Version: {__version__}"} <= said
    assert "License-Expression: MIT" in said
    extras = {line for line in said if line.startswith("Provides-Extra: ")}
    assert extras == {f"Provides-Extra: {extra}" for extra in ("codecs", "parquet", "s3")}


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {__version__}" in citation
    assert f"title: {DISTRIBUTION}" in citation


def test_the_installed_wheel_runs(built: Built, tmp_path: Path) -> None:
    where = os.environ | {"PYTHONPATH": str(built.installed), "PYTHONWARNINGS": "error"}
    listed = call("mapreduce", "jobs", cwd=tmp_path, env=where)
    assert {"count", "flowlogs", "wordcount"} <= {line.split()[0] for line in listed.splitlines()}
    log, lookup = ROOT / "data/flowlogs-2000.log", ROOT / "data/lookup.csv"
    arguments = ("flowlogs", str(log), "--lookup", str(lookup), "--quiet")
    call("mapreduce", *arguments, cwd=tmp_path, env=where)
    expected = ROOT / "data/expected/flowlogs-2000/tag2count.csv"
    assert (tmp_path / "outputs/tag2count.csv").read_bytes() == expected.read_bytes()


def test_the_installed_wheel_advises_to_install_itself(built: Built, tmp_path: Path) -> None:
    where = os.environ | {"PYTHONPATH": str(built.installed)}
    script = "import mapreduce.errors as e; print(e.__file__); print(e.install_hint('parquet'))"
    (tmp_path / "hint.py").write_text(script)
    where["PYTHONPATH"] += f":{tmp_path}"
    file, hint = call("hint", cwd=tmp_path, env=where).splitlines()
    assert Path(file) == built.installed / "mapreduce/errors.py"
    assert re.fullmatch(r"mapreduce-engine\[parquet\] @ file:///.*\.whl", last_word(hint))


def test_no_module_warns_when_it_is_imported(built: Built, tmp_path: Path) -> None:
    where = os.environ | {"PYTHONPATH": f"{built.installed}:{tmp_path}", "PYTHONWARNINGS": "error"}
    names = {
        str(Path(name).with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for name in built.wheel
        if name.endswith(".py")
    }
    (tmp_path / "all_of_it.py").write_text("".join(f"import {name}\n" for name in sorted(names)))
    call("all_of_it", cwd=tmp_path, env=where)
