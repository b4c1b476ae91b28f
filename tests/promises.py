"""A promise stands beside the test that keeps it, with a change of the code that turns it red.

::

    @promise(
        "An idle worker that is killed has no effect",
        broken_by=change("mapreduce.backends.pool:Pool._dispatch", "OSError", "ZeroDivisionError"),
    )
    def test_an_idle_worker_that_is_killed_has_no_effect(): ...

A change names a module and, behind a colon, a function, a class or a constant in it. The code is
parsed, not searched as text, so it may be formatted anew or moved within what is named.

- ``change(name, old, new)``: the one place within ``name`` that reads like ``old`` becomes ``new``.
  Both are expressions, or else both are statements. In ``old``, ``...`` stands for anything: an
  expression, all arguments of a call, any statements.
- ``becomes(name, new)``: the body of a function, or the value of a constant, becomes ``new``.
- ``change_text(file, old, new)``: for C, and whatever else is not Python. It finds a piece of text,
  with any white space between its words.

Several changes that must be made together stand in a list. All arguments are plain text, because
the tests are parsed for them, and not imported. ``python tests/prove_promises.py`` makes each
change in a copy of the project and runs the test there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

TESTS: Final = Path(__file__).resolve().parent
PROJECT: Final = TESTS.parent

Test = TypeVar("Test", bound=Callable[..., object])


class ChangeError(Exception):
    """A change cannot be made: what it names is not there, or not only once."""


@dataclass(frozen=True)
class CodeChange:
    """What becomes of ``old`` within what ``name`` names, or of all of it without an ``old``."""

    name: str
    old: str | None
    new: str

    @property
    def file(self) -> str:
        """The path of the module within the project."""
        path = self.name.partition(":")[0].replace(".", "/")
        return f"{path}/__init__.py" if (PROJECT / path).is_dir() else f"{path}.py"

    def apply(self, source: str) -> str:
        """Return the source of the module with the change made in it."""
        tree = ast.parse(source)
        node = _find(tree, self.name)
        if self.old is None:
            _rewrite(node, self.name, self.new)
        else:
            _replace(node, self.name, self.old, self.new)
        return ast.unparse(ast.fix_missing_locations(tree))


@dataclass(frozen=True)
class TextChange:
    """What becomes of a piece of text in a file of the project."""

    file: str
    old: str
    new: str

    def apply(self, source: str) -> str:
        """Return the text of the file with the change made in it."""
        pattern = re.compile(r"\s+".join(re.escape(word) for word in self.old.split()))
        if (number := len(pattern.findall(source))) != 1:
            raise ChangeError(f"{self.file} has {number} times: {self.old}")
        return pattern.sub(lambda _found: self.new, source)


Change: TypeAlias = CodeChange | TextChange


@dataclass(frozen=True)
class Promise:
    """What is promised, the test that keeps it, and the changes that break it together."""

    text: str
    test: str
    changes: tuple[Change, ...]


def promise(text: str, *, broken_by: Change | list[Change]) -> Callable[[Test], Test]:
    """Say what a test promises, and with which change of the code it was seen to go red."""
    return lambda test: test


def change(name: str, old: str, new: str) -> Change:
    """Within the module, class, function or constant of this name, put new code for old code."""
    return CodeChange(name, old, new)


def becomes(name: str, new: str) -> Change:
    """Give the function of this name another body, or the constant of this name another value."""
    return CodeChange(name, None, new)


def change_text(file: str, old: str, new: str) -> Change:
    """Within a file that is not Python, put new text for old text."""
    return TextChange(file, old, new)


@cache
def read_promises() -> tuple[Promise, ...]:
    """Return the promises of all tests, in the order of their files and lines."""
    return tuple(chain.from_iterable(map(_promises_of, sorted(TESTS.rglob("test_*.py")))))


def _promises_of(path: Path) -> Iterator[Promise]:
    nodes = ast.walk(ast.parse(path.read_text()))
    for test in (node for node in nodes if isinstance(node, ast.FunctionDef)):
        for decorator in test.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "promise":
                (text,), (given,) = decorator.args, decorator.keywords
                changes = given.value.elts if isinstance(given.value, ast.List) else [given.value]
                name = f"{path.relative_to(TESTS).as_posix()}::{test.name}"
                yield Promise(ast.literal_eval(text), name, tuple(map(_change_of, changes)))


def _change_of(call: ast.expr) -> Change:
    assert isinstance(call, ast.Call)
    makers: dict[str, Callable[..., Change]] = {
        "change": change,
        "becomes": becomes,
        "change_text": change_text,
    }
    return makers[ast.unparse(call.func)](*map(ast.literal_eval, call.args))


# What is named


def _find(tree: ast.Module, name: str) -> ast.AST:
    """Return the definition that ``module:Class.function`` names, or the whole module."""
    node: ast.AST = tree
    for part in filter(None, name.partition(":")[2].split(".")):
        found = [inner for inner in _definitions(node) if part in _names(inner)]
        if not found:
            raise ChangeError(f"{name} does not exist any more: there is no {part}")
        node = found[-1]
    return node


def _definitions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands in a definition, also within an ``if``, but not in a definition in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield from _definitions(child)


def _names(node: ast.AST) -> list[str]:
    """Return the names that a statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return [target.id for target in targets if isinstance(target, ast.Name)]


# What becomes of it


def _rewrite(node: ast.AST, name: str, new: str) -> None:
    """Give a function another body, below its docstring, or an assignment another value."""
    if isinstance(node, ast.FunctionDef):
        first = 0 if ast.get_docstring(node) is None else 1
        node.body[first:] = ast.parse(new).body
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        node.value = ast.parse(new, mode="eval").body
    else:
        raise ChangeError(f"{name} is neither a function nor a constant")


class _Place(NamedTuple):
    """Where a node stands: in a field of its parent, and at which place if that is a list."""

    node: ast.AST
    parent: ast.AST
    field: str
    at: int | None

    def put(self, new: list[Any]) -> None:
        if self.at is None:
            setattr(self.parent, self.field, new[0])
        else:
            getattr(self.parent, self.field)[self.at : self.at + 1] = new


def _replace(node: ast.AST, name: str, old: str, new: str) -> None:
    """Put new code for the one place within a node that reads like the old code."""
    try:
        wanted: ast.AST = ast.parse(old, mode="eval").body
        instead: list[Any] = [ast.parse(new, mode="eval").body]
    except SyntaxError:
        (wanted,), instead = ast.parse(old).body, ast.parse(new).body
    places = [place for place in _places(node) if _reads_like(wanted, place.node)]
    if len(places) != 1:
        raise ChangeError(f"{name} has {len(places)} times: {old}")
    places[0].put(instead)


def _places(node: ast.AST) -> Iterator[_Place]:
    for parent in ast.walk(node):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                yield _Place(value, parent, field, None)
            elif isinstance(value, list):
                nodes = ((at, item) for at, item in enumerate(value) if isinstance(item, ast.AST))
                yield from (_Place(item, parent, field, at) for at, item in nodes)


def _reads_like(wanted: object, code: object) -> bool:
    """Tell whether code is what was written, where ``...`` is anything."""
    if _is_anything(wanted):
        return True
    if isinstance(wanted, list) and isinstance(code, list):
        return _all_read_like(wanted, code)
    if not isinstance(wanted, ast.AST) or isinstance(wanted, ast.expr_context):
        return isinstance(wanted, ast.AST) or wanted == code  # to read and to write a name is one
    if type(wanted) is not type(code):
        return False
    fields = set(wanted._fields)
    if isinstance(wanted, ast.Call) and any(map(_is_anything, wanted.args)):
        fields -= {"keywords"}
    return all(_reads_like(getattr(wanted, one), getattr(code, one)) for one in fields)


def _all_read_like(wanted: Sequence[object], code: Sequence[object]) -> bool:
    if not wanted:
        return not code
    if _is_anything(wanted[0]):
        return any(_all_read_like(wanted[1:], code[at:]) for at in range(len(code) + 1))
    return bool(code) and _reads_like(wanted[0], code[0]) and _all_read_like(wanted[1:], code[1:])


def _is_anything(wanted: object) -> bool:
    node = wanted.value if isinstance(wanted, ast.Expr) else wanted
    return isinstance(node, ast.Constant) and node.value is ...
