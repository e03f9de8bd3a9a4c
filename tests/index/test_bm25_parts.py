"""BM25's parts in an index: they sum to the score in both engines, and count what is there."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.lexical.parts import ScoreParts
from hybridge.testing import PASSAGES

LONG = [
    Passage(f"long-{at}", " ".join(f"word{n % 40}" for n in range(at, at + 60))) for at in range(20)
]


def bm25_parts(index: HybridIndex, query: str, ids: list[str]) -> list[ScoreParts]:
    stage, store = index._stages.opened["bm25"], index._storage.store
    found: list[ScoreParts] = stage.begin(stage.encode([query])).parts(  # type: ignore[attr-defined]
        query, [store.point(id_) for id_ in ids]
    )
    return found


@pytest.fixture(params=[{"lexical": "bm25s"}, {"lexical": "qdrant"}, {"url": ":memory:"}], ids=str)
def index(request: pytest.FixtureRequest, words: CallableEncoder) -> Any:
    with HybridIndex.create(encoder=words, **request.param) as index:
        index.add([*PASSAGES, *LONG])
        yield index


@pytest.mark.parametrize(
    "query",
    ["salt water", "water water salt unicorn the", " ".join(f"word{n}" for n in range(40)), "the"],
)
def test_parts_sum_to_the_score(index: HybridIndex, query: str) -> None:
    ids = [passage.id for passage in (*PASSAGES, *LONG)]
    found = bm25_parts(index, query, ids)
    [scores] = index.bm25.score([query], [ids])
    for parts, score in zip(found, scores, strict=True):
        assert abs(sum(term.part for term in parts.terms) - score) < 1e-6
        assert parts.score == pytest.approx(score, abs=1e-6)
        for term in parts.terms:
            assert (term.part > 0) == (term.part != 0)


def test_counts_and_idf_are_the_corpuss(index: HybridIndex) -> None:
    import math

    analyzer = index.analyzer
    stems = [analyzer([passage.text])[0] for passage in (*PASSAGES, *LONG)]
    [parts] = bm25_parts(index, "salt and water, water of unicorns", ["sea-2"])
    told = {term.term: term for term in parts.terms}
    for term in ("salt", "water", "unicorn"):
        having = sum(term in some for some in stems)
        assert told[term].passages_with == having
        if having:
            idf = math.log(1 + (len(stems) - having + 0.5) / (having + 0.5))
            assert told[term].idf == pytest.approx(idf, rel=1e-5)
    assert told["water"].in_query == 2
    assert told["unicorn"].idf == told["unicorn"].part == 0.0


def test_a_replaced_passage_counts_as_it_is_now(words: CallableEncoder) -> None:
    with HybridIndex.create(encoder=words, lexical="qdrant") as index:
        index.add([Passage("a", "cat"), Passage("b", "cat dog"), Passage("c", "bird")])
        index.add([Passage("b", "dog")])
        [parts] = bm25_parts(index, "cat", ["a"])
        assert parts.terms[0].passages_with == 1
        assert parts.score == index.bm25.score(["cat"], [["a"]])[0][0]
