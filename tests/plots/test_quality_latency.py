"""A point a retriever, and the front that no other point beats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats  # type: ignore[import-untyped]

from hybridge import BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import Evaluation, evaluate
from hybridge.plots import Picture, quality_latency
from hybridge.plots.quality_latency import _interval

Named = Callable[[Figure, str], list[Artist]]


def evaluation_of(points: dict[str, tuple[float, float]]) -> Evaluation:
    """Of two queries, one of which is always found: name → (mean, milliseconds)."""
    return Evaluation(
        {name: {"nDCG@10": {"a": 1.0, "b": 2 * mean - 1}} for name, (mean, _) in points.items()},
        latencies={name: {"a": t / 1000, "b": t / 1000} for name, (_, t) in points.items()},
    )


def xy(artist: Artist) -> list[tuple[float, float]]:
    assert isinstance(artist, Line2D)
    return list(zip(*np.asarray(artist.get_data()).tolist(), strict=True))


def test_points_stand_at_mean_and_median(
    named: Named,
    texts_of: Callable[[Figure], list[str]],
    check_tidy: Callable[[Picture], None],
) -> None:
    points = {"bm25": (0.6, 1.0), "dense": (0.55, 20.0), "hybrid": (0.75, 25.0)}
    points["slow"] = (0.7, 90.0)
    picture = quality_latency(evaluation_of(points))
    for i, (mean, time) in enumerate(points.values(), start=1):
        [drawn] = named(picture.figure, f"point-{i}")
        assert xy(drawn) == [pytest.approx((time, mean))]
    [front] = named(picture.figure, "front")
    assert xy(front)[:2] == [pytest.approx((1.0, 0.6)), pytest.approx((25.0, 0.75))]
    assert picture.figure.axes[0].get_xscale() == "log"
    assert {"hybrid", "0.750 · 25.0 ms"} <= set(texts_of(picture.figure))
    assert picture.alt.endswith("None is both faster and better than: bm25, hybrid.")
    check_tidy(picture)


@pytest.mark.parametrize("count", [1, 2, 14])
def test_equal_points_and_many_are_tidy(count: int, check_tidy: Callable[[Picture], None]) -> None:
    names = [f"retriever {i} $of$ a name longer than there is room" for i in range(count)]
    check_tidy(quality_latency(evaluation_of(dict.fromkeys(names, (0.5, 3.0)))))


def test_the_interval_is_the_bootstrap_s() -> None:
    values = np.random.default_rng(1).uniform(size=80)
    low, high = _interval({str(i): float(value) for i, value in enumerate(values)})
    expected = stats.bootstrap((values,), np.mean, method="percentile").confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert _interval({"a": 0.5}) == (0.5, 0.5)


def test_a_real_evaluation_is_drawn_and_an_untimed_one_refused() -> None:
    bm25 = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Dogs ran.")])
    queries, qrels = {"q1": "cats", "q2": "hens"}, {"q1": {"p1": 1}, "q2": {"p2": 1}}
    timed = evaluate({"bm25": bm25}, queries, qrels, ["MRR@10"])
    assert "bm25: 0.500 at" in quality_latency(timed, "MRR@10").alt
    untimed = evaluate({"bm25": bm25}, queries, qrels, ["MRR@10"], batch_size=2)
    with pytest.raises(InvalidInputError, match="'bm25' was not timed"):
        quality_latency(untimed)
