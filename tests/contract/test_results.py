"""Floors and boosts: what the core finds with them, both frameworks find by their options."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hybridge import BM25Retriever, CallableEncoder, HybridIndex, Passage, Pipeline
from hybridge.explanation import explain
from hybridge.interop import indexes, search_config_of
from hybridge.interop.results import arranged
from hybridge.results import Boost, BoostedRetriever, Decay, FlooredRetriever
from hybridge.sentences import children

from .conftest import PASSAGES, Face, Shortest, bags, results

pytestmark = pytest.mark.engine

BOOSTS = [Boost({"topic": "body"}, 0.5), Decay("year", "2y", weight=1.0, now=2022)]


@pytest.mark.parametrize("of", ["hit", "list"])
async def test_a_floor_leaves_what_the_core_leaves(
    face: type[Face], index: HybridIndex, of: Any
) -> None:
    floored = FlooredRetriever(index, {"dense": 0.3}, of=of)
    expected = [results(hits) for hits in floored.search(["blood clots", "the yeast"], 6)]
    retriever = face(index, k=6, floor={"dense": 0.3}, floor_of=of)
    assert retriever.ask_all(["blood clots", "the yeast"]) == expected
    assert await retriever.aask("blood clots") == expected[0]
    assert 0 < len(expected[0]) < 6 if of == "hit" else len(expected[0]) == 6
    assert face(index, k=6, floor={"dense": 0.99}).ask("xyz") == []


def test_a_floor_may_be_on_a_reranker_of_the_retriever(
    face: type[Face], index: HybridIndex
) -> None:
    reranker = Shortest()
    floor = {"brevity": -36.0, "dense": 0.1}
    floored = FlooredRetriever(Pipeline(index, reranker), floor)
    [hits] = floored.search(["blood"], 6)
    assert results(hits) == face(index, k=6, rerankers=[reranker], floor=floor).ask("blood")
    assert all(len(hit.passage.text) <= 36 for hit in hits)
    assert hits


async def test_boosts_are_those_of_the_core(face: type[Face], index: HybridIndex) -> None:
    boosted = BoostedRetriever(index, BOOSTS)
    [hits] = boosted.search(["blood"], 3)
    retriever = face(index, k=3, boosts=BOOSTS)
    assert retriever.ask("blood") == await retriever.aask("blood") == results(hits)
    assert list(retriever.ask("blood")[0].trace)[-1] == "boost"
    plain = face(index, k=3).ask("blood")
    assert [each.score for each in plain] != [each.score for each in retriever.ask("blood")]
    both = face(index, k=6, boosts=BOOSTS, floor={"dense": 0.3}).ask("blood")
    assert {each.id for each in both} == {
        each.id for each in face(index, k=6, floor={"dense": 0.3}).ask("blood")
    }
    config = search_config_of(retriever.retriever) or retriever.retriever
    assert explain(config.retriever, "blood", hits[0].passage.id).boosts


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"floor": {"fusion": 0.3}}, "depend on the list"),
        ({"floor": {"bm25": 3.0}}, "grow with the words"),
        ({"floor": {"dens": 0.3}}, "no stage 'dens'"),
        ({"floor": {"dense": 0.3}, "floor_of": "all"}, "hit"),
        ({"boosts": ["90d"]}, "is none"),
    ],
)
def test_what_is_not_valid_is_refused_when_it_is_made(
    face: type[Face], index: HybridIndex, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        face(index, **settings)


@pytest.fixture
def sentences() -> Iterator[HybridIndex]:
    """Sentences of documents, every second one secret."""
    with HybridIndex.create(encoder=CallableEncoder(bags, dimension=24, identity="bags")) as made:
        documents = [*PASSAGES, Passage("doc", "Clots of blood. Secret clots. Blood flows.")]
        for each in children(documents):
            secret = each.metadata["position"] % 2 == 1
            made.add([replace(each, metadata={**each.metadata, "secret": secret})])
        yield made


@pytest.mark.parametrize("of", ["index", "bm25"])
@pytest.mark.parametrize("options", [{}, {"window": 9}])
async def test_a_scope_leaks_nothing_through_parents(
    face: type[Face], sentences: HybridIndex, of: str, options: dict[str, Any]
) -> None:
    searched = sentences if of == "index" else BM25Retriever(sentences)
    scope = {"secret": False}
    retriever = face(searched, k=1, parents="parent", scope=scope, **options)
    [found] = retriever.ask("clots of blood")
    assert found.text == "Clots of blood. … Blood flows."
    assert await retriever.aask("clots of blood") == [found]
    assert retriever.ask("clots of blood", where={"secret": True}) == []


@pytest.mark.parametrize(
    "options",
    [
        {"parents": "parent", "window": 1},
        {"parents": "parent", "merge": 0.5},
        {"group_by": "topic", "per_group": 2},
        {"distinct": 0.9, "group_by": "topic", "per_group": 2, "parents": "parent"},
    ],
)
async def test_groups_and_parents_are_those_of_the_core(
    face: type[Face], sentences: HybridIndex, options: dict[str, Any]
) -> None:
    expected = [results(h) for h in arranged(sentences, **options).search(["blood", "yeast"], 3)]
    retriever = face(sentences, k=3, **options)
    assert retriever.ask_all(["blood", "yeast"]) == expected
    assert await retriever.aask("blood") == expected[0]


def test_a_threshold_on_fused_scores_is_warned_of_once(
    face: type[Face], index: HybridIndex, caplog: pytest.LogCaptureFixture
) -> None:
    indexes._warn_of_threshold.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            face(index, score_threshold=0.1).ask("blood")
        assert caplog.text.count("depend on the list") == 1
        caplog.clear()
        alone = {"rerankers": [Shortest()], "blend": 1.0, "score_threshold": -50.0}
        face(index, **alone).ask("blood")
        face(index.dense, score_threshold=0.1).ask("blood")
    assert not caplog.records
