"""The ways in: what they take, and what they refuse before any work."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge import BM25Retriever, Hit, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.explanation import explain, explain_search
from hybridge.testing import PASSAGES, QUERIES

from .conftest import alike


@pytest.fixture(scope="module")
def bm25() -> BM25Retriever:
    return BM25Retriever(PASSAGES)


def test_a_passage_by_its_id_itself_or_a_hit(bm25: BM25Retriever) -> None:
    [[hit]] = bm25.search([QUERIES[0]], 1)
    found = [explain(bm25, QUERIES[0], given) for given in (hit.passage.id, hit.passage, hit)]
    assert len({str(one) for one in found}) == 1
    assert found[0].rank == 1
    assert found[0].passage == hit.passage


class Untouched:
    """A retriever that must not be asked."""

    def search(self, *_: object, **__: object) -> list[list[Hit]]:
        raise AssertionError("it was asked")

    async def asearch(self, *_: object, **__: object) -> list[list[Hit]]:
        raise AssertionError("it was asked")


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("  ", "p1"), {}, "blank"),
        ((["why"], "p1"), {}, "one string, not list"),
        (("why", 7), {}, "an id, a Passage or a Hit, not 7"),
        (("why", ""), {}, "an id, a Passage or a Hit"),
        (("why", "p1"), {"k": 0}, "k must be"),
        (("why", "p1"), {"where": "topic"}, "filter|where"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(
    arguments: tuple[Any, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        explain(Untouched(), *arguments, **options)


def test_what_is_no_retriever_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="list"):
        explain_search([], "why")


def test_an_unknown_passage_is_refused(index: HybridIndex, bm25: BM25Retriever) -> None:
    for retriever in (index, index.bm25, index.tuned(depth=3), bm25, Pipeline(index)):
        with pytest.raises(InvalidInputError, match="no passage has the id 'nowhere'"):
            explain(retriever, "why", Passage("nowhere", "text"))


class Fixed:
    """A retriever of which nothing is known but what it returns."""

    def search(self, queries: Any, k: int = 10, *, where: Any = None) -> list[list[Hit]]:
        hits = [Hit(passage, 9.0 - rank) for rank, passage in enumerate(PASSAGES[:5])]
        return [hits[:k] for _ in queries]

    async def asearch(self, queries: Any, k: int = 10, *, where: Any = None) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


def test_any_retriever_is_known_by_what_it_returns() -> None:
    found = explain(Fixed(), "why", "sea-2")
    assert (found.rank, found.score, found.bm25) == (2, 8.0, None)
    outside = explain(Fixed(), "why", PASSAGES[9])
    assert outside.missed == "it is not among the first 5 of Fixed"
    with pytest.raises(InvalidInputError, match="the Passage itself"):
        explain(Fixed(), "why", PASSAGES[9].id)


def test_every_retriever_explains_what_it_returns(index: HybridIndex) -> None:
    late = index.late_interaction
    assert late is not None
    for retriever in (index.bm25, index.dense, late):
        [hits] = retriever.search([QUERIES[1]], 4)
        found = explain_search(retriever, QUERIES[1], 4)
        alike(found.hits, hits)
        for explanation, hit in zip(found.explanations, found.hits, strict=True):
            part = explanation.bm25 or explanation.dense or explanation.late_interaction
            assert part is not None
            assert (explanation.rank, explanation.score) == (part.rank, hit.score)
            assert part.score == pytest.approx(hit.score, abs=1e-6)
            if explanation.bm25:
                assert abs(sum(t.part for t in explanation.bm25.terms) - hit.score) < 1e-6
            if explanation.late_interaction:
                matrix = explanation.late_interaction.matrix
                assert abs(matrix.max(axis=1).sum() - hit.score) < 1e-4
        last = explain(retriever, QUERIES[1], hits[3], k=2)
        assert last.missed is not None
        assert last.missed.startswith("it ranks 4 of ")


def test_a_search_that_finds_nothing(bm25: BM25Retriever) -> None:
    found = explain_search(bm25, "unicorns")
    assert list(found.hits) == list(found.explanations) == []
    assert "0 answers" in str(found)


def test_the_same_twice(index: HybridIndex) -> None:
    tuned = index.tuned(blend=0.4)
    assert str(explain(tuned, QUERIES[2], "sky-4")) == str(explain(tuned, QUERIES[2], "sky-4"))
