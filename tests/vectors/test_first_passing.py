"""Candidates are checked instead of every payload, where they decide what a filter lets through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.filters import IdIn
from hybridge.vectors import HNSW
from hybridge.vectors.edge import EdgeStore
from hybridge.vectors.first_passing import first_passing

COUNT = 600
WORDS = ["tide", "ship", "gull", "moon", "reef"]


@given(
    scores=st.lists(st.integers(0, 6), min_size=1, max_size=60),
    allowed=st.sets(st.integers(0, 59)),
    limit=st.integers(1, 4),
)
def test_what_it_returns_is_what_brute_force_does(
    scores: list[int], allowed: set[int], limit: int
) -> None:
    """Points stand in the order of their ids, by which ties break."""
    order = sorted(range(len(scores)), key=lambda point: (-scores[point], point))

    def best(count: int) -> dict[int, float]:
        # As an engine does it: of what ties with the last, any may be cut off; here the first ones.
        cut = sorted(range(len(scores)), key=lambda point: (-scores[point], -point))[:count]
        return {point: float(scores[point]) for point in order if point in set(cut)}

    def get(points: Sequence[int]) -> dict[int, Passage]:
        return {point: Passage(str(point), "text") for point in points}

    found = first_passing(best, limit, IdIn([str(point) for point in allowed]), get)
    expected = [point for point in order if point in allowed][:limit]
    if found is not None:
        assert list(found) == expected
        assert found == {point: float(scores[point]) for point in expected}
    elif len(scores) < 15 * limit:
        pytest.fail("all candidates were looked at")


@pytest.fixture(params=["bm25s", "qdrant", "graph"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    lexical: Literal["bm25s", "qdrant"] = "bm25s" if request.param == "bm25s" else "qdrant"
    hnsw = HNSW() if request.param == "graph" else None
    return {"lexical": lexical, "hnsw": hnsw, "depth": 10}


def _passages() -> Iterator[Passage]:
    """Of lengths and counts so many that no two score alike: an engine orders ties as it likes."""
    chance = np.random.default_rng(7)
    fillers = [f"word{n}" for n in range(50)]
    for n in range(COUNT):
        words = chance.choice(WORDS, size=int(chance.integers(1, 20))).tolist()
        text = " ".join([*words, *chance.choice(fillers, size=n)])
        yield Passage(f"p{n}", text, {"n": n % 97, "kind": WORDS[n % 5]})


def _filled(options: dict[str, Any], **more: Any) -> HybridIndex:
    vectors = np.random.default_rng(3).normal(size=(COUNT, 16)).astype(np.float32)
    encoder = CallableEncoder(
        lambda texts: np.random.default_rng(len(texts[0])).normal(size=(len(texts), 16)),
        dimension=16,
        identity="random",
    )
    index = HybridIndex.create(encoder=encoder, **options, **more)
    index.add(_passages(), vectors=vectors)
    return index


def _all_answers(index: HybridIndex, where: Any) -> list[list[list[Hit]]]:
    queries = ["tide reef", "gull", "ship moon tide gull"]
    stages = (index, index.bm25, index.dense)
    return [stage.search(queries, 7, where=where) for stage in stages]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "where",
    [
        {"kind": "gull"},
        {"kind": {"$in": ["gull", "reef", "moon"]}, "n": {"$gte": 10}},
        {"$not": {"kind": "tide"}},
        {"n": 5},
        {"n": 500},
        {"$or": [{"n": 3}, {"kind": "ship"}]},
    ],
)
def test_answers_equal_those_of_an_index_with_all_fields_declared(
    options: dict[str, Any], where: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared: Any = {"kind": "keyword", "n": "float"}
    with _filled(options, filter_fields=declared) as indexed, _filled(options) as unindexed:
        for index in (indexed, unindexed):
            index.optimize()
        monkeypatch.setattr("hybridge.vectors.edge._INDEXED_AT_ONCE", 100)
        expected = _all_answers(indexed, where)
        for _ in range(2):  # the second time some matches are remembered
            for lists, others in zip(_all_answers(unindexed, where), expected, strict=True):
                for hits, other in zip(lists, others, strict=True):
                    assert [hit.passage for hit in hits] == [hit.passage for hit in other]
                    # The engine adds a sparse score up in another order, by the path it takes.
                    assert [hit.score for hit in hits] == pytest.approx(
                        [hit.score for hit in other], rel=1e-5
                    )


def test_a_broad_filter_reads_no_payload_but_those_of_candidates(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _filled(options) as index:
        monkeypatch.setattr("hybridge.vectors.edge._INDEXED_AT_ONCE", 100)
        monkeypatch.setattr(EdgeStore, "_cached_matches", None)
        answers = _all_answers(index, {"kind": {"$ne": "gull"}})
        assert all(len(hits) == 7 for lists in answers for hits in lists)
        with pytest.raises(TypeError):  # a narrow one does read them
            index.dense.search(["tide"], 7, where={"n": 5})
