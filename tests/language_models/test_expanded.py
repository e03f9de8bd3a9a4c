"""`ExpandedRetriever`: candidates of all texts, each scored by all, with the query weighed in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from hybridge import BM25Retriever, CallableEncoder, Hit, HybridIndex, Passage, Pipeline, explain
from hybridge.errors import InvalidInputError
from hybridge.explanation import explain_search
from hybridge.fusion import ConvexCombination
from hybridge.language_models import ExpandedRetriever, LanguageModel, rephrasings
from hybridge.observation import observing
from hybridge.testing import PASSAGES, QUERIES, RetrieverConformance

TEXTS = {
    QUERIES[0]: ["boiling of salty water", "salt in pasta"],
    QUERIES[1]: ["stars of the night sky"],
    QUERIES[2]: [],
    QUERIES[3]: ["a steam engine", "boiling water and motion", "refrigerator"],
}


def expansion(query: str) -> list[str]:
    return TEXTS.get(query, [f"{query} and sugar"])


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[text.lower().count(letter) + 0.01 for letter in "aeiourst"] for text in texts]


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    with HybridIndex.create(encoder=CallableEncoder(letters, dimension=8, identity="l")) as made:
        made.add(PASSAGES, progress=False)
        yield made


class TestOverBM25(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> ExpandedRetriever:
        return ExpandedRetriever(BM25Retriever(passages), expansion)


class TestOverAnIndex(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> ExpandedRetriever:
        index = HybridIndex.create(encoder=CallableEncoder(letters, dimension=8, identity="l"))
        index.add(passages, progress=False)
        return ExpandedRetriever(index, expansion)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def ranked(scores: Mapping[str, float], k: int) -> list[tuple[str, float]]:
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]
    return [(id_, pytest.approx(score)) for id_, score in best]


def scored(hits: Sequence[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage.id, hit.score) for hit in hits]


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_each_text_scores_the_candidates_of_all(weight: float) -> None:
    bm25 = BM25Retriever(PASSAGES)
    expanded = ExpandedRetriever(bm25, expansion, weight=weight, depth=3)
    query = QUERIES[0]
    shares = {query: weight} | dict.fromkeys(TEXTS[query], (1 - weight) / 2)
    texts = [text for text, share in shares.items() if share]
    found = bm25.search(texts, 3)
    union = sorted({id_ for hits in found for id_ in ids(hits)})
    exact = bm25.score(texts, [union] * len(texts))
    runs = [dict(zip(union, row, strict=True)) for row in exact]
    fused = ConvexCombination().fuse(runs, [shares[text] for text in texts])
    [hits] = expanded.search([query], 3)
    assert scored(hits) == ranked(fused, 3)


def test_an_index_completes_the_scores_of_its_stages(index: HybridIndex) -> None:
    query, depth = QUERIES[3], 2
    texts = [query, *TEXTS[query]]
    tuned = index.tuned(depth=depth, weights={"bm25": 1, "dense": 3})
    union = sorted(
        {
            id_
            for stage in (index.bm25, index.dense)
            for hits in stage.search(texts, depth)
            for id_ in ids(hits)
        }
    )
    runs = []
    for text in texts:
        of_stages = [
            dict(zip(union, stage.score([text], [union])[0], strict=True))
            for stage in (index.bm25, index.dense)
        ]
        runs.append(ConvexCombination().fuse(of_stages, [1, 3]))
    fused = ConvexCombination().fuse(runs, [0.4, 0.2, 0.2, 0.2])
    [hits] = ExpandedRetriever(tuned, expansion, weight=0.4, depth=depth).search([query], 2)
    assert scored(hits) == ranked(fused, 2)


def test_without_texts_it_is_the_search_alone(index: HybridIndex) -> None:
    expanded = ExpandedRetriever(index, lambda _: [])
    for queries in (list(QUERIES), []):
        plain = index.search(queries, 5)
        assert list(map(ids, expanded.search(queries, 5))) == list(map(ids, plain))


def test_where_and_the_conditions_of_a_query_hold_for_all_texts(index: HybridIndex) -> None:
    expanded = ExpandedRetriever(index.tuned(query_syntax=True), lambda _: ['"sea" -water air'])
    assert expanded.query_syntax
    [hits] = expanded.search(["light +sky"], 10, where={"year": {"$lt": 2010}})
    allowed = [p.id for p in PASSAGES if "sky" in p.text.lower() and p.metadata["year"] < 2010]
    assert sorted(ids(hits)) == sorted(allowed)


def test_a_text_that_only_excludes_is_no_error(index: HybridIndex) -> None:
    tuned = index.tuned(query_syntax=True)
    found = ExpandedRetriever(tuned, lambda _: ["-water", "air"]).search([QUERIES[1]], 5)
    assert found == ExpandedRetriever(tuned, lambda _: ["air"]).search([QUERIES[1]], 5)
    alone = ExpandedRetriever(tuned, lambda _: ["-water"]).search([QUERIES[1]], 5)
    assert list(map(ids, alone)) == list(map(ids, tuned.search([QUERIES[1]], 5)))


def test_the_trace_has_each_text_with_its_stages() -> None:
    bm25 = BM25Retriever(PASSAGES)
    [hits] = ExpandedRetriever(Pipeline(bm25), expansion).search([QUERIES[1]], 20)
    notes = {entry.stage: entry.note for hit in hits for entry in hit.trace}
    assert notes == {"query": None, "text 1": TEXTS[QUERIES[1]][0], "fusion": None}
    for name, text in (("query", QUERIES[1]), ("text 1", TEXTS[QUERIES[1]][0])):
        [alone] = bm25.search([text], 20)
        expected = {hit.passage.id: (rank, hit.score) for rank, hit in enumerate(alone, start=1)}
        entries = {hit.passage.id: hit.stage(name) for hit in hits}
        assert {id_: (e.rank, e.score) for id_, e in entries.items() if e} == expected


def test_an_index_has_its_stages_in_the_trace(index: HybridIndex) -> None:
    [hits] = ExpandedRetriever(index, expansion).search([QUERIES[1]], 1)
    stages = {entry.stage for entry in hits[0].trace}
    assert {"query/dense", "query", "text 1/dense", "text 1", "fusion"} <= stages


def test_the_cost_and_a_failure_are_in_the_trace() -> None:
    def fails(prompt: str) -> str:
        if "rises" in prompt:
            raise ConnectionError("no route")
        return "one\ntwo"

    bm25 = BM25Retriever(PASSAGES)
    expanded = ExpandedRetriever(bm25, rephrasings(LanguageModel.of(fails, retries=0)))
    good, bad = expanded.search([QUERIES[0], QUERIES[2]], 3)
    assert good[0].trace[-1].note is not None
    assert good[0].trace[-1].note.startswith("1 call, about ")
    assert ids(bad) == ids(bm25.search([QUERIES[2]], 3)[0])
    assert bad[0].trace[-1].note is not None
    assert bad[0].trace[-1].note.endswith("left the query alone: ConnectionError: no route")


async def test_all_texts_are_one_search_and_are_awaited() -> None:
    calls: list[tuple[list[str], int]] = []

    class Awaited:
        def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
            raise AssertionError("a sync search")

        async def asearch(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
            calls.append((list(queries), threading.get_ident()))
            return [[Hit(Passage(query, query), 1.0)] for query in queries]

    async def awrite(prompts: list[str]) -> list[str]:
        assert threading.get_ident() == calls_thread
        return [prompt.rsplit(" ", 1)[1] * 2 for prompt in prompts]

    calls_thread = threading.get_ident()
    model = LanguageModel(lambda _: [], awrite=awrite)
    found = await ExpandedRetriever(Awaited(), rephrasings(model)).asearch(["a", " ", "b"], 5)
    assert calls == [(["a", "aa", "b", "bb"], threading.get_ident())]
    assert list(map(ids, found)) == [["a", "aa"], [], ["b", "bb"]]


def test_observers_see_the_expansion_the_search_and_the_fusion(index: HybridIndex) -> None:
    events: list[str] = []

    class Observer:
        def began(self, stage: str, queries: Sequence[int]) -> None:
            events.append(f"{stage} {list(queries)}")

        def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
            events.append(f"{stage} ended {sorted(hits)}")

        def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None: ...

    with observing(Observer()):
        ExpandedRetriever(BM25Retriever(PASSAGES), expansion).search([" ", *QUERIES[:2]], 3)
    assert events == [
        "expansion [1, 2]",
        "expansion ended []",
        "bm25 [1, 2]",
        "bm25 ended [1, 2]",
        "fusion [1, 2]",
        "fusion ended [1, 2]",
    ]
    events.clear()
    with observing(Observer()):
        ExpandedRetriever(index, expansion).search([" ", *QUERIES[:2]], 3)
    began = [event for event in events if "ended" not in event]
    stages = ["expansion", "encode", "bm25", "dense", "fusion", "fusion"]
    assert began == [f"{stage} [1, 2]" for stage in stages]


def test_explanations_have_the_numbers_of_the_search(index: HybridIndex) -> None:
    for inner in (BM25Retriever(PASSAGES), index):
        expanded = ExpandedRetriever(inner, expansion)
        [hits] = expanded.search([QUERIES[3]], 3)
        for rank, hit in enumerate(hits, start=1):
            explanation = explain(expanded, QUERIES[3], hit.passage.id, k=3)
            assert (explanation.rank, explanation.score) == (rank, hit.score)
            assert list(explanation.members) == ["query", "text 1", "text 2", "text 3"]
            assert explanation.fusion is not None
            parts = [stage.part for stage in explanation.fusion.stages]
            assert sum(part for part in parts if part is not None) == pytest.approx(hit.score)
        assert explain_search(expanded, QUERIES[3], k=3).hits == hits
        assert explain(expanded, QUERIES[3], "kitchen-5", k=3).missed
        assert "text 1" in str(explain(expanded, QUERIES[3], hits[0].passage.id, k=3))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"weight": 1.5}, "weight must be"),
        ({"depth": 0}, "depth must be"),
        ({"fusion": "none"}, "fusion"),
        ({"fusion": "rrf"}, "use fusion 'weighted-rrf'"),
        ({"expansion": 5}, "an expansion is what"),
        ({"retriever": 5}, "retriever"),
    ],
)
def test_arguments_that_are_not_valid_are_named(options: dict[str, Any], named: str) -> None:
    given = {"retriever": BM25Retriever(PASSAGES), "expansion": expansion, **options}
    with pytest.raises(InvalidInputError, match=named):
        ExpandedRetriever(**given)
