"""A scope of any retriever: each search has its filter and its own."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from hybridge import BM25Retriever, FusedRetriever, Passage, Pipeline, explain
from hybridge.errors import InvalidInputError
from hybridge.filters import And, Eq
from hybridge.query_syntax import QueryFilter, filters_of
from hybridge.scope import ScopedRetriever, narrowed, scoped

PASSAGES = [
    Passage("1", "A black cat", {"tenant": "a", "year": 1}),
    Passage("2", "A white cat", {"tenant": "a", "year": 2}),
    Passage("3", "A black cat and a dog", {"tenant": "b", "year": 2}),
]
SCOPE = {"tenant": "a"}


@pytest.fixture(params=["bm25", "fused", "pipeline"])
def searched(request: pytest.FixtureRequest) -> Any:
    bm25 = BM25Retriever(PASSAGES)
    return {
        "bm25": bm25,
        "fused": FusedRetriever({"words": bm25}),
        "pipeline": Pipeline(bm25),
    }[request.param]


def found(retriever: Any, where: Any = None) -> list[str]:
    [one] = retriever.search(["cat"], where=where)
    [other] = asyncio.run(retriever.asearch(["cat"], where=where))
    assert one == other
    return sorted(hit.passage.id for hit in one)


def test_a_search_narrows_its_scope(searched: Any) -> None:
    scope = scoped(searched, SCOPE)
    assert found(scope) == found(scope, {}) == ["1", "2"]
    assert found(scope, {"year": 2}) == ["2"]
    assert found(scope, {"tenant": "b"}) == found(scope, {"$id": ["3"]}) == []
    assert found(scoped(scope, {"year": 1})) == ["1"]
    assert found(scoped(scope, {"tenant": "b"})) == []


def test_the_conditions_of_a_query_stay_what_they_are() -> None:
    [where] = filters_of(["cat -dog"], BM25Retriever().analyzer, Eq("year", 2))
    joined = narrowed(Eq("tenant", "a"), where)
    assert isinstance(joined, QueryFilter)
    assert joined.where == Eq("tenant", "a") & Eq("year", 2)
    assert [type(each).__name__ for each in joined.conditions] == ["Not"]
    assert narrowed(Eq("tenant", "a"), And()) == Eq("tenant", "a")


def test_operators_are_read_as_by_the_retriever_inside() -> None:
    for reads in (True, False):
        scope = scoped(BM25Retriever(PASSAGES, query_syntax=reads), SCOPE)
        assert isinstance(scope, ScopedRetriever)
        assert scope.query_syntax is reads
        [hits] = scope.search(["cat -white"])
        assert ("2" in {hit.passage.id for hit in hits}) is not reads


def test_an_explanation_knows_what_is_inside_alone(searched: Any) -> None:
    scope = scoped(searched, SCOPE)
    assert explain(scope, "black cat", "1").rank == 1
    for unknown in ("3", "9", PASSAGES[2]):
        with pytest.raises(InvalidInputError, match=r"^no passage has the id"):
            explain(scope, "black cat", unknown)


def test_a_scope_is_a_filter_of_a_retriever() -> None:
    with pytest.raises(InvalidInputError, match="a scope needs a filter"):
        scoped(BM25Retriever(), None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="retriever"):
        scoped("bm25", SCOPE)
    again = pickle.loads(pickle.dumps(scoped(BM25Retriever(PASSAGES), SCOPE)))
    assert found(again) == ["1", "2"]
