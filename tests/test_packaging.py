"""What is installed is ours, is whole, and says truly how to add what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from mapreduce import errors
from mapreduce.errors import DISTRIBUTION, install_hint

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
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
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    own = tmp_path / "bin/pip"
    own.parent.mkdir()
    own.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert install_hint("s3").startswith(f"{sys.executable} -m pip install ")
    monkeypatch.setenv("PATH", str(own.parent))
    assert install_hint("s3").startswith("pip install ")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert install_hint("s3").startswith(f"uv pip install --python {sys.executable} ")
