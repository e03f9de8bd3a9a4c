"""A view pairs scores with passages, and caches the masks of its filters."""

from __future__ import annotations

import pytest

from hybridge.analyzer import Analyzer
from hybridge.errors import InvalidInputError
from hybridge.filters import Filter, as_filter
from hybridge.lexical.postings import Postings
from hybridge.lexical.view import View
from hybridge.passages import Passage, StageScore

PASSAGES = [Passage(f"p{n}", "cat " * n, {"n": n}) for n in range(1, 6)]


@pytest.fixture
def view() -> View:
    postings: Postings[str] = Postings(Analyzer())
    postings.upsert([p.id for p in PASSAGES], [p.text for p in PASSAGES])
    return View(postings.snapshot(), {p.id: p for p in PASSAGES})


def only(n: int) -> Filter:
    where = as_filter({"n": n})
    assert where is not None
    return where


def test_a_mask_is_worked_out_once_a_filter(view: View) -> None:
    assert view.allowed(only(2)).tolist() == [False, True, False, False, False]
    assert view.allowed(only(2)) is view.allowed(only(2))


def test_many_filters_do_not_pile_up(view: View) -> None:
    for n in range(100):
        view.allowed(only(n))
    assert view.allowed.cache_info().currsize <= 16


def test_hits_carry_the_passage_and_the_trace(view: View) -> None:
    hits = view.hits("cats", 2, view.allowed(only(4)))
    assert [hit.passage for hit in hits] == [PASSAGES[3]]
    assert hits[0].trace == (StageScore("bm25", 1, hits[0].score),)
    assert view.scores("cats", ["p4"]) == [hits[0].score]


def test_an_unknown_id(view: View) -> None:
    with pytest.raises(InvalidInputError, match="no passage has the id 'p9'"):
        view.scores("cats", ["p1", "p9"])
