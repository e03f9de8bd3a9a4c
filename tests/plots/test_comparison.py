"""Each query's difference is a bar; wins come first, losses last."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from hybridge.errors import InvalidInputError
from hybridge.evaluation import Evaluation
from hybridge.plots import Picture, comparison

EVALUATION = Evaluation(
    {
        "bm25": {"RR": {"a": 0.5, "b": 1.0, "c": 0.0, "d": 0.25}},
        "hybrid": {"RR": {"a": 1.0, "b": 0.25, "c": 0.0, "d": 0.5}},
    },
    baseline="bm25",
)


def test_bars_are_the_sorted_differences(
    named: Callable[[Figure, str], list[Artist]],
    texts_of: Callable[[Figure], list[str]],
    check_tidy: Callable[[Picture], None],
) -> None:
    picture = comparison(EVALUATION, "hybrid")
    bars = [patch for patch in picture.figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert [bar.get_height() for bar in bars] == [0.5, 0.25, 0.0, -0.75]
    assert len({bar.get_facecolor() for bar in bars if bar.get_height()}) == 2
    [mean] = named(picture.figure, "mean")
    assert isinstance(mean, Line2D)
    assert np.asarray(mean.get_ydata()).tolist() == [0.0, 0.0]
    assert any("2 better, 1 equal, 1 worse" in text for text in texts_of(picture.figure))
    assert picture.alt == "hybrid against bm25, RR: mean +0.000; 2 better, 1 equal, 1 worse."
    check_tidy(picture)


def test_ties_alone_and_one_query_are_tidy(check_tidy: Callable[[Picture], None]) -> None:
    same = {"RR": {"a": 0.5}}
    check_tidy(comparison(Evaluation({"x": same, "y": same}), "y"))


@pytest.mark.parametrize(
    ("retriever", "baseline", "message"),
    [
        ("unknown", None, "no retriever 'unknown'"),
        ("hybrid", "unknown", "no retriever 'unknown'"),
        ("bm25", None, "compared with itself"),
    ],
)
def test_names_that_make_no_pair_are_refused(
    retriever: str, baseline: str | None, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        comparison(EVALUATION, retriever, baseline)
