"""A scope of any retriever: each search has its filter and its own."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hybridge import (
    BM25Retriever,
    CallableEncoder,
    FusedRetriever,
    HybridIndex,
    Passage,
    Pipeline,
    explain,
)
from hybridge.errors import InvalidInputError
from hybridge.filters import And, Eq
from hybridge.language_models import ExpandedRetriever
from hybridge.query_syntax import QueryFilter, filters_of
from hybridge.results import (
    Boost,
    BoostedRetriever,
    DistinctRetriever,
    FlooredRetriever,
    GroupedRetriever,
    ParentRetriever,
)
from hybridge.scope import ScopedRetriever, ScopedScorer, narrowed, scoped

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
    for unknown in ("3", "9"):
        with pytest.raises(InvalidInputError, match=r"^no passage has the id"):
            explain(scope, "black cat", unknown)
    outside, nowhere = (said(scope, replace(PASSAGES[2], id=id_)) for id_ in "39")
    assert outside == nowhere


def said(scope: Any, passage: Passage) -> str:
    try:
        answer = str(explain(scope, "black cat", passage))
    except InvalidInputError as error:
        answer = str(error)
    return answer.replace(passage.id, "…")


OTHERS = [
    Passage("4", "A kubernetes cluster", {"tenant": "b", "hidden": 1}),
    Passage("5", "The kubernetes of cats", {"tenant": "b", "hidden": 1}),
]
AROUND: dict[str, Callable[[Any], Any]] = {
    "boosted": lambda inner: BoostedRetriever(inner, Boost({"year": 2}, 0.1)),
    "floored": lambda inner: FlooredRetriever(inner, {"dense": 0.01}),
    "distinct": DistinctRetriever,
    "groups": lambda inner: GroupedRetriever(inner, "year"),
    "parents": lambda inner: ParentRetriever(inner, "tenant"),
    "fused": lambda inner: FusedRetriever({"one": inner}),
    "expanded": lambda inner: ExpandedRetriever(inner, lambda query: ["a kuberneets dog"]),
    "pipeline": lambda inner: Pipeline(BoostedRetriever(inner, Boost({"year": 2}, 0.1))),
}


@pytest.mark.engine
@pytest.mark.parametrize("around", AROUND)
def test_a_scope_of_what_is_around_an_index_is_around_its_scope(
    around: str, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = CallableEncoder(
        lambda texts: [[1.0, text.count("a")] for text in texts], dimension=2, identity="a"
    )
    query = "kubernetis black cat"
    with HybridIndex.create(encoder=encoder) as index, caplog.at_level(logging.WARNING):
        index.add([*PASSAGES, *OTHERS])
        assert explain(index, query, "1").read_as == "kubernetes black cat"
        scope, expected = scoped(AROUND[around](index), SCOPE), AROUND[around](index.scoped(SCOPE))
        assert scope.search([query, "a dog"]) == expected.search([query, "a dog"])
        [found] = asyncio.run(scope.asearch([query]))
        assert [found] == scope.search([query])
        assert explain(scope, query, found[0].passage.id).read_as is None
        for unknown in ("3", "4", "9"):
            with pytest.raises(InvalidInputError, match=r"^no passage has the id"):
                explain(scope, query, unknown)
        caplog.clear()
        assert scope.search([query], where={"hiden": 1}) == [[]]
        assert caplog.messages
        assert not any("'hidden'" in message for message in caplog.messages)
        assert scoped(scope, SCOPE).search([query]) == [found]


def test_a_scope_of_what_scores_scores_what_is_inside() -> None:
    bm25 = BM25Retriever(PASSAGES)
    scope = scoped(bm25, SCOPE)
    assert isinstance(scope, ScopedScorer)
    assert scope.score(["black cat", "white"], [["2", "1"], []]) == bm25.score(
        ["black cat", "white"], [["2", "1"], []]
    )
    assert scope.get(["3", "1", "9"]) == [None, PASSAGES[0], None]
    for unknown in ("3", "9"):
        with pytest.raises(InvalidInputError, match=f"no passage '{unknown}' in this scope"):
            scope.score(["cat"], [["1", unknown]])
    assert isinstance(scoped(scope, {"year": 1}), ScopedScorer)


def test_members_that_are_scopes_are_completed_like_members() -> None:
    german = BM25Retriever(PASSAGES, analyzer="de")
    fused = FusedRetriever({"en": BM25Retriever(PASSAGES), "de": german}, depth=1)
    scopes = FusedRetriever({n: scoped(one, SCOPE) for n, one in fused.retrievers.items()}, depth=1)
    for queries in (["black cat", "white dog"], ["a white cat"]):
        assert scopes.search(queries, 2) == fused.search(queries, 2, where=SCOPE)
        assert scoped(fused, SCOPE).search(queries, 2) == fused.search(queries, 2, where=SCOPE)


def test_a_scope_is_a_filter_of_a_retriever() -> None:
    with pytest.raises(InvalidInputError, match="a scope needs a filter"):
        scoped(BM25Retriever(), None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="retriever"):
        scoped("bm25", SCOPE)
    again = pickle.loads(pickle.dumps(scoped(BM25Retriever(PASSAGES), SCOPE)))
    assert found(again) == ["1", "2"]
