"""Marks stand at the stages' scores, above bars that count the hits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from hybridge import Hit, Passage, StageScore
from hybridge.errors import InvalidInputError
from hybridge.plots import Picture, rank_flow, score_distributions

Named = Callable[[Figure, str], list[Artist]]


def lines_of(named: Named, figure: Figure, gid: str) -> list[Line2D]:
    return [artist for artist in named(figure, gid) if isinstance(artist, Line2D)]


@pytest.fixture
def hits(hits_of: Callable[..., list[Hit]]) -> list[Hit]:
    ids = [f"p{i:02}" for i in range(30)]
    return hits_of({"bm25": ids[::-1][:20], "dense": ids[5:], "fusion": ids})


def test_marks_stand_at_the_scores(hits: list[Hit], named: Named) -> None:
    figure = score_distributions(hits, top=12).figure
    for i, hit in enumerate(hits[:12], start=1):
        xs = [
            float(np.asarray(line.get_xdata())[0]) for line in lines_of(named, figure, f"top-{i}")
        ]
        assert xs == [entry.score for entry in hit.trace if entry.stage != "final"]


def test_marks_look_as_in_the_rank_flow(hits: list[Hit], named: Named) -> None:
    figures = [draw(hits, top=5).figure for draw in (rank_flow, score_distributions)]
    for i in range(1, 6):
        looks = {
            (line.get_color(), line.get_marker())
            for figure in figures
            for line in lines_of(named, figure, f"top-{i}")
        }
        assert len(looks) == 1


def test_the_bars_count_the_hits(hits: list[Hit]) -> None:
    bm25, *_ = score_distributions(hits).figure.axes
    heights = np.array([bar.get_height() for bar in bm25.patches if isinstance(bar, Rectangle)])
    counted = heights / heights[heights > 0].min()
    assert counted.sum() == pytest.approx(20)  # bm25 ranked 20, each with another score


def test_what_a_stage_did_not_rank_is_named(
    hits: list[Hit], texts_of: Callable[[Figure], list[str]]
) -> None:
    texts = texts_of(score_distributions(hits, top=7).figure)
    assert any("not ranked:\n1, 2, 3, 4, 5" in text for text in texts)


def test_marks_never_overlap_not_even_at_equal_scores(
    hits: list[Hit], check_tidy: Callable[[Picture], None]
) -> None:
    check_tidy(score_distributions(hits))
    equal = [Hit(Passage(f"p{i}", "x"), 0.5, (StageScore("same", i + 1, 0.5),)) for i in range(10)]
    check_tidy(score_distributions(equal))
    rounded = Hit(Passage("p10", "x"), 0.5, (StageScore("same", 1, 0.5000000000000001),))
    check_tidy(score_distributions([rounded, *equal]))
    check_tidy(score_distributions(equal[:1]))
    zero = [Hit(Passage("a", "x"), 0.0)]
    check_tidy(score_distributions(zero))


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_what_has_no_place_on_an_axis_is_refused(score: float) -> None:
    hits = [Hit(Passage(name, "x"), value) for name, value in (("a", score), ("b", 1.0))]
    with pytest.raises(InvalidInputError, match=f"'final' gave the score {score}"):
        score_distributions(hits)
