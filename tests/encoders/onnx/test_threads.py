"""Batches are computed side by side, on as many threads as the process is given."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hybridge.encoders.onnx.threads import in_parallel, thread_count


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("HYBRIDGE_THREADS", raising=False)
    assert thread_count() == 3
    monkeypatch.setenv("HYBRIDGE_THREADS", "2")
    assert thread_count() == 2
    for nothing in ("", "0", "many", "-1"):
        monkeypatch.setenv("HYBRIDGE_THREADS", nothing)
        monkeypatch.setenv("OMP_NUM_THREADS", nothing)
        if hasattr(os, "sched_getaffinity"):
            assert thread_count() == len(os.sched_getaffinity(0))


def test_results_are_in_order_and_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDGE_THREADS", "4")
    together = threading.Barrier(2, timeout=20)

    def double(number: int) -> int:
        if number in (3, 4):
            together.wait()  # these two are computed at one time
        return number * 2

    assert list(in_parallel(double, range(50))) == [number * 2 for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(in_parallel(lambda number: 1 // number, [1, 0, 2]))
    assert list(in_parallel(double, [])) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_threads_of_its_own(
    monkeypatch: pytest.MonkeyPatch, forked: Callable[[Callable[[], Any]], Any]
) -> None:
    monkeypatch.setenv("HYBRIDGE_THREADS", "2")
    assert list(in_parallel(abs, [-1, -2])) == [1, 2]
    assert forked(lambda: list(in_parallel(abs, [-3, -4]))) == [3, 4]
