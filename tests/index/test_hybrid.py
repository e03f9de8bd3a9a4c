"""The index finds what brute force finds, in every arrangement of its parts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import (
    BM25Retriever,
    CallableEncoder,
    Hit,
    HybridIndex,
    Passage,
    SentenceTransformerEncoder,
)
from hybridge.errors import ClosedError, InvalidInputError
from hybridge.fusion import RRF, ConvexCombination
from hybridge.index.cached_search import CachedSearch
from hybridge.protocols import Retriever, Scorer
from hybridge.search import SearchSettings
from hybridge.testing import PASSAGES, QUERIES, RetrieverConformance

ARRANGEMENTS = {
    "embedded, bm25s": {"lexical": "bm25s"},
    "embedded, qdrant": {"lexical": "qdrant"},
    "client, bm25s": {"url": ":memory:"},
    "client, qdrant": {"url": ":memory:", "lexical": "qdrant"},
}

Build = Callable[[list[Passage]], HybridIndex]


@pytest.fixture(params=ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def build(request: pytest.FixtureRequest, words: CallableEncoder) -> Iterator[Build]:
    opened = []

    def make(passages: list[Passage]) -> HybridIndex:
        index = HybridIndex.create(encoder=words, **request.param)
        opened.append(index)
        index.add(passages)
        return index

    yield make
    for index in opened:
        index.close()


class TestConformance(RetrieverConformance):
    scores = False

    @pytest.fixture(autouse=True)
    def _give_build(self, build: Build) -> None:
        self._build = build

    def build(self, passages: list[Passage]) -> Retriever:
        return self._build(passages)


class TestConformanceOfBM25Half(TestConformance):
    def build(self, passages: list[Passage]) -> Retriever:
        return self._build(passages).bm25


class TestConformanceOfDenseHalf(TestConformance):
    def build(self, passages: list[Passage]) -> Retriever:
        return self._build(passages).dense


def brute_force(
    passages: list[Passage], query: str, words: CallableEncoder
) -> list[tuple[str, float]]:
    """Completed z-scores added half and half, over every passage: BM25 by BM25Retriever alone."""
    ids = [p.id for p in passages]
    lexical = np.array(BM25Retriever(passages).score([query], [ids])[0])
    matrix = words.encode_passages([p.text for p in passages])
    vector = words.encode_queries([query])[0]
    cosine = matrix @ vector / np.linalg.norm(matrix, axis=1) / np.linalg.norm(vector)
    fused = sum(0.5 * (s - s.mean()) / s.std() for s in (lexical, cosine))
    return sorted(zip(ids, fused.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))


def test_search_is_the_completed_combination(build: Build, words: CallableEncoder) -> None:
    index = build(PASSAGES)
    for query in QUERIES:
        [hits] = index.search([query], k=len(PASSAGES))
        expected = brute_force(PASSAGES, query, words)
        assert [hit.score for hit in hits] == pytest.approx([s for _, s in expected], abs=2e-3)
        assert hits[0].passage.id == expected[0][0]


def test_the_trace_tells_what_each_stage_thought(build: Build) -> None:
    index = build(PASSAGES)
    [query] = QUERIES[:1]
    alone = {
        half.name: {hit.passage.id: hit.trace[0] for hit in half.search([query], k=100)[0]}
        for half in (index.bm25, index.dense)
    }
    for place, hit in enumerate(index.search([query], k=100)[0], start=1):
        fused = hit.stage("fusion")
        assert fused is not None
        assert (fused.rank, fused.score) == (place, hit.score)
        for name, ranked in alone.items():
            said = hit.stage(name)
            assert (said is None) == (hit.passage.id not in ranked)
            if said is not None:
                assert said.score == pytest.approx(ranked[hit.passage.id].score)


def test_score_of_each_half_agrees_with_its_search(build: Build) -> None:
    index = build(PASSAGES)
    for half in (index.bm25, index.dense):
        assert isinstance(half, Scorer)
        for query in QUERIES:
            found = {hit.passage.id: hit.score for hit in half.search([query], k=100)[0]}
            [scores] = half.score([query], [[p.id for p in PASSAGES]])
            for passage, score in zip(PASSAGES, scores, strict=True):
                assert score == pytest.approx(found.get(passage.id, 0.0), abs=1e-5)


def test_vectors_can_be_read_and_searched_for(build: Build, words: CallableEncoder) -> None:
    index = build(PASSAGES)
    ids = [passage.id for passage in PASSAGES if passage.text.strip()][:3]
    kept = index.dense.vectors([*ids, ids[0]])
    raw = words.encode_passages([p.text for id_ in ids for p in PASSAGES if p.id == id_])
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(kept, [*expected, expected[0]], atol=1e-6)
    for query in QUERIES[:3]:
        found = index.dense.search_vectors(words.encode_queries([query]), k=5)
        assert found == index.dense.search([query], k=5, depth=5)
    some = {"$id": ids[:2]}
    [hits] = index.dense.search_vectors([kept[0]], k=5, where=some)
    assert hits[0].passage.id == ids[0]
    assert {hit.passage.id for hit in hits} == set(ids[:2])
    assert index.dense.search_vectors([]) == []
    assert index.dense.vectors([]).shape == (0, words.dimension)


def rounded(lists: list[list[Hit]]) -> list[list[tuple[str, float]]]:
    return [[(hit.passage.id, round(hit.score, 4)) for hit in hits] for hits in lists]


async def test_vectors_of_queries_may_be_given(build: Build, words: CallableEncoder) -> None:
    index = build(PASSAGES)
    queries = [QUERIES[0], " ", QUERIES[1]]
    vectors = words.encode_queries(queries)
    # qdrant-client's own engine moves the last digits of its vectors at every search.
    assert rounded(index.search(queries, vectors=vectors)) == rounded(index.search(queries))
    # Words of the one and meaning of the other.
    swapped = index.search(queries, vectors=vectors[::-1], weights={"bm25": 0.0, "dense": 1.0})
    assert [[hit.passage.id for hit in hits] for hits in swapped] == [
        [hit.passage.id for hit in hits]
        for hits in index.dense.search([QUERIES[1], " ", QUERIES[0]])
    ]
    found = await index.asearch(queries, vectors=vectors)
    assert rounded(found) == rounded(index.search(queries))
    with pytest.raises(InvalidInputError, match=r"this index needs \(3, 32\)"):
        index.search(queries, vectors=vectors[:2])


async def test_a_tuned_index_is_searched_with_its_options(build: Build) -> None:
    index = build(PASSAGES)
    queries = list(QUERIES)
    expected = index.search(
        queries, 2, weights={"bm25": 0.9, "dense": 0.1}, fusion="weighted-rrf", depth=3
    )
    assert rounded(index.tuned().search(queries, 2)) == rounded(index.search(queries, 2))
    tuned = index.tuned(weights={"bm25": 0.9, "dense": 0.1}, fusion="weighted-rrf", depth=3)
    assert rounded(tuned.search(queries, 2)) == rounded(expected)
    assert rounded(await tuned.asearch(queries, 2)) == rounded(expected)
    assert isinstance(tuned, Retriever)


@pytest.mark.parametrize("option", SearchSettings.__annotations__)
async def test_every_option_is_checked_by_every_search(words: CallableEncoder, option: str) -> None:
    bad: dict[str, Any] = {option: object()}
    none: dict[str, Any] = {option: None}
    queries = list(QUERIES)
    with HybridIndex.create(encoder=words) as index:
        index.add(PASSAGES)
        cached = CachedSearch(index, queries)
        searches: list[Callable[..., object]] = [
            partial(index.search, queries),
            index.tuned,
            cached.search,
        ]
        for search in searches:
            with pytest.raises(InvalidInputError, match=f"^(a )?{option} must be"):
                search(**bad)
            search(**none)
        with pytest.raises(InvalidInputError, match=f"^(a )?{option} must be"):
            await index.asearch(queries, **bad)
        with pytest.raises(TypeError, match="no option 'breadth'"):
            cached.search(breadth=1)


def test_search_and_tuned_have_the_same_options() -> None:
    options = SearchSettings.__annotations__.keys()
    for method in (HybridIndex.search, HybridIndex.tuned):
        assert signature(method).parameters.keys() & options == options
    assert signature(HybridIndex.tuned).parameters.keys() == options | {"self"}


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([1.0, 2.0], r"shape \(2,\)"),
        ([[1.0, 2.0]], r"shape \(1, 2\); this index needs \(1, 32\)"),
        ([[float("nan")] * 32], "NaN or infinity"),
        (1.0, "shape"),
    ],
)
def test_bad_vectors_are_refused(words: CallableEncoder, vectors: object, message: str) -> None:
    with HybridIndex.create(encoder=words) as index:
        with pytest.raises(InvalidInputError, match=message):
            index.dense.search_vectors(vectors)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="there is no passage 'x'"):
            index.dense.vectors(["x"])


def test_weights_choose_between_the_halves(build: Build) -> None:
    index = build(PASSAGES)
    ids = lambda lists: [[hit.passage.id for hit in hits] for hits in lists]  # noqa: E731
    only_dense = index.search(QUERIES, 5, weights={"bm25": 0, "dense": 1})
    assert ids(only_dense) == ids(index.dense.search(QUERIES, 5))
    only_bm25 = index.search(QUERIES, 5, weights={"bm25": 2, "dense": 0.0})
    assert ids(only_bm25) == ids(index.bm25.search(QUERIES, 5))
    assert all(hit.stage("bm25") is None for hits in only_dense for hit in hits)


def test_fusion_of_a_call_beats_the_index_own(build: Build) -> None:
    index = build(PASSAGES)
    [hits] = index.search(["warm air rises"], 3, fusion="rrf")  # none of the best are tied
    assert hits[0].score == pytest.approx(
        sum(1 / (60 + entry.rank) for entry in hits[0].trace if entry.stage != "fusion")
    )
    assert index.search(QUERIES, 3, fusion=RRF(k=60)) == index.search(QUERIES, 3, fusion="rrf")


def test_add_again_replaces_and_delete_removes(build: Build) -> None:
    index = build(PASSAGES)
    count = len(index)
    assert index.add([Passage(PASSAGES[0].id, "zebra crossing", {"year": 1})]) == 1
    assert len(index) == count
    assert index.search(["zebra"], 1)[0][0].passage.id == PASSAGES[0].id
    assert [h.passage.id for h in index.bm25.search(["zebra"])[0]] == [PASSAGES[0].id]
    assert index.get([PASSAGES[0].id, "nowhere"]) == [
        Passage(PASSAGES[0].id, "zebra crossing", {"year": 1}),
        None,
    ]
    assert index.delete([PASSAGES[0].id, "nowhere"]) == 1
    assert index.bm25.search(["zebra"]) == [[]]
    assert len(index) == count - 1
    assert {p.id for p in index} == {p.id for p in PASSAGES[1:]}
    assert index.delete(where={"$id": [PASSAGES[1].id]}) == 1
    assert len(index) == count - 2


def test_the_passages_that_pass_a_filter_are_read(build: Build) -> None:
    index = build([Passage(str(n), f"entry {n}", {"even": n % 2 == 0}) for n in range(9)])
    found = sorted(passage.text for passage in index.matching({"even": False}))
    assert found == [f"entry {n}" for n in (1, 3, 5, 7)]
    index.delete(["1"])
    assert {passage.id for passage in index.matching({"even": False})} == {"3", "5", "7"}
    assert len(index.matching({})) == 8
    assert index.matching({"even": "no"}) == []
    with pytest.raises(InvalidInputError, match="matching needs a filter"):
        index.matching(None)  # type: ignore[arg-type]


def test_the_loop_over_an_index_may_delete(build: Build) -> None:
    index = build(PASSAGES)
    for passage in index:
        index.delete([passage.id])
    assert len(index) == 0
    assert index.search(QUERIES) == [[] for _ in QUERIES]


def test_given_vectors_are_used(words: CallableEncoder) -> None:
    swapped = words.encode_passages(["blue whale", "red fox"])
    with HybridIndex.create(encoder=words) as index:
        index.add([Passage("fox", "red fox"), Passage("whale", "blue whale")], vectors=swapped)
        [hits] = index.dense.search(["red fox"], 1)
        assert hits[0].passage.id == "whale"


def test_add_takes_a_generator_longer_than_a_chunk(words: CallableEncoder) -> None:
    many = (Passage(f"p{number}", f"word{number} common") for number in range(3_000))
    with HybridIndex.create(encoder=words, lexical="qdrant") as index:
        assert index.add(many) == len(index) == 3_000
        assert index.bm25.search(["word2999"])[0][0].passage.id == "p2999"


class _Counted(CallableEncoder):
    """Counts the texts of each call."""

    calls: list[int]

    def encode_passages(self, texts: Any, *, progress: bool = False) -> Any:
        self.calls.append(len(texts))
        return super().encode_passages(texts, progress=progress)


@pytest.mark.parametrize("size", [1, 7, 32, 255, 1000])
def test_no_call_of_the_encoder_gets_more_texts_than_batch_size(size: int) -> None:
    encoder = _Counted(lambda texts: [[len(text), 1.0] for text in texts], identity="lengths")
    encoder.calls = []
    with HybridIndex.create(encoder=encoder) as index:
        passages = [Passage(f"{n:03}", "ab " * n) for n in range(300)]
        assert index.add(passages, batch_size=size) == 300
        assert max(encoder.calls) <= size
        assert sum(encoder.calls) == 300
        rows = encoder.encode_passages([passage.text for passage in passages])
        units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert index.dense.vectors([p.id for p in passages]) == pytest.approx(units, abs=1e-6)
        with pytest.raises(InvalidInputError, match="batch_size must be"):
            index.add([Passage("more", "text")], batch_size=0)
        assert len(index) == 300


def test_average_length_follows_a_corpus_that_begins_with_one_short_passage(
    words: CallableEncoder,
) -> None:
    many = " ".join(f"word{number}" for number in range(40))
    passages = [Passage("short", "alpha")]
    passages += [Passage(f"p{n}", f"alpha {many} {'more ' * n}") for n in range(40)]
    ids = [[p.id for p in passages]]
    exact = BM25Retriever(passages).score(["alpha more"], ids)[0]
    with HybridIndex.create(encoder=words, lexical="qdrant") as index:
        for passage in passages:
            index.add([passage])
        assert index.bm25.score(["alpha more"], ids)[0] == pytest.approx(exact, rel=0.2)
        index.optimize()
        assert index.bm25.score(["alpha more"], ids)[0] == pytest.approx(exact, rel=1e-4)
        index.delete(ids[0])
        index.optimize()
        index.add(passages[5:])
        exact = BM25Retriever(passages[5:]).score(["alpha more"], [ids[0][5:]])[0]
        assert index.bm25.score(["alpha more"], [ids[0][5:]])[0] == pytest.approx(exact, rel=1e-4)


def test_equal_passages_come_in_the_order_of_their_ids(build: Build) -> None:
    index = build([Passage(f"p{number:03}", "all the same") for number in range(90)])
    expected = [f"p{number:03}" for number in range(5)]
    for retriever in (index, index.bm25, index.dense):
        [hits] = retriever.search(["same"], 5)
        assert [hit.passage.id for hit in hits] == expected
    [hits] = index.search(["same"], 5)
    assert [{entry.rank for entry in hit.trace} for hit in hits] == [{1}, {2}, {3}, {4}, {5}]


def test_metadata_comes_back_to_the_last_bit(build: Build) -> None:
    chance = np.random.default_rng(3)
    values = [*chance.random(60).tolist(), *(1.7e9 + chance.random(60) * 1e6).tolist()]
    index = build([Passage(f"p{n}", f"text {n}", {"at": v}) for n, v in enumerate(values)])
    found = {p.id: p.metadata["at"] for p in index}
    assert found == {f"p{n}": value for n, value in enumerate(values)}
    for n, value in enumerate(values):
        [hits] = index.search(["text"], 200, where={"at": value})
        assert [hit.passage.id for hit in hits] == [f"p{n}"]


def test_weights_of_the_index_give_way_to_a_fusion_that_knows_none(
    words: CallableEncoder,
) -> None:
    with HybridIndex.create(encoder=words, weights={"bm25": 0.3, "dense": 0.7}) as index:
        index.add(PASSAGES)
        assert index.search(QUERIES, 3, fusion="rrf")[0]


def test_filters_reach_every_stage(build: Build) -> None:
    index = build(PASSAGES)
    topics = {p.metadata["topic"] for p in PASSAGES}
    for topic in topics:
        wanted = {p.id for p in PASSAGES if p.metadata["topic"] == topic}
        for retriever in (index, index.bm25, index.dense):
            for hits in retriever.search(QUERIES, 100, where={"topic": topic}):
                assert {hit.passage.id for hit in hits} <= wanted
        assert {
            h.passage.id for h in index.search(QUERIES[:1], 100, where={"topic": topic})[0]
        } == wanted


async def test_asearch_answers_as_search(build: Build) -> None:
    index = build(PASSAGES)
    answers = await asyncio.gather(*(index.asearch([query], 4) for query in QUERIES))
    for [hits], expected in zip(answers, index.search(QUERIES, 4), strict=True):
        assert [hit.passage for hit in hits] == [hit.passage for hit in expected]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected])


def test_an_index_comes_back_as_it_was(tmp_path: Path, words: CallableEncoder) -> None:
    for lexical in ("bm25s", "qdrant"):
        folder = tmp_path / lexical
        settings = {
            "fusion": ConvexCombination("min-max"),
            "weights": {"bm25": 0.3, "dense": 0.7},
            "depth": 7,
            "analyzer": "german",
        }
        with HybridIndex.create(folder, encoder=words, lexical=lexical, **settings) as index:
            index.add(PASSAGES)
            before, info = index.search(QUERIES, 5), index.info()
        with HybridIndex.open(folder, encoder=words) as again:
            assert again.search(QUERIES, 5) == before
            assert again.info() == info
            assert json.loads(json.dumps(info))["weights"] == {"bm25": 0.3, "dense": 0.7}
            assert info["stages"]["bm25"]["analyzer"]["language"] == "german"  # type: ignore[index, call-overload]


def test_an_index_nobody_closed_is_saved_when_collected(
    tmp_path: Path, words: CallableEncoder
) -> None:
    index = HybridIndex.create(tmp_path / "index", encoder=words)
    index.add(PASSAGES)
    del index
    assert (tmp_path / "index" / "bm25.npz").exists()
    with HybridIndex.open(tmp_path / "index", encoder=words) as again:
        assert len(again) == len(PASSAGES)


def test_a_temporary_index_leaves_nothing_behind(
    tmp_path: Path, words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with HybridIndex.create(encoder=words) as index:
        index.add(PASSAGES)
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_a_closed_index_says_so(words: CallableEncoder) -> None:
    index = HybridIndex.create(encoder=words)
    index.close()
    index.close()
    calls: list[Callable[[], object]] = [
        lambda: index.search(["x"]),
        lambda: index.bm25.search(["x"]),
        lambda: index.add([]),
        lambda: index.delete(["x"]),
        lambda: index.get(["x"]),
        lambda: len(index),
        lambda: next(iter(index)),
    ]
    for call in calls:
        with pytest.raises(ClosedError, match="open it again"):
            call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be"),
        ({"depth": 0}, "depth must be"),
        ({"weights": {"bm25": 1.0}}, "name each stage"),
        ({"weights": {"bm25": 0, "dense": 0}}, "above 0"),
        ({"weights": {"bm25": float("nan"), "dense": 1}}, "finite"),
        ({"fusion": "sum"}, "no fusion 'sum'"),
        ({"fusion": "rrf", "weights": {"bm25": 1, "dense": 2}}, "weight"),
        ({"where": {"year": {"$nope": 1}}}, "nope"),
    ],
)
def test_wrong_arguments_are_named(
    words: CallableEncoder, arguments: dict[str, object], message: str
) -> None:
    with HybridIndex.create(encoder=words) as index:
        index.add(PASSAGES)
        with pytest.raises(InvalidInputError, match=message):
            index.search(QUERIES, **arguments)  # type: ignore[arg-type]


def test_delete_needs_one_way_to_choose(words: CallableEncoder) -> None:
    with HybridIndex.create(encoder=words) as index:
        for arguments in ({}, {"ids": ["a"], "where": {"year": 1}}):
            with pytest.raises(InvalidInputError, match="either ids or where"):
                index.delete(**arguments)  # type: ignore[arg-type]


@pytest.mark.slow
def test_quality_on_scifact_needs_no_luck(
    small_corpus: tuple[Passage, ...], scifact: object, minilm: Path
) -> None:
    """On the 283 abstracts that answer a test query, each first answer is mostly the right one."""
    queries = scifact.queries  # type: ignore[attr-defined]
    qrels = scifact.qrels("test")  # type: ignore[attr-defined]
    asked = list(qrels)[:60]
    encoder = SentenceTransformerEncoder(minilm, max_length=96)  # where most of the time goes
    with HybridIndex.create(encoder=encoder) as index:
        index.add(small_corpus)

        def right(lists: list[list[Hit]]) -> int:
            return sum(
                hits[0].passage.id in qrels[query] for query, hits in zip(asked, lists, strict=True)
            )

        texts = [queries[query] for query in asked]
        hybrid, halves = (
            right(index.search(texts, 1)),
            [right(half.search(texts, 1)) for half in (index.bm25, index.dense)],
        )
    assert hybrid >= 50
    assert hybrid >= max(halves) - 1
