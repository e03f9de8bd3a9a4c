"""Floors: what stays is what each named stage scores at least the minimum, by its own scores."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
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
from hybridge.passages import Hit
from hybridge.pipeline import SearchConfig
from hybridge.reranking import TextReranker
from hybridge.results import FlooredRetriever, GroupedRetriever, ParentRetriever
from hybridge.results.stages import exact_scores, last_stage, mixed_scores, stages_in
from hybridge.stages import BM25, Dense

LETTERS = "abcdef"
PASSAGES = [
    Passage("a", "aaaa bird", {"n": 1}),
    Passage("ab", "aabb bird", {"n": 2}),
    Passage("b", "bbbb bird", {"n": 3}),
    Passage("c", "cccc fish", {"n": 4}),
]
ENCODED: list[str] = []


def counts(texts: Sequence[str]) -> list[list[float]]:
    ENCODED.extend(texts)
    return [[text.split(" ")[0].count(letter) for letter in LETTERS] for text in texts]


def cosine(one: str, other: str) -> float:
    a, b = (np.array(counts([text])[0]) for text in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def new_index(passages: Sequence[Passage] = PASSAGES, **options: Any) -> HybridIndex:
    encoder = CallableEncoder(counts, dimension=len(LETTERS), identity="letters")
    index = HybridIndex.create(stages=[BM25(), Dense(encoder)], **options)
    index.add(passages)
    return index


@pytest.fixture
def index() -> Iterator[HybridIndex]:
    with new_index() as index:
        yield index


class Judge(TextReranker):
    """The first letters of query and text are compared, as a raw score from -4 to 4."""

    def _score(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]:
        self.asked = [len(some) for some in texts]
        return [
            [2.0 * sum(text.startswith(letter) for letter in query[:2]) for text in some]
            for query, some in zip(queries, texts, strict=True)
        ]


def ids(lists: Sequence[Sequence[Hit]]) -> list[list[str]]:
    return [[hit.passage.id for hit in hits] for hits in lists]


@pytest.mark.engine
@pytest.mark.parametrize("form", ["sync", "async"])
def test_a_hit_stays_if_its_cosine_reaches_the_minimum(index: HybridIndex, form: str) -> None:
    queries = ["aab", "ddd", "", "fff"]
    floored = FlooredRetriever(index, {"dense": 0.6})
    if form == "sync":
        lists = floored.search(queries, 10)
    else:
        lists = asyncio.run(floored.asearch(queries, 10))
    kept = {passage.id for passage in PASSAGES if cosine("aab", passage.text) >= 0.6}
    assert set(ids(lists)[0]) == kept == {"a", "ab"}
    assert ids(lists)[1:] == [[], [], []]
    before = index.search(["aab"], 10)[0]
    assert lists[0] == [hit for hit in before if hit.passage.id in kept]


@pytest.mark.engine
def test_a_list_stays_whole_if_one_hit_passes(index: HybridIndex) -> None:
    queries = ["aab bird", "ddd"]
    whole = FlooredRetriever(index, {"dense": 0.94}, of="list")
    # The best cosines are 0.949 and 0: a, and b of 0.447, stay with ab.
    assert whole.search(queries) == [index.search(queries)[0], []]
    assert FlooredRetriever(index, {"dense": 0.95}, of="list").search(queries) == [[], []]
    with pytest.raises(InvalidInputError, match="not of 'query'"):
        FlooredRetriever(index, {"dense": 0.95}, of="query")  # type: ignore[arg-type]


@pytest.mark.engine
def test_no_further_candidates_fill_the_places_of_those_dropped(index: HybridIndex) -> None:
    weights = {"bm25": 1.0, "dense": 0.0}
    by_words = index.tuned(weights=weights)
    assert ids(by_words.search(["cc bird"], 1)) == [["a"]]
    assert ids(FlooredRetriever(by_words, {"dense": 0.5}).search(["cc bird"], 1)) == [[]]


@pytest.mark.engine
@pytest.mark.parametrize("around", [GroupedRetriever, ParentRetriever])
def test_groups_are_sought_further_down_where_a_floor_drops_a_hit(around: Any) -> None:
    texts = ["aaaa bird"] * 30
    texts[3] = "cccc bird"
    big = [Passage(f"p{i:02}", text, {"doc": "big"}) for i, text in enumerate(texts)]
    others = [Passage(doc, "aaaa bird by the sea", {"doc": doc}) for doc in ("x", "y")]
    with new_index([*big, *others]) as index:
        by_words = index.tuned(weights={"bm25": 1.0, "dense": 0.0})
        grouped = around(Pipeline(FlooredRetriever(by_words, {"dense": 0.5})), "doc")
        for k, expected in {2: ["big", "x"], 9: ["big", "x", "y"]}.items():
            lists = grouped.search(["aa bird", "ff bird"], k)
            assert [[hit.passage.metadata["doc"] for hit in hits] for hits in lists] == [
                expected,
                [],
            ]
            assert asyncio.run(grouped.asearch(["aa bird", "ff bird"], k)) == lists


@pytest.mark.engine
def test_what_only_other_stages_found_is_scored_exactly(index: HybridIndex) -> None:
    # The dense stage is not searched: no trace has a cosine.
    by_words = index.tuned(weights={"bm25": 1, "dense": 0})
    [hits] = by_words.search(["aab bird"], 10)
    assert [hit.stage("dense") for hit in hits] == [None, None, None]
    floored = FlooredRetriever(by_words, {"dense": 0.9})
    # Cosines of 0.894, 0.949 and 0.447.
    assert ids(floored.search(["aab bird"], 10)) == [["ab"]]
    [scores] = floored.scores(["aab bird"], [hits])
    assert [each["dense"] for each in scores] == pytest.approx(
        [cosine("aab", hit.passage.text) for hit in hits], abs=1e-6
    )


@pytest.mark.engine
def test_the_query_is_encoded_once(index: HybridIndex) -> None:
    ENCODED.clear()
    by_words = index.tuned(weights={"bm25": 1, "dense": 0})
    FlooredRetriever(by_words, {"dense": 0.5}).search(["eea bird"], 10)
    FlooredRetriever(by_words, {"dense": 0.5}).search(["eea bird"], 10)
    assert ENCODED == ["eea bird"]


@pytest.mark.engine
def test_minima_of_several_stages_all_hold(index: HybridIndex) -> None:
    judge = Judge("judge")
    reranked = Pipeline(index, judge)
    query = "ab"
    both = FlooredRetriever(reranked, {"dense": 0.5, "judge": 2.0}).search([query], 10)
    # Dense: a and b 0.71, ab 1; judge: a and ab 2, b 2, c 0.
    assert set(ids(both)[0]) == {"a", "ab", "b"}
    strict = FlooredRetriever(reranked, {"dense": 0.8, "judge": 2.0}).search([query], 10)
    assert ids(strict) == [["ab"]]
    assert ids(FlooredRetriever(reranked, {"judge": 2.5}).search([query], 10)) == [[]]


@pytest.mark.engine
def test_a_reranker_scores_what_it_has_not_seen(index: HybridIndex) -> None:
    judge = Judge("judge")
    fused = FusedRetriever({"reranked": Pipeline(index, judge, blend=1.0), "words": index.bm25})
    assert list(stages_in(fused)) == ["reranked", "reranked/bm25", "reranked/dense", "words"]
    floored = FlooredRetriever(fused, {"reranked": 2.0})
    judge.asked = []
    [hits] = fused.search(["ab bird"], 10)
    [scores] = floored.scores(["ab bird"], [[Hit(hit.passage, 0.0) for hit in hits]])
    assert judge.asked == [len(hits)]
    assert {hit.passage.id: each["reranked"] for hit, each in zip(hits, scores, strict=True)} == {
        "a": 2.0,
        "ab": 2.0,
        "b": 2.0,
        "c": 0.0,
    }


@pytest.mark.engine
def test_a_passage_is_held_to_the_floor_of_the_collection_it_is_in(index: HybridIndex) -> None:
    with new_index([Passage("x", "aaaa x"), Passage("y", "dddd x")]) as other:
        fused = FusedRetriever({"one": index, "two": other})
        one = FlooredRetriever(fused, {"one/dense": 0.9})
        assert ids(one.search(["aaaa"], 10)) == [["a"]]
        both = FlooredRetriever(fused, {"one/dense": 0.9, "two/dense": 0.9})
        assert [set(some) for some in ids(both.search(["aaaa"], 10))] == [{"a", "x"}]


@pytest.mark.engine
def test_filters_operators_and_nested_floors_hold(index: HybridIndex) -> None:
    reading = index.tuned(query_syntax=True)
    floored = FlooredRetriever(FlooredRetriever(reading, {"dense": 0.1}), {"dense": 0.6})
    assert floored.query_syntax
    assert [set(some) for some in ids(floored.search(["aab"], 10))] == [{"a", "ab"}]
    assert ids(floored.search(["aab -aabb"], 10)) == [["a"]]
    assert ids(floored.search(["aab"], 10, where={"n": {"$gte": 2}})) == [["ab"]]
    config = SearchConfig(floored, k=1)
    assert list(stages_in(config)) == ["bm25", "dense"]


@pytest.mark.engine
def test_what_no_minimum_fits_is_refused_with_what_does(index: HybridIndex) -> None:
    judged = Pipeline(index, Judge("judge"))
    for name in ("fusion", "judge:blend", "mmr", "boost"):
        with pytest.raises(InvalidInputError, match=rf"'{name}' scores depend on the list.*cosine"):
            FlooredRetriever(judged, {name: 0.3})
    with pytest.raises(InvalidInputError, match=r"'bm25' scores grow with the words.*cosine"):
        FlooredRetriever(judged, {"bm25": 3})
    with pytest.raises(InvalidInputError, match=r"no stage 'dens'.*there is \['dense', 'judge'\]"):
        FlooredRetriever(judged, {"dens": 0.3})
    fused = FusedRetriever({"notes": index, "words": BM25Retriever(PASSAGES)})
    with pytest.raises(InvalidInputError, match="'notes' scores depend on the list"):
        FlooredRetriever(fused, {"notes": 0.3})
    with pytest.raises(InvalidInputError, match="'words' scores grow"):
        FlooredRetriever(fused, {"words": 0.3})
    with pytest.raises(InvalidInputError, match="there is none"):
        FlooredRetriever(BM25Retriever(PASSAGES), {"dense": 0.3})
    with pytest.raises(InvalidInputError, match="'bm25' scores grow"):
        FlooredRetriever(BM25Retriever(PASSAGES), {"bm25": 0.3})
    for floor in ({}, 0.3, {"dense": True}, {"dense": math.nan}, {"dense": "0.3"}, {3: 0.3}):
        with pytest.raises(InvalidInputError, match=r"floor names stages|minimum of a stage"):
            FlooredRetriever(index, floor)  # type: ignore[arg-type]


class FindsOnly:
    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> list[list[Hit]]:
        return [[] for _ in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Any = None
    ) -> list[list[Hit]]:
        return [[] for _ in queries]


@pytest.mark.engine
def test_a_stage_that_scores_only_what_it_finds_is_refused(index: HybridIndex) -> None:
    fused = FusedRetriever({"mine": FindsOnly(), "dense": index.dense})
    with pytest.raises(InvalidInputError, match=r"'mine' is a FindsOnly.*score"):
        FlooredRetriever(fused, {"mine": 0.3})
    assert ids(FlooredRetriever(fused, {"dense": 0.9}).search(["cc"], 10)) == [["c"]]


@pytest.mark.engine
def test_the_last_stage_is_known(index: HybridIndex) -> None:
    judge = Judge("judge")
    assert mixed_scores(index) == "fusion"
    assert mixed_scores(Pipeline(index, judge)) == "judge:blend"
    alone = Pipeline(index, judge, blend=1.0)
    assert mixed_scores(alone) is None
    assert last_stage(alone) is judge
    assert last_stage(FlooredRetriever(alone, {"judge": 1})) is judge
    assert mixed_scores(SearchConfig(index.tuned(depth=5), 3)) == "fusion"
    assert last_stage(index.dense).name == "dense"
    [scores] = exact_scores(judge, ["a"], [[Hit(PASSAGES[0], 1.0)]])
    assert scores == {"a": 2.0}


@pytest.mark.engine
def test_late_interaction_is_held_to_its_score_per_token() -> None:
    from hybridge.colbert import ColBERTReranker
    from hybridge.stages import LateInteraction

    class Tokens:
        identity, dimension, max_tokens = "tokens", 3, None

        def encode_queries(self, texts: Sequence[str]) -> list[Any]:
            return [self._rows(text) for text in texts]

        def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Any]:
            return [self._rows(text) for text in texts]

        def to_config(self) -> None:
            return None

        def _rows(self, text: str) -> Any:
            rows = [[float(letter in word) for letter in "abc"] for word in text.split()]
            return np.array(rows, dtype=np.float32).reshape(-1, 3)

    passages = [Passage("p", "a b"), Passage("q", "c")]
    reranked = Pipeline(BM25Retriever(passages, analyzer=str.split), ColBERTReranker(Tokens()))
    # Of the query's four tokens, all match in p, and none in q.
    assert ids(FlooredRetriever(reranked, {"colbert": 0.9}).search(["a b a b"])) == [["p"]]
    assert ids(FlooredRetriever(reranked, {"colbert": 1.1}).search(["a b a b"])) == [[]]
    encoder = CallableEncoder(counts, dimension=len(LETTERS), identity="letters")
    stages = [BM25(), Dense(encoder), LateInteraction(Tokens())]
    with HybridIndex.create(stages=stages) as index:
        index.add(passages)
        floored = FlooredRetriever(index, {"late-interaction": 0.9})
        [hits] = index.search(["a b a b"])
        [scores] = floored.scores(["a b a b"], [hits])
        by_id = {h.passage.id: s["late-interaction"] for h, s in zip(hits, scores, strict=True)}
        assert by_id == pytest.approx({"p": 1.0, "q": 0.0})
        assert ids(floored.search(["a b a b"])) == [["p"]]


@pytest.mark.model
def test_a_cross_encoder_is_held_to_its_probability() -> None:
    from sentence_transformers import CrossEncoder

    from hybridge.cross_encoder import CrossEncoderReranker
    from hybridge.encoders.resolution import DEFAULT_MODEL, resolve

    model = CrossEncoder(str(resolve(DEFAULT_MODEL).fetch()), num_labels=1)
    raw, squashed = CrossEncoderReranker(model), CrossEncoderReranker(model, sigmoid=True)
    assert raw.comparable_scores(["q"], [[0.0, 2.0]]) == [[0.5, 1 / (1 + math.exp(-2))]]
    assert squashed.comparable_scores(["q"], [[0.5, 0.25]]) == [[0.5, 0.25]]


@pytest.mark.engine
def test_of_a_parent_the_child_that_was_found_is_scored() -> None:
    children = [
        Passage("p#1", "aaab bird", {"parent": "p"}),
        Passage("p#2", "ffff cow", {"parent": "p"}),
        *(Passage(f"q{n}#1", "aaaaa fish", {"parent": f"q{n}"}) for n in range(9)),
    ]
    with new_index(children) as index:
        parents = ParentRetriever(index.tuned(depth=1, weights={"bm25": 9, "dense": 1}))
        query = "aaaa bird"  # "p#1" for BM25, and all others before it for the cosine
        [best, *_] = parents.search([query], 1)[0]
        assert (best.passage.id, best.stage("dense")) == ("p", None)
        expected = cosine("aaaa", "aaab")
        for minimum, found in ((expected - 0.001, ["p"]), (expected + 0.001, [])):
            floored = FlooredRetriever(parents, {"dense": minimum})
            assert ids(floored.search([query], 1)) == [found]
            explained = explain(floored, query, "p", k=1)
            assert (explained.rank is None) == (not found)
