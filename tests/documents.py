"""Read the project's documents: their blocks of code, and the options in their tables."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENTS: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
EXAMPLES: Final = ROOT / "docs" / "examples"

_BLOCK: Final = re.compile(r"^```([a-z]*) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND: Final = re.compile(r"^\$ ([^\n]+)\n((?:(?!\$ )[^\n]*\n)*)", re.MULTILINE)
_OPTION: Final = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")


class Block(NamedTuple):
    """A block of code; ``file`` is the name behind its language, if any."""

    document: Path
    line: int
    language: str
    file: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console, each with what it prints."""
        return [(found[1], found[2]) for found in _COMMAND.finditer(self.text)]


def shown_files(document: Path) -> Mapping[str, str]:
    """Return the files that a document shows; of several versions of a file, the last one."""
    return {block.file: block.text for block in blocks_of(document) if block.file}


def blocks_of(document: Path) -> Iterator[Block]:
    """Yield the blocks of code of a document."""
    text = document.read_text()
    for found in _BLOCK.finditer(text):
        yield Block(document, text.count("\n", 0, found.start()) + 1, *found.groups())


def tables() -> Mapping[str, list[str]]:
    """Return the first cells of all tables by the heading above them."""
    cells, heading = defaultdict[str, list[str]](list), ""
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            if line.startswith("#"):
                heading = line.lstrip("# ")
            elif line.startswith("| "):
                cells[heading].append(re.split(r"(?<!\\)\|", line)[1].strip())
    return cells


def options_below(heading: str) -> set[str]:
    """Return the options that the tables below a heading describe."""
    return {option for cell in tables()[heading] for option in _OPTION.findall(cell)}
