"""Pipelines: depths, blends, traces, and the same answers whichever way they are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import pytest

from hybridge import BM25Retriever, Hit, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.reranking import TextReranker
from hybridge.testing import RetrieverConformance

NUMBERS = [Passage(f"p{number}", "number " * (9 - number), {"n": number}) for number in range(9)]


class Ranks(TextReranker):
    """Reverses what it is given, for it likes texts with the fewest words; counts them too."""

    def __init__(self, name: str = "short") -> None:
        super().__init__(name)
        self.sizes: list[int] = []

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.sizes += [len(some) for some in texts]
        return [[-float(len(text.split())) for text in some] for some in texts]


class Nothing:
    """Says nothing, and lets everything through."""

    def rerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> list[list[Hit]]:
        return [list(hits)[:k] for hits in candidates]

    async def arerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> list[list[Hit]]:
        return self.rerank(queries, candidates, k)


class TestPipeline(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> Pipeline:
        return Pipeline(BM25Retriever(passages), Ranks(), Ranks("again"), depth=[60, 40])


class TestPipelineWithoutBlend(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> Pipeline:
        return Pipeline(BM25Retriever(passages), Ranks(), blend=1.0)


def bm25(passages: Iterable[Passage] = NUMBERS) -> BM25Retriever:
    return BM25Retriever(list(passages))


def order(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def test_without_rerankers_it_is_the_retriever() -> None:
    retriever = bm25()
    assert Pipeline(retriever).search(["number"], 4) == retriever.search(["number"], 4)


def test_depths_say_how_many_candidates_each_reranker_gets() -> None:
    first, second = Ranks("first"), Ranks("second")
    [hits] = Pipeline(bm25(), first, second, depth=[7, 4]).search(["number"], k=2)
    assert (first.sizes, second.sizes, len(hits)) == ([7], [4], 2)


def test_no_depth_is_less_than_k() -> None:
    first, second = Ranks("first"), Ranks("second")
    [hits] = Pipeline(bm25(), first, second, depth=[3, 2]).search(["number"], k=6)
    assert (first.sizes, second.sizes, len(hits)) == ([6], [6], 6)


def test_the_reranker_s_scores_alone() -> None:
    [hits] = Pipeline(bm25(), Ranks(), depth=4, blend=1.0).search(["number"], k=3)
    candidates = bm25().search(["number"], 4)[0]
    assert order(hits) == order(candidates)[::-1][:3]
    assert [entry.stage for entry in hits[0].trace] == ["bm25", "short"]
    assert hits[0].score == hits[0].trace[-1].score


def test_a_blend_of_0_keeps_the_order_and_half_and_half_of_opposites_ties() -> None:
    [kept] = Pipeline(bm25(), Ranks(), depth=4, blend=0.0).search(["number"], k=4)
    assert order(kept) == order(bm25().search(["number"], 4)[0])
    assert [entry.stage for entry in kept[0].trace] == ["bm25", "short", "short:blend"]
    two = [Passage("b", "cats cats cats"), Passage("a", "cats and dogs and mice and men")]
    [tied] = Pipeline(bm25(two), Ranks()).search(["cats"], k=2)
    assert [hit.score for hit in tied] == pytest.approx([1.0, -1.0])


def test_each_reranker_has_its_own_blend() -> None:
    [hits] = Pipeline(bm25(), Ranks("one"), Ranks("two"), blend=[1.0, 0.5]).search(["number"])
    assert [entry.stage for entry in hits[0].trace] == ["bm25", "one", "two", "two:blend"]


def test_filters_reach_the_retriever() -> None:
    [hits] = Pipeline(bm25(), Ranks()).search(["number"], where={"n": {"$gte": 7}})
    assert sorted(order(hits)) == ["p7", "p8"]


def test_a_pipeline_may_stand_where_a_retriever_stands() -> None:
    inner = Pipeline(bm25(), Ranks("inner"), depth=5)
    [hits] = Pipeline(inner, Ranks("outer"), depth=3).search(["number"], k=1)
    stages = [entry.stage for entry in hits[0].trace]
    assert stages == ["bm25", "inner", "inner:blend", "outer", "outer:blend"]


def test_a_reranker_without_traces_of_its_own_is_blended_too() -> None:
    plain = [Hit(Passage("a", "x"), 2.0), Hit(Passage("b", "y"), 1.0)]

    class Bare(Nothing):
        async def asearch(self, *_: object, **__: object) -> list[list[Hit]]:
            return [plain]

        def search(self, *_: object, **__: object) -> list[list[Hit]]:
            return [plain]

    pipeline = Pipeline(Bare(), Nothing())
    [hits] = pipeline.search(["q"])
    assert [hit.trace[-1].stage for hit in hits] == ["reranker:blend"] * 2
    assert asyncio.run(pipeline.asearch(["q"])) == [hits]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "depth must be a whole number"),
        ({"depth": [50]}, "depth holds 1 numbers for 2 rerankers"),
        ({"depth": [10, 20]}, "cannot get 20 candidates from one that got 10"),
        ({"blend": 1.5}, "blend must be a number from 0 to 1"),
        ({"blend": [0.5, 0.5, 0.5]}, "blend holds 3 numbers for 2 rerankers"),
        ({"blend": "half"}, "blend holds 4 numbers for 2 rerankers"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Pipeline(bm25(), Ranks(), Ranks(), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("blend", [0.5, 1.0])
def test_a_reranker_that_breaks_the_rules_is_named(blend: float) -> None:
    class Inventive(Nothing):
        def rerank(
            self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
        ) -> list[list[Hit]]:
            return [[*hits, Hit(Passage("invented", "x"), 1.0)] for hits in candidates]

    class Forgetful(Nothing):
        def rerank(
            self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
        ) -> list[list[Hit]]:
            return [list(hits) for hits in candidates[1:]]

    with pytest.raises(InvalidInputError, match="'invented', which it was not given"):
        Pipeline(bm25(), Inventive(), blend=blend).search(["number"])
    with pytest.raises(InvalidInputError, match="answered 2 queries with 1 lists"):
        Pipeline(bm25(), Forgetful(), blend=blend).search(["number", "number"])


def test_what_is_no_stage_is_named() -> None:
    with pytest.raises(InvalidInputError, match="str is not one"):
        Pipeline("bm25")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="BM25Retriever is not one"):
        Pipeline(bm25(), bm25())  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="the class Ranks is not one"):
        Pipeline(bm25(), Ranks)  # type: ignore[arg-type]


def test_it_says_what_it_is_made_of() -> None:
    assert repr(Pipeline(bm25(), Ranks())) == "Pipeline(BM25Retriever → Ranks)"
