"""Boosts: bounded, in standard deviations, and neutral where there is no date."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.passages import Hit, StageScore
from hybridge.results import Boost, BoostedRetriever, Boosting, Decay

NOW = "2026-01-01"


class Listed:
    """A retriever of fixed hits."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self.hits = sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))
        self.asked: list[int] = []

    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> list[list[Hit]]:
        self.asked.append(k)
        return [list(self.hits[:k]) if query.strip() else [] for query in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Any = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


def hit(id_: str, score: float, **metadata: Any) -> Hit:
    return Hit(Passage(id_, id_, metadata), score, (StageScore("given", 1, score),))


@pytest.mark.parametrize("form", ["sync", "async"])
def test_the_score_is_the_normalised_one_and_the_boosts(form: str) -> None:
    # Mean 2, population's deviation √2: -√2, -√½, 0, √½, √2.
    inner = Listed(
        [hit(name, score, n=score) for name, score in zip("abcde", range(5), strict=True)]
    )
    boosted = BoostedRetriever(inner, [Boost({"n": {"$lte": 1}}, 0.5), Boost({"n": 0}, 1.0)])
    if form == "sync":
        lists = boosted.search(["q", " "], 3)
    else:
        lists = asyncio.run(boosted.asearch(["q", " "], 3))
    root = 2**0.5
    assert [(each.passage.id, each.score) for each in lists[0]] == [
        ("e", pytest.approx(root)),
        ("d", pytest.approx(root / 2)),
        ("a", pytest.approx(1.5 - root)),
    ]
    assert lists[1] == []
    assert inner.asked == [50]
    assert lists[0][2].trace[-1] == StageScore("boost", 3, lists[0][2].score)
    assert [entry.stage for entry in lists[0][0].trace] == ["given", "boost"]


def test_depth_is_how_many_are_boosted() -> None:
    inner = Listed([hit("a", 3), hit("b", 2), hit("c", 1, kind="manual")])
    boost = Boost({"kind": "manual"}, 9.0)
    assert [h.passage.id for h in BoostedRetriever(inner, boost).search(["q"], 1)[0]] == ["c"]
    assert [h.passage.id for h in BoostedRetriever(inner, boost, depth=2).search(["q"], 1)[0]] == [
        "a"
    ]
    assert [h.passage.id for h in BoostedRetriever(inner, boost, depth=2).search(["q"], 3)[0]] == [
        "c",
        "a",
        "b",
    ]


def test_equal_scores_are_ranked_by_the_boosts_and_ids() -> None:
    inner = Listed([hit("a", 1), hit("b", 1, new=True), hit("c", 1)])
    [hits] = BoostedRetriever(inner, [Boost({"new": True}, 0.1)]).search(["q"])
    assert [(each.passage.id, each.score) for each in hits] == [("b", 0.1), ("a", 0.0), ("c", 0.0)]


def test_a_half_life_halves_the_boost() -> None:
    passages = [
        Passage("now", "x", {"date": "2026-01-01T00:00:00Z"}),
        Passage("half", "x", {"date": "2025-12-02"}),
        Passage("quarter", "x", {"date": datetime(2025, 11, 2, tzinfo=UTC).timestamp()}),
        Passage("future", "x", {"date": "2100-01-01"}),
    ]
    expected = [0.8, 0.4, 0.2, 0.8]
    for half_life in ("30d", " 720 h ", timedelta(days=30), 30 * 86_400, "43200min"):
        decay = Decay("date", half_life, weight=0.8, now=NOW)
        assert decay.boosts(passages) == pytest.approx(expected)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for now in (moment, moment.timestamp()):
        assert Decay("date", "30d", 0.8, now).boosts(passages) == pytest.approx(expected)
    fresh = Passage("fresh", "x", {"date": datetime.now(UTC).isoformat()})
    assert Decay("date", "1d", weight=1.0).boosts([fresh]) == pytest.approx([1.0], abs=1e-3)


def test_what_has_no_date_gets_the_mean_of_the_dated() -> None:
    decay = Decay("meta.date", "30d", weight=0.8, now=NOW)
    passages = [
        Passage("now", "x", {"meta": {"date": NOW}}),
        Passage("half", "x", {"meta": {"date": "2025-12-02"}}),
        *(
            Passage(str(n), "x", {"meta": {"date": value}})
            for n, value in enumerate([None, "soon", True, {}, "2025-02-30", []])
        ),
        Passage("none", "x"),
        Passage("several", "x", {"meta": {"date": ["2025-01-01", "2025-12-02", "old"]}}),
    ]
    boosts = decay.boosts(passages)
    assert boosts[:2] == pytest.approx([0.8, 0.4])
    assert boosts[-1] == pytest.approx(0.4)
    assert boosts[2:-1] == pytest.approx([np.mean([0.8, 0.4, 0.4])] * 7)
    assert decay.boosts([Passage("a", "x"), Passage("b", "x")]) == [0.0, 0.0]


@given(
    scores=st.lists(st.integers(0, 20), min_size=2, max_size=12),
    ages=st.lists(st.none() | st.integers(-500, 5000), min_size=12, max_size=12),
    chosen=st.lists(st.booleans(), min_size=12, max_size=12),
    weights=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
)
def test_no_boost_moves_a_passage_past_its_bound(
    scores: list[int], ages: list[int | None], chosen: list[bool], weights: tuple[float, float]
) -> None:
    today = datetime(2026, 1, 1, tzinfo=UTC)
    hits = [
        hit(f"{n:02}", score, chosen=chosen[n])
        if ages[n] is None
        else hit(
            f"{n:02}", score, chosen=chosen[n], date=(today - timedelta(days=ages[n])).isoformat()
        )
        for n, score in enumerate(scores)
    ]
    boosts = [Decay("date", "90d", weights[0], now=NOW), Boost({"chosen": True}, weights[1])]
    [found] = BoostedRetriever(Listed(hits), boosts).search(["q"], len(hits))
    deviation = np.std(scores) or 1.0
    normalised = {f"{n:02}": (s - np.mean(scores)) / deviation for n, s in enumerate(scores)}
    bound = sum(map(abs, weights))
    low, high = sum(min(w, 0) for w in weights), sum(max(w, 0) for w in weights)
    for better, worse in pairwise(found):
        assert better.score >= worse.score
        assert normalised[better.passage.id] >= normalised[worse.passage.id] - bound - 1e-9
    for each in found:
        added = each.score - normalised[each.passage.id]
        assert low - 1e-9 <= added <= high + 1e-9


class Longest(Boosting):
    weight = 1.0
    name = "longest"

    def boosts(self, passages: Sequence[Passage]) -> list[float]:
        longest = max(len(each.text) for each in passages)
        return [float(len(each.text) == longest) for each in passages]


def test_a_boost_of_ones_own() -> None:
    bm25 = BM25Retriever([Passage("a", "Cats."), Passage("b", "Cats and many dogs sleep.")])
    [hits] = BoostedRetriever(bm25, Longest()).search(["cats"])
    assert [each.passage.id for each in hits] == ["a", "b"]
    assert [each.score for each in hits] == pytest.approx([1.0, 0.0])
    assert BoostedRetriever(bm25, Longest()).search(["fish"]) == [[]]


@pytest.mark.parametrize("values", [[1.0], [1.0, float("nan")], ["1", "2"], None])
def test_a_boost_of_ones_own_is_a_number_a_passage(values: Any) -> None:
    class Own(Longest):
        def boosts(self, passages: Sequence[Passage]) -> Any:
            return values

    bm25 = BM25Retriever([Passage("a", "Cats."), Passage("b", "Cats and dogs.")])
    with pytest.raises(InvalidInputError, match="'longest' must give a finite number"):
        BoostedRetriever(bm25, Own()).search(["cats"])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Decay("", "90d"), "no field name"),
        (lambda: Decay("date", "90"), "half_life must be a duration above 0"),
        (lambda: Decay("date", "0d"), "half_life must be"),
        (lambda: Decay("date", True), "half_life must be"),
        (lambda: Decay("date", "90d", weight=float("inf")), "weight is a finite number"),
        (lambda: Decay("date", "90d", now="today"), "now must be a date"),
        (lambda: Boost(None, 0.2), "a boost needs a filter"),  # type: ignore[arg-type]
        (lambda: Boost({"n": {"$no": 1}}, 0.2), "no"),
        (lambda: Boost({"n": 1}, "0.2"), "weight is a finite number"),  # type: ignore[arg-type]
        (lambda: BoostedRetriever(Listed([]), []), "there is no boost"),
        (lambda: BoostedRetriever(Listed([]), [Decay]), "is none"),  # type: ignore[list-item]
        (lambda: BoostedRetriever(Listed([]), "90d"), "a list of Decay"),  # type: ignore[arg-type]
        (lambda: BoostedRetriever(Listed([]), Boost({"n": 1}, 1), depth=0), "depth must be"),
    ],
)
def test_what_is_not_valid_is_refused(make: Any, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        make()
