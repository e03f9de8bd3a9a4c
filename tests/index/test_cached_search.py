"""Remembered stages: whatever the options, what they give is what a search gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.fusion import FUSIONS, ConvexCombination
from hybridge.index.cached_search import CachedSearch
from hybridge.lexical import BM25Parameters

from .conftest import DIMENSION, word_vectors
from .test_late import WordTokens

TEXTS = [
    *["cats and dogs sleep", "cats sleep", "birds sing at dawn", "dogs dig", "people sing"] * 3,
    *["cats cats cats", "a dawn of dogs and birds", "sleep, sing, dig", "far away", "  "],
]
PASSAGES = [Passage(f"p{number * 7 % 20:02}", text) for number, text in enumerate(TEXTS)]
QUERIES = ["cats sing", "dogs at dawn", " ", "sleep", "nothing of it"]


def seen(lists: Sequence[Sequence[Hit]]) -> list[list[tuple[str, Any]]]:
    return [
        [(hit.passage.id, pytest.approx(hit.score, rel=1e-9, abs=1e-9)) for hit in hits]
        for hits in lists
    ]


@pytest.fixture(scope="module", params=["bm25s", "qdrant", "served", "bm25s late", "qdrant late"])
def index(request: pytest.FixtureRequest) -> Iterator[HybridIndex]:
    lexical, _, late = request.param.partition(" ")
    place = {"url": ":memory:", "lexical": "qdrant"} if lexical == "served" else {}
    made = HybridIndex.create(
        encoder=CallableEncoder(word_vectors, dimension=DIMENSION, identity="words"),
        late_interaction=WordTokens() if late else None,
        **(place or {"lexical": lexical}),
    )
    made.add(PASSAGES)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cached(index: HybridIndex) -> CachedSearch:
    return CachedSearch(index, QUERIES)


shares = st.integers(0, 10).map(lambda tenths: {"bm25": 10 - tenths, "dense": tenths})
fusions = st.sampled_from([*FUSIONS, ConvexCombination("min-max")])
constants = st.builds(
    BM25Parameters,
    method=st.sampled_from(["lucene", "bm25+", "robertson"]),
    k1=st.sampled_from([0.4, 1.2, 2.5]),
    b=st.sampled_from([0.0, 0.75, 1.0]),
)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_options_give_what_a_search_gives(
    index: HybridIndex, cached: CachedSearch, data: st.DataObject
) -> None:
    options: dict[str, Any] = {
        "fusion": data.draw(fusions, "fusion"),
        "depth": data.draw(st.sampled_from([1, 2, 3, 5, 8, 40]), "depth"),
    }
    if options["fusion"] != "rrf":
        options["weights"] = data.draw(shares, "weights")
    if "blend" in index.defaults:
        options["blend"] = data.draw(st.sampled_from([0.0, 0.3, 1.0]), "blend")
    if index.lexical == "bm25s":
        options["bm25"] = data.draw(constants, "bm25")
    k = data.draw(st.sampled_from([1, 3, 10]), "k")
    found = cached.search(k, **options)
    assert seen(found) == seen(index.search(QUERIES, k, **options))
    assert cached.ids(k, **options) == [[hit.passage.id for hit in hits] for hits in found]


def test_no_option_gives_what_a_search_gives(index: HybridIndex, cached: CachedSearch) -> None:
    assert seen(cached.search()) == seen(index.search(QUERIES))
    assert seen(cached.search(**index.defaults)) == seen(index.search(QUERIES))


def test_the_defaults_are_those_that_the_index_was_made_with() -> None:
    words = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    chosen: dict[str, Any] = {
        "fusion": ConvexCombination("min-max"),
        "weights": {"bm25": 0.3, "dense": 0.7},
        "depth": 30,
        "bm25": BM25Parameters(k1=0.9),
    }
    with HybridIndex.create(encoder=words, **chosen) as index:
        assert index.defaults == chosen


def test_each_stage_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    words = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    with HybridIndex.create(encoder=words, lexical="qdrant") as index:
        index.add(PASSAGES)
        cached = CachedSearch(index, QUERIES)
        store = index._storage.store
        asked: list[int] = []
        query = store.query
        monkeypatch.setattr(
            store, "query", lambda probes: asked.append(len(probes)) or query(probes)
        )
        cached.search(fusion="convex")
        once = len(asked)
        for fusion in FUSIONS:
            for share in (0.25, 0.5):
                weights = None if fusion == "rrf" else {"bm25": share, "dense": 1 - share}
                cached.search(fusion=fusion, weights=weights)
        assert len(asked) == once > 0


def test_queries_may_all_be_blank(index: HybridIndex) -> None:
    assert CachedSearch(index, ["", " "]).search() == [[], []]
    assert CachedSearch(index, []).search() == []


def test_bad_options_are_refused(index: HybridIndex, cached: CachedSearch) -> None:
    with pytest.raises(InvalidInputError, match="depth"):
        cached.search(depth=0)
    with pytest.raises(InvalidInputError, match="k must"):
        cached.search(0)
