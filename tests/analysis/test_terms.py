"""The memory of terms: each word worked out once, and by one thread at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hybridge.analysis import terms as terms_module
from hybridge.analysis.terms import WordCache, cached_terms


def test_rules_apply_in_order_and_once_a_word() -> None:
    calls: list[str] = []

    def note(word: str) -> str:
        calls.append(word)
        return word + "1"

    terms = cached_terms(frozenset({"the"}), [note, lambda word: word + "2"])
    assert [terms[word] for word in ("cat", "the", "cat")] == [("cat12",), (), ("cat12",)]
    assert calls == ["cat"]


def test_rules_run_in_one_thread_at_a_time() -> None:
    inside = threading.Semaphore(1)
    overlaps: list[str] = []

    def alone(word: str) -> str:
        if not inside.acquire(blocking=False):
            overlaps.append(word)
        time.sleep(0.001)
        inside.release()
        return word

    terms = cached_terms(frozenset(), [alone])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(terms.__getitem__, [f"w{i}" for i in range(40)]))
    assert overlaps == []


def test_a_full_cache_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms_module, "_CACHED", 2)
    lengths = WordCache(len)
    assert [lengths[word] for word in ("a", "bb", "ccc", "a")] == [1, 2, 3, 1]
    assert lengths == {"ccc": 3, "a": 1}
