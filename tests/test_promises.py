"""PROMISES.md lists each promise of a test, and the change that breaks it still applies."""

from __future__ import annotations

from pathlib import Path

import prove_promises
import pytest
from promises import (
    PROJECT,
    Change,
    ChangeError,
    Promise,
    becomes,
    change,
    change_text,
    read_promises,
)
from prove_promises import TABLE, prove, table_of

CODE = '''
LIMIT: int = 4  # in all


class Pool:
    def wait(self, seconds):
        """Return what is there."""
        if (not seconds
                and self.busy):
            return []
        self._bury( seconds, mode = 0o600 )
        return [1]
'''


def test_the_table_has_each_promise_and_no_other() -> None:
    assert TABLE.read_text() == table_of(read_promises()), "python tests/prove_promises.py --write"


def test_what_breaks_a_promise_can_still_be_changed() -> None:
    """The tests themselves are run on the changed code by ``prove_promises.py``, every night."""
    faults = [fault for one in read_promises() for fault in map(fault_of, one.changes) if fault]
    assert not faults, "\n".join(faults)


def fault_of(broken: Change) -> str:
    """Return why a change cannot be applied, or an empty text if it can."""
    try:
        source = (PROJECT / broken.file).read_text()
        changed = broken.apply(source)
        if broken.file.endswith(".py"):
            compile(changed, broken.file, "exec")
    except (ChangeError, OSError, SyntaxError) as error:
        return f"{broken}: {error}"
    return "" if changed != source else f"{broken}: nothing is changed"


def test_no_promise_is_made_twice() -> None:
    said = [promise.text for promise in read_promises()]
    assert len(said) == len({*said})


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (change("m:Pool.wait", "not seconds and self.busy", "False"), "if False:"),
        (change("m:Pool.wait", "self._bury(...)", "pass"), "        pass\n        return [1]"),
        (change("m:Pool.wait", "0o600", "0o644"), "self._bury(seconds, mode=420)"),
        (change("m:Pool", "if ...: ...", "x = 1; y = 2"), "x = 1\n        y = 2\n        self"),
        (change("m", "4", "5"), "LIMIT: int = 5"),
        (becomes("m:LIMIT", "5"), "LIMIT: int = 5"),
        (becomes("m:Pool.wait", "return 0"), '"""Return what is there."""\n        return 0'),
    ],
)
def test_code_is_changed_wherever_it_stands_and_however_it_is_formatted(
    broken: Change, expected: str
) -> None:
    assert expected in broken.apply(CODE)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (change("m:Pool.wait", "0o644", "1"), "m:Pool.wait has 0 times: 0o644"),
        (change("m:Pool.wait", "seconds", "1"), "m:Pool.wait has 2 times: seconds"),
        (change("m:Pool.bury", "1", "2"), "m:Pool.bury does not exist any more"),
        (becomes("m:Pool", "2"), "m:Pool is neither a function nor a constant"),
        (change_text("m.c", "LIMIT =", "x"), "m.c has 0 times: LIMIT ="),
    ],
)
def test_a_change_that_cannot_be_made_says_why(broken: Change, said: str) -> None:
    with pytest.raises(ChangeError, match=said):
        broken.apply(CODE)


def test_text_is_found_however_it_is_spaced() -> None:
    assert change_text("m.h", "a = 1;", "a = 2;").apply("int a  =\n 1;\n") == "int a = 2;\n"


@pytest.mark.parametrize(
    ("code", "is_red", "said"),
    [(1, True, "why"), (-9, True, "killed by SIGKILL"), (0, False, ""), (4, False, "NOT RUN")],
)
def test_a_promise_is_proven_by_a_test_that_fails_on_changed_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_red: bool, said: str
) -> None:
    file = tmp_path / "m.py"
    file.write_text(CODE)

    def run_tests(tests: list[str], project: Path, *_more: str) -> tuple[int, str]:
        assert (tests, project) == (["test_m.py::test_limit"], tmp_path)
        assert "LIMIT: int = 5" in file.read_text()
        return code, "FAILED test_m.py::test_limit - why" if code == 1 else ""

    monkeypatch.setattr(prove_promises, "run_tests", run_tests)
    promise = Promise("At most four", "test_m.py::test_limit", (becomes("m:LIMIT", "5"),))
    found, why = prove(promise, tmp_path)
    assert (found, why[: len(said)]) == (is_red, said)
    assert file.read_text() == CODE


def test_a_promise_that_can_no_longer_be_broken_is_not_proven(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(CODE)
    for name in ("m:MOST", "gone:LIMIT"):
        found, why = prove(Promise("At most four", "t", (becomes(name, "5"),)), tmp_path)
        assert not found
        assert why.startswith("NOT BROKEN")
