"""An observer hears of every stage, in order, with the queries and hits that are the stage's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from hybridge import BM25Retriever, CallableEncoder, Hit, HybridIndex, Passage, Pipeline
from hybridge.observation import also_observing, inside, makes_spans, observing, shifted
from hybridge.reranking import TextReranker
from hybridge.vectors.edge import EdgeStore

PASSAGES = [
    Passage("p1", "green apples"),
    Passage("p2", "red apples and pears"),
    Passage("p3", "grey stones"),
]


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0 + text.count(letter) for letter in "aeiou"] for text in texts]


class Diary:
    """Writes down what it hears, hits by their passages' ids."""

    def __init__(self) -> None:
        self.began_stages: list[tuple[str, list[int]]] = []
        self.found: dict[str, dict[int, list[str]]] = {}
        self.failures: list[tuple[str, list[int], str]] = []
        self.hits: dict[str, dict[int, list[Hit]]] = {}

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.began_stages.append((stage, list(queries)))

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        for at, found in hits.items():
            self.found.setdefault(stage, {})[at] = [hit.passage.id for hit in found]
            self.hits.setdefault(stage, {})[at] = list(found)

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.failures.append((stage, list(queries), str(error)))


class Shortest(TextReranker):
    def __init__(self) -> None:
        super().__init__("brevity")

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


class Broken(Shortest):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        raise RuntimeError("no judgement today")


@pytest.fixture(params=["bm25s", "qdrant"])
def index(request: pytest.FixtureRequest) -> Iterator[HybridIndex]:
    encoder = CallableEncoder(letters, dimension=5, identity="letters")
    with HybridIndex.create(encoder=encoder, lexical=request.param) as made:
        made.add(PASSAGES)
        yield made


def test_every_stage_of_an_index_is_heard_of(index: HybridIndex) -> None:
    diary = Diary()
    with observing(diary):
        [hits] = index.search(["apples"], k=2)
    assert [stage for stage, _ in diary.began_stages] == ["encode", "bm25", "dense", "fusion"]
    assert diary.found["fusion"][0] == [hit.passage.id for hit in hits]
    for half in (index.bm25, index.dense):
        [alone] = half.search(["apples"], k=2)
        assert diary.found[half.name][0] == [hit.passage.id for hit in alone]
        assert diary.hits[half.name][0] == alone
    assert "encode" not in diary.found
    assert not diary.failures


def test_a_stage_tells_more_than_the_traces_of_what_came_out(index: HybridIndex) -> None:
    diary = Diary()
    with observing(diary):
        [[best]] = index.search(["stones"], k=1, weights={"bm25": 0.01, "dense": 0.99})
    assert diary.found["bm25"][0] == ["p3"]
    assert [best.passage.id] == diary.found["fusion"][0]


def test_queries_keep_their_places(index: HybridIndex) -> None:
    diary = Diary()
    # More than a batch, blank ones among them.
    queries = ["", *["apples"] * 20, " ", "stones"]
    with observing(diary):
        lists = index.search(queries, k=1)
    written = [at for at, query in enumerate(queries) if query.strip()]
    assert sorted(diary.found["fusion"]) == written
    for at in written:
        assert diary.found["fusion"][at] == [hit.passage.id for hit in lists[at]]
    assert [at for stage, some in diary.began_stages if stage == "bm25" for at in some] == written
    assert diary.found["bm25"][22] == ["p3"]


@pytest.mark.parametrize("blend", [0.5, 1.0])
def test_rerankers_of_a_pipeline_are_heard_of(blend: float) -> None:
    diary = Diary()
    pipeline = Pipeline(BM25Retriever(PASSAGES), Shortest(), blend=blend)
    with observing(diary):
        [hits] = pipeline.search(["apples"])
    assert [stage for stage, _ in diary.began_stages] == ["bm25", "brevity"]
    assert diary.hits["brevity"][0] == hits


async def test_async_searches_are_watched_too(index: HybridIndex) -> None:
    diary, other = Diary(), Diary()
    with observing(diary):
        await Pipeline(index, Shortest()).asearch(["apples"])
    with observing(other):
        Pipeline(index, Shortest()).search(["apples"])
    assert diary.began_stages == other.began_stages
    assert diary.hits == other.hits


async def test_a_failure_is_told_and_goes_on() -> None:
    diary = Diary()
    pipeline = Pipeline(BM25Retriever(PASSAGES), Broken())
    queries = ["apples", "stones"]
    with observing(diary), pytest.raises(RuntimeError, match="no judgement today"):
        pipeline.search(queries)
    with observing(diary), pytest.raises(RuntimeError, match="no judgement today"):
        await pipeline.asearch(queries)
    assert diary.failures == [("brevity", [0, 1], "no judgement today")] * 2
    assert "brevity" not in diary.found


def test_late_interaction_and_its_blend_are_stages() -> None:
    class Tokens:
        identity, dimension = "tokens", 5

        def encode_queries(self, queries: Sequence[str]) -> list[Any]:
            return [np.array(letters(query.split()), dtype=np.float32) for query in queries]

        def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Any]:
            return self.encode_queries(texts)

        def to_config(self) -> None:
            return None

    diary = Diary()
    encoder = CallableEncoder(letters, dimension=5, identity="letters")
    with HybridIndex.create(encoder=encoder, late_interaction=Tokens()) as index:
        index.add(PASSAGES)
        with observing(diary):
            [hits] = index.search(["apples"], k=3)
    assert [stage for stage, _ in diary.began_stages] == [
        "encode",
        "bm25",
        "dense",
        "fusion",
        "late-interaction",
        "late-interaction:blend",
    ]
    for hit in hits:
        judged = {found.passage.id: found.score for found in diary.hits["late-interaction"][0]}
        entry = hit.stage("late-interaction")
        assert entry is not None
        assert entry.score == judged[hit.passage.id]


class Clock(Diary):
    """Asks when stages run, and not what they find."""

    wants_hits = False


def test_who_declines_the_hits_gets_none_and_costs_none(
    index: HybridIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    get = EdgeStore.get

    def counted(store: EdgeStore, points: Sequence[int]) -> dict[int, Passage]:
        calls.append(points)
        return get(store, points)

    def fetched() -> int:
        calls.clear()
        index.search(["", "grey apple"], k=1)
        return sum(map(len, calls))

    monkeypatch.setattr(EdgeStore, "get", counted)
    alone = fetched()
    clock, diary = Clock(), Diary()
    with observing(clock):
        assert fetched() == alone
    with observing(diary):
        assert fetched() > alone
    assert clock.began_stages == diary.began_stages
    assert clock.found == {}


def test_a_stage_that_always_reports_hits_tells_them_to_who_wants_them() -> None:
    pipeline = Pipeline(BM25Retriever(PASSAGES), Shortest())
    clock = Clock()
    with observing(clock), shifted([5]):
        pipeline.search(["apples"])
    assert clock.began_stages == [("bm25", [5]), ("brevity", [5])]
    assert clock.found == {}


def test_nobody_is_told_after_the_block(index: HybridIndex) -> None:
    diary = Diary()
    with observing(diary):
        pass
    index.search(["apples"])
    assert not diary.began_stages


def test_observers_do_not_change_the_answer(index: HybridIndex) -> None:
    ask: Callable[[], list[list[Hit]]] = lambda: index.search(["apples", "stones"], k=2)  # noqa: E731
    with observing(Diary()):
        watched = ask()
    assert watched == ask()


def test_two_observers_both_get_every_event() -> None:
    first, second, times = Diary(), Diary(), Diary()
    times.wants_hits = False  # type: ignore[attr-defined]
    bm25 = BM25Retriever(PASSAGES)
    with observing(first), also_observing(second), also_observing(times):
        bm25.search(["apples"])
    assert first.began_stages == second.began_stages == times.began_stages == [("bm25", [0])]
    assert first.found == second.found == {"bm25": {0: ["p1", "p2"]}}
    assert times.found == {}
    with also_observing(first):
        bm25.search(["stones"])
    assert first.found["bm25"] == {0: ["p3"]}
    with pytest.raises(RuntimeError), observing(first), also_observing(second):
        Pipeline(bm25, Broken()).search(["apples"])
    assert first.failures == second.failures
    assert len(first.failures) == 1


def test_an_observer_may_make_spans_itself() -> None:
    diary = Diary()
    with observing(diary):
        assert not makes_spans()
    diary.makes_spans = True  # type: ignore[attr-defined]
    with observing(diary), shifted([1]), also_observing(Diary()), inside("member"):
        assert makes_spans()
    assert not makes_spans()
