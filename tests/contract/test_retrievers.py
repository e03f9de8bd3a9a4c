"""What every retriever does, in the core, in LangChain and in LlamaIndex alike."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from qdrant_client import models

import hybridge
from hybridge import Hit, HybridIndex, Passage, Pipeline, explain, explain_search
from hybridge.errors import HybridgeError, InvalidInputError
from hybridge.filters import And, Gte, as_filter
from hybridge.fusion import get_fusion
from hybridge.interop import SearchConfig
from hybridge.results import DistinctRetriever, GroupedRetriever, ParentRetriever

from .conftest import PASSAGES, Face, LangChain, LlamaIndex, Shortest, results

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart", "zzz"]
BY_ID = {passage.id: passage for passage in PASSAGES}
REFUSED = (InvalidInputError, ValidationError)


def ids(answer: Sequence[Any]) -> list[str]:
    return [result.id for result in answer]


# The answer is the core's


@pytest.mark.parametrize("reranked", [False, True])
async def test_ids_order_scores_trace_text_and_metadata_are_the_core_s(
    face: type[Face], searched: Any, reranked: bool
) -> None:
    rerankers = [Shortest(), Shortest("again")] if reranked else []
    core = Pipeline(searched, *rerankers, blend=0.3, depth=4)
    retriever = face(searched, k=3, rerankers=rerankers, blend=0.3, rerank_depth=4)
    expected = list(map(results, core.search(QUERIES, 3)))
    assert any(len(answer) > 1 for answer in expected)
    assert [retriever.ask(query) for query in QUERIES] == expected
    assert [await retriever.aask(query) for query in QUERIES] == expected
    assert retriever.ask_all(QUERIES) == expected
    assert await retriever.aask_all(QUERIES) == expected


OPTIONS: list[dict[str, Any]] = [
    {},
    {"weights": {"bm25": 1, "dense": 0}},
    {"weights": {"bm25": 0.2, "dense": 0.8}},
    {"fusion": "rrf"},
    {"depth": 1},
    {"fusion": "weighted-rrf", "weights": {"bm25": 3, "dense": 1}, "depth": 3},
    {"fusion": get_fusion("dbsf"), "depth": 2},
    {"late_interaction_weight": 0},
]
CORE_NAMES = {"late_interaction_weight": "blend"}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_options_are_those_of_the_index_s_search(
    face: type[Face], index: HybridIndex, options: dict[str, Any]
) -> None:
    retriever = face(index, k=3, **options)
    words = {CORE_NAMES.get(name, name): value for name, value in options.items()}
    expected = list(map(results, index.search(QUERIES, 3, **words)))
    assert retriever.ask_all(QUERIES) == expected
    assert await retriever.aask_all(QUERIES) == expected


def test_options_change_the_answer(face: type[Face], index: HybridIndex) -> None:
    """Lest the test above compare what is alike anyway."""
    answers = {str(face(index, **options).ask_all(QUERIES)) for options in OPTIONS[:5]}
    assert len(answers) == 5


def test_scores_are_floats_and_all_is_json(face: type[Face], index: HybridIndex) -> None:
    answer = face(index, k=6).ask("blood")
    assert len(answer) == 6
    assert [result.score for result in answer] == sorted(
        (result.score for result in answer), reverse=True
    )
    for result in answer:
        assert type(result.score) is float
        assert list(result.trace) == sorted(result.trace, key=["bm25", "dense", "fusion"].index)
        for entry in result.trace.values():
            assert (type(entry["rank"]), type(entry["score"])) == (int, float)
        assert json.loads(json.dumps(result)) == list(result)


@pytest.mark.parametrize("face", [LangChain, LlamaIndex])  # the core's hits share their metadata
def test_an_answer_is_the_caller_s_to_change(face: type[Face], index: HybridIndex) -> None:
    retriever = face(index, k=6)
    before = json.dumps(retriever.ask("blood"))
    for result in retriever.ask("blood"):
        result.metadata["by"].append("Mallory")
        result.metadata["at"]["place"] = "elsewhere"
        result.trace.clear()
    assert json.dumps(retriever.ask("blood")) == before


# How many


async def test_k_is_the_final_count_and_a_query_s_own_beats_it(
    face: type[Face], index: HybridIndex
) -> None:
    retriever = face(index, k=2)
    for k, count in [(None, 2), (1, 1), (4, 4), (100, 6)]:
        assert len(retriever.ask("blood", k)) == count
        assert len(await retriever.aask("blood", k)) == count
    assert len(retriever.ask("blood")) == 2


@pytest.mark.parametrize("k", [0, -1, 1.5, "three", True])
async def test_a_bad_k_is_an_error_that_names_it(
    face: type[Face], index: HybridIndex, k: Any
) -> None:
    retriever = face(index)
    with pytest.raises(InvalidInputError, match="k must be a whole number"):
        retriever.ask("blood", k)
    with pytest.raises(InvalidInputError, match="k must be a whole number"):
        await retriever.aask("blood", k)


async def test_a_threshold_drops_what_scores_below(face: type[Face], index: HybridIndex) -> None:
    [hits] = index.search(["blood"], 6)
    minimum = hits[2].score
    expected = [hit.passage.id for hit in hits if hit.score >= minimum]
    assert 3 <= len(expected) < 6
    retriever = face(index, k=6, score_threshold=minimum)
    assert ids(retriever.ask("blood")) == ids(await retriever.aask("blood")) == expected
    assert face(index, k=6, score_threshold=hits[0].score + 1).ask("blood") == []


# Filters

_LEAVES = st.sampled_from(
    [
        {"topic": "body"},
        {"topic": {"$ne": "food"}},
        {"year": {"$gte": 2020}},
        {"year": {"$lt": 2020}},
        {"by": "Ada"},
        {"by": {"$in": ["Bela", "Dora"]}},
        {"at.place": "nature"},
        {"missing": {"$exists": False}},
        {"missing": 1},
        {"$id": ["bread", "nowhere"]},
        {},
    ]
)
_FILTERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$not": inner}),
    ),
    max_leaves=4,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=_FILTERS, query=st.sampled_from(QUERIES))
def test_filters_never_leak(face: type[Face], index: HybridIndex, where: Any, query: str) -> None:
    """Against brute force; the dense stage finds everything that a filter lets through."""
    passing = {each.id for each in PASSAGES if as_filter(where).matches(each)}  # type: ignore[union-attr]
    for searched in (index.dense, index):
        own, brought = face(searched, k=6, where=where), face(searched, k=6)
        for answer in (own.ask(query), brought.ask(query, where=where)):
            assert set(ids(answer)) == passing
            for result in answer:
                assert (result.text, result.metadata) == (
                    BY_ID[result.id].text,
                    dict(BY_ID[result.id].metadata),
                )


async def test_a_query_s_filter_beats_the_retriever_s(face: type[Face], index: HybridIndex) -> None:
    retriever = face(index, k=6, where={"topic": "food"})
    for where, expected in [
        (None, {"bread", "yeast"}),
        ({"topic": "body"}, {"clot", "heart"}),
        (Gte("year", 2021), {"bread", "yeast"}),
        ({}, set(BY_ID)),
        (None, {"bread", "yeast"}),
    ]:
        assert set(ids(retriever.ask("blood", where=where))) == expected
        assert set(ids(await retriever.aask("blood", where=where))) == expected


@pytest.mark.parametrize(
    ("where", "named"),
    [
        (lambda passage: True, "function"),
        (models.Filter(must=[]), "must"),
        ({"year": {"$near": 2020}}, r"\$near"),
        ({"$nor": []}, r"\$nor"),
        ({"year": {"gte": 2020}}, "gte"),
        ([{"year": 2020}], "year"),
        ("year = 2020", "year = 2020"),
    ],
)
def test_a_filter_that_cannot_be_applied_is_an_error_that_names_it(
    face: type[Face], index: HybridIndex, where: Any, named: str
) -> None:
    for searched in (index, hybridge.BM25Retriever(PASSAGES)):
        with pytest.raises(InvalidInputError, match=named):
            face(searched).ask("blood", where=where)
        with pytest.raises(REFUSED, match=named):
            face(searched, where=where).ask("blood")


# The scope


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(scope=_FILTERS, where=_FILTERS, query=st.sampled_from(QUERIES))
def test_no_filter_leaves_the_scope(
    face: type[Face], index: HybridIndex, scope: Any, where: Any, query: str
) -> None:
    """Against brute force; the dense stage finds everything that a filter lets through."""
    both = And(as_filter(scope), as_filter(where))  # type: ignore[arg-type]
    passing = {each.id for each in PASSAGES if both.matches(each)}
    for searched in (index.dense, index):
        own, brought = (
            face(searched, k=6, scope=scope, where=where),
            face(searched, k=6, scope=scope),
        )
        assert set(ids(own.ask(query))) == passing
        assert set(ids(brought.ask(query, where=where))) == passing


async def test_a_query_s_filter_narrows_the_scope_of_any_retriever(
    face: type[Face], searched: Any
) -> None:
    retriever = face(
        searched, k=6, scope={"topic": {"$in": ["food", "body"]}}, where={"year": 2018}
    )
    inside = {"bread", "clot", "heart", "yeast"}
    for where, widest in [
        (None, {"heart"}),
        ({}, inside),
        ({"topic": "nature"}, set()),
        ({"$id": ["aspirin", "stones"]}, set()),
        ({"$or": [{"topic": "nature"}, {"topic": "food"}]}, {"bread", "yeast"}),
        ({"$not": {"topic": "food"}}, {"clot", "heart"}),
    ]:
        found = set(ids(retriever.ask("blood of a heart and bread", where=where)))
        assert found <= widest
        assert found or not widest
        assert found == set(ids(await retriever.aask("blood of a heart and bread", where=where)))


def test_what_is_outside_the_scope_is_explained_as_what_is_nowhere(
    face: type[Face], searched: Any
) -> None:
    made = face(searched, k=6, scope={"topic": "food"}).retriever
    retriever = made.retriever if isinstance(made, SearchConfig) else made
    for unknown in ("stones", "nowhere"):
        with pytest.raises(InvalidInputError, match=f"^no passage has the id '{unknown}' here"):
            explain(retriever, "bread", unknown, k=6)
    found = explain_search(retriever, "the blood in bread", 6)
    assert {hit.passage.id for hit in (*found.hits, *found.candidates)} <= {"bread", "yeast"}


@pytest.mark.parametrize("wrong", [{"year": {"$near": 1}}, "tenant = a", 7], ids=str)
def test_what_is_no_scope_is_refused(face: type[Face], index: HybridIndex, wrong: Any) -> None:
    with pytest.raises(REFUSED):
        face(index, scope=wrong).ask("blood")


def test_a_filter_reaches_as_deep_as_it_must(face: type[Face]) -> None:
    """The only match is the worst of many: no search that filters afterwards would find it."""
    many = [Passage(f"{n:03}", "blood", {"rare": False}) for n in range(150)]
    rare = Passage("rare", "blood and many other words", {"rare": True})
    bm25 = hybridge.BM25Retriever([*many, rare])
    assert ids(face(bm25, k=2).ask("blood", where={"rare": True})) == ["rare"]


# Queries


@pytest.mark.parametrize("query", ["", "  ", "\n\t"])
async def test_a_blank_query_finds_nothing(face: type[Face], searched: Any, query: str) -> None:
    retriever = face(searched, rerankers=[Shortest()])
    assert retriever.ask(query) == await retriever.aask(query) == []


@pytest.mark.parametrize("query", [None, 3, ["blood"]])
def test_what_is_no_text_is_an_error(face: type[Face], searched: Any, query: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"must be strings|needs a text"):
        face(searched).ask(query)


async def test_a_batch_answers_as_one_by_one(face: type[Face], searched: Any) -> None:
    retriever = face(searched, rerankers=[Shortest()])
    mixed = ["blood", "", "yeast", "blood", "zzz", " "]
    expected = [retriever.ask(query) for query in mixed]
    assert retriever.ask_all(mixed) == await retriever.aask_all(mixed) == expected
    assert retriever.ask_all([]) == await retriever.aask_all([]) == []


# Rerankers


async def test_a_reranker_alone_orders_by_its_scores(face: type[Face], index: HybridIndex) -> None:
    retriever = face(index, k=3, rerankers=[Shortest()], blend=1.0)
    shortest = sorted(PASSAGES, key=lambda passage: (len(passage.text), passage.id))[:3]
    expected = [(each.id, -float(len(each.text))) for each in shortest]
    for answer in (retriever.ask("blood"), await retriever.aask("blood")):
        assert [(result.id, result.score) for result in answer] == expected
        assert [result.trace["brevity"]["rank"] for result in answer] == [1, 2, 3]


def test_a_reranker_reads_its_depth_and_never_fewer_than_k(
    face: type[Face], index: HybridIndex
) -> None:
    reranker = Shortest()
    retriever = face(index, k=1, rerankers=[reranker], rerank_depth=2)
    assert len(retriever.ask("blood")) == 1
    assert len(reranker.read) == 2
    assert len(retriever.ask("blood", 4)) == 4
    assert len(reranker.read) == 6


def test_a_reranker_s_threshold_drops_candidates(face: type[Face], index: HybridIndex) -> None:
    strict = face(index, k=6, rerankers=[Shortest(threshold=-35.0)], blend=1.0)
    expected = {each.id for each in PASSAGES if len(each.text) <= 35}
    assert 0 < len(expected) < 6
    assert set(ids(strict.ask("blood"))) == expected


@pytest.mark.parametrize("wrong", [3, Shortest, object()])
def test_what_is_no_reranker_is_refused(face: type[Face], index: HybridIndex, wrong: Any) -> None:
    with pytest.raises(REFUSED):
        face(index, rerankers=[wrong])


# What is searched


@pytest.mark.parametrize("wrong", [None, "index", HybridIndex, 3])
def test_what_does_not_search_is_refused(face: type[Face], wrong: Any) -> None:
    with pytest.raises(REFUSED, match="is not one"):
        face(wrong)


class Own:
    """Somebody's retriever, with the two methods of the contract, and more hits than `k`."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        return [[Hit(each, 1.0 / n) for n, each in enumerate(PASSAGES, 1)] for _ in queries]

    async def asearch(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        return self.search(queries, k, where=where)


class Failing(Own):
    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        raise OSError("no network")


async def test_a_retriever_of_one_s_own_is_cut_to_k(face: type[Face]) -> None:
    retriever = face(Own(), k=2)
    assert ids(retriever.ask("x")) == ids(await retriever.aask("x")) == ["aspirin", "bread"]


async def test_an_error_of_the_retriever_comes_through(face: type[Face]) -> None:
    retriever = face(Failing())
    with pytest.raises(OSError, match="no network"):
        retriever.ask("x")
    with pytest.raises(OSError, match="no network"):
        await retriever.aask("x")


@pytest.mark.parametrize(
    "options", [{"weights": {"bm25": 1, "dense": 1}}, {"fusion": "rrf"}, {"depth": 5}], ids=str
)
def test_options_of_an_index_need_one(
    face: type[Face], index: HybridIndex, options: dict[str, Any]
) -> None:
    [name] = options
    for searched in (index.bm25, Pipeline(index), hybridge.BM25Retriever()):
        named = f"a {type(searched).__name__} takes no {name}: a HybridIndex does"
        with pytest.raises(REFUSED, match=named):
            face(searched, **options)


# Many at once, copies, explanations


async def test_many_at_once_answer_as_one(face: type[Face], searched: Any) -> None:
    retriever = face(searched, rerankers=[Shortest()])
    queries = QUERIES * 6
    expected = [retriever.ask(query) for query in QUERIES] * 6
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(retriever.ask, queries)) == expected
    assert await asyncio.gather(*map(retriever.aask, queries)) == expected


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_answers_as_the_original(face: type[Face], copied: Any) -> None:
    bm25 = hybridge.BM25Retriever(PASSAGES)
    original = face(bm25, k=2, where={"year": {"$gte": 2019}}, rerankers=[Shortest()])
    answers = original.ask_all(QUERIES)
    assert any(answers)
    other = copy.copy(original)
    other.retriever = copied(original.retriever)
    assert other.ask_all(QUERIES) == original.ask_all(QUERIES) == answers


def test_an_explanation_is_that_of_the_pipeline_inside(
    face: type[Face], index: HybridIndex
) -> None:
    weights, where = {"bm25": 0.2, "dense": 0.8}, {"year": {"$gte": 2019}}
    made = face(
        index, k=2, where=where, weights=weights, rerankers=[Shortest()], rerank_depth=4, blend=0.25
    ).retriever
    retriever = made.retriever if isinstance(made, SearchConfig) else made
    pipeline = Pipeline(index.tuned(weights=weights), Shortest(), depth=4, blend=0.25)
    given = {} if retriever is made else {"k": 2, "where": where}
    for id_ in BY_ID:
        explained = explain(retriever, "what thins the blood?", id_, **given)
        assert str(explained) == str(
            explain(pipeline, "what thins the blood?", id_, k=2, where=where)
        )
    found = explain_search(retriever, "what thins the blood?", **given)
    assert found.hits == pipeline.search(["what thins the blood?"], 2, where=where)[0]


def test_every_refusal_is_an_error_of_hybridge(face: type[Face], index: HybridIndex) -> None:
    with pytest.raises((HybridgeError, ValidationError)):
        face(index, score_threshold="high")
    with pytest.raises((HybridgeError, ValidationError)):
        face(index, blend=2, rerankers=[Shortest()])
    with pytest.raises((HybridgeError, ValidationError)):
        face(index, rerank_depth=0, rerankers=[Shortest()])


# What becomes of the hits

RESULTS: list[dict[str, Any]] = [
    {"group_by": "topic"},
    {"group_by": "at.place", "per_group": 2},
    {"distinct": True},
    {"distinct": 0.2},
    {"parents": "topic"},
    {"parents": "topic", "window": 1},
    {"parents": "topic", "merge": 0.5},
    {"distinct": 0.3, "group_by": "topic", "per_group": 2, "parents": "topic"},
]


def around(searched: Any, options: dict[str, Any]) -> Any:
    """The retrievers around one that the options stand for, innermost first."""
    made = searched
    if (similarity := options.get("distinct")) is not None:
        made = (
            DistinctRetriever(made) if similarity is True else DistinctRetriever(made, similarity)
        )
    if "group_by" in options:
        made = GroupedRetriever(made, options["group_by"], per_group=options.get("per_group", 1))
    if "parents" in options:
        more = {name: options[name] for name in ("window", "merge") if name in options}
        made = ParentRetriever(made, options["parents"], **more)
    return made


@pytest.mark.parametrize("options", RESULTS, ids=str)
async def test_groups_near_duplicates_and_parents_are_the_core_s(
    face: type[Face], index: HybridIndex, options: dict[str, Any]
) -> None:
    retriever = face(index, k=2, **options)
    expected = list(map(results, around(Pipeline(index), options).search(QUERIES, 2)))
    assert retriever.ask_all(QUERIES) == expected
    assert await retriever.aask_all(QUERIES) == expected
    where = {"year": {"$gte": 2020}}
    found = around(Pipeline(index), options).search(QUERIES[:1], 2, where=where)
    assert retriever.ask(QUERIES[0], where=where) == results(found[0])


def test_results_differ_by_the_options(face: type[Face], index: HybridIndex) -> None:
    """Lest the test above compare what is alike anyway."""
    answers = {str(face(index, k=2, **options).ask_all(QUERIES)) for options in [{}, *RESULTS]}
    assert len(answers) == len(RESULTS)  # the default similarity finds no duplicates here


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_group": 2}, "set group_by as well"),
        ({"window": 2}, "set parents as well"),
        ({"merge": 0.5}, "set parents as well"),
        ({"parents": "topic", "window": 1, "merge": 0.5}, "a result is a window or a parent"),
        ({"group_by": ""}, "no field name"),
        ({"distinct": 2.0}, "similarity must be a number from 0 to 1"),
    ],
    ids=str,
)
def test_options_of_results_that_are_not_valid(
    face: type[Face], index: HybridIndex, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(REFUSED, match=message):
        face(index, **options)
