"""The memory of terms: each word worked out once, and by one thread at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from hybridge.analysis import terms as terms_module
from hybridge.analysis.rules import FirstRules, SecondRules
from hybridge.analysis.terms import TermReader, WordCache


def reader(*stems: Callable[[str], str]) -> TermReader:
    return TermReader(SecondRules(None, {"the"}, 1, plain=True), stems)


def test_stems_apply_in_order_and_once_a_word() -> None:
    calls: list[str] = []

    def note(form: str) -> str:
        calls.append(form)
        return form + "1"

    made = reader(note, lambda form: form + "2")
    assert made.terms("cat, the cat") == ["cat12", "cat12"]
    assert made.terms("(cat) hand-over") == ["cat12", "hand12", "over12", "handover12"]
    assert calls == ["cat", "hand", "over", "handover"]


def test_the_terms_of_a_word_are_unique_and_not_empty() -> None:
    made = reader(lambda form: form.strip("x"))
    assert made.terms_of("ax-b-a-x") == ("a", "b", "axba")
    assert made.terms_of("the") == ()
    assert made.terms("a a") == ["a", "a"]


def test_stems_are_taken_in_one_thread_at_a_time() -> None:
    inside = threading.Semaphore(1)
    overlaps: list[str] = []

    def alone(form: str) -> str:
        if not inside.acquire(blocking=False):
            overlaps.append(form)
        time.sleep(0.001)
        inside.release()
        return form

    made = reader(alone)
    words = [f"w{chr(97 + i)}" for i in range(26)] + [f"v-{chr(97 + i)}" for i in range(14)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(made.terms, words))
    assert overlaps == []


def test_the_first_rules_are_read_alike() -> None:
    made = TermReader(FirstRules(None, {"the"}, 2), [str.upper])
    assert made.words("The XR-500, a 'cat'") == ["the", "xr", "500", "cat"]
    assert made.terms("The XR-500, a 'cat'") == ["XR", "500", "CAT"]
    assert made.terms_of("cat") == ("CAT",)


def test_a_full_cache_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms_module, "_CACHED", 2)
    lengths = WordCache(len)
    assert [lengths[word] for word in ("a", "bb", "ccc", "a")] == [1, 2, 3, 1]
    assert lengths == {"ccc": 3, "a": 1}


def test_long_words_are_not_kept() -> None:
    lengths = WordCache(len)
    assert [lengths["a" * 40], lengths["a" * 41]] == [40, 41]
    assert list(lengths) == ["a" * 40]
