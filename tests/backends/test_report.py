"""A call may report at any rate; the listener is told a few times a second."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from mapreduce.backends import report as module
from mapreduce.backends.report import PERIOD, listening, report


def test_a_report_that_nobody_listens_to_does_nothing() -> None:
    report(1)
    heard: list[int] = []
    with listening(heard.append):
        pass
    report(2)
    assert heard == []


def test_who_listens_hears_the_sum_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    heard: list[tuple[float, int]] = []
    with listening(lambda done: heard.append((now, done))):
        for number in range(100):
            now = number / 64
            report(10)
    assert heard == [(n * PERIOD, 10 * (int(n * PERIOD * 64) + 1)) for n in range(1, 7)]


def test_each_call_begins_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PERIOD", 0)
    outer: list[int] = []
    inner: list[int] = []
    with listening(outer.append):
        report(1)
        with suppress(ValueError), listening(inner.append):
            report(10)
            raise ValueError("over")
        report(2)
    assert (outer, inner) == ([1, 3], [10])
