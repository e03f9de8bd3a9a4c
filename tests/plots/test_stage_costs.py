"""Each stage's bar is as long as its median time, and begins where the one before it ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hybridge.errors import InvalidInputError
from hybridge.evaluation import Evaluation
from hybridge.plots import Picture, stage_costs
from hybridge.plots.marks import COLORS

Named = Callable[[Figure, str], list[Artist]]


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation(
        {name: {"RR": {"a": 1.0, "b": 0.5, "c": 0.0}} for name in ("hybrid", "foreign", "fast")},
        latencies={
            "hybrid": {"a": 0.012, "b": 0.013, "c": 0.030},
            "foreign": {"a": 0.02, "b": 0.02, "c": 0.02},
            "fast": {"a": 0.0, "b": 0.0, "c": 0.0},
        },
        stages={
            "hybrid": {
                "encode": {"a": 0.009, "b": 0.008, "c": 0.025},
                "bm25": {"a": 0.001, "b": 0.002, "c": 0.003},
                "late-interaction:blend": {"a": 0.0001, "b": 0.0001, "c": 0.0001},
            }
        },
    )


def spans(named: Named, figure: Figure, stage: str) -> list[tuple[float, float]]:
    bars = [bar for bar in named(figure, stage) if isinstance(bar, Rectangle)]
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]


def test_bars_are_medians_end_to_end(
    evaluation: Evaluation,
    named: Named,
    texts_of: Callable[[Figure], list[str]],
    check_tidy: Callable[[Picture], None],
) -> None:
    picture = stage_costs(evaluation)
    assert spans(named, picture.figure, "encode") == [pytest.approx((0, 9))]
    assert spans(named, picture.figure, "bm25") == [pytest.approx((9, 11))]
    assert spans(named, picture.figure, "late-interaction:blend") == [pytest.approx((11, 11.1))]
    texts = texts_of(picture.figure)
    assert {"hybrid", "encode 9.0", "13.0 ms"} <= set(texts)
    assert any("late-interaction:blend 0.10" in text for text in texts)  # below: it does not fit
    assert "hybrid: 13.0 ms (encode 9.0 ms, bm25 2.0 ms" in picture.alt
    check_tidy(picture)


@pytest.mark.parametrize("count", [5, 12])
def test_labels_below_a_bar_stay_in_the_picture(
    count: int,
    texts_of: Callable[[Figure], list[str]],
    check_tidy: Callable[[Picture], None],
) -> None:
    # As behind a cross-encoder: one stage takes nearly all the time, the others have no room.
    thin = {f"late-interaction-{i}": {"a": 0.001} for i in range(count)}
    found = stage_costs(
        Evaluation(
            {"+ late interaction": {"RR": {"a": 1.0}}, "slow": {"RR": {"a": 1.0}}},
            latencies={"+ late interaction": {"a": 0.01}, "slow": {"a": 4.0}},
            stages={"+ late interaction": thin, "slow": {"cross-encoder": {"a": 4.0}}},
        )
    )
    [label] = [text for text in texts_of(found.figure) if "late-interaction-0" in text]
    assert label.count("·") >= 3
    check_tidy(found)


def test_a_retriever_that_tells_of_no_stages_is_one_bar(
    evaluation: Evaluation, named: Named
) -> None:
    foreign, fast = spans(named, stage_costs(evaluation).figure, "search")
    assert foreign == pytest.approx((0, 20))
    assert fast == pytest.approx((0, 0), abs=1e-5)


def test_a_stage_has_one_colour_and_neighbours_differ(named: Named) -> None:
    names = [f"stage {i}" for i in range(10)]
    orders = {"all": names, "some": names[::3]}
    drawn = stage_costs(
        Evaluation(
            {name: {"RR": {"a": 1.0}} for name in orders},
            latencies={name: {"a": 0.1} for name in orders},
            stages={
                name: {stage: {"a": 0.01} for stage in order} for name, order in orders.items()
            },
        )
    ).figure
    colors: list[tuple[float, ...]] = []
    for name in names:
        bars = [bar for bar in named(drawn, name) if isinstance(bar, Rectangle)]
        assert len(bars) == (2 if name in orders["some"] else 1)
        [color] = {bar.get_facecolor() for bar in bars}
        colors.append(color)
    assert all(one != other for one, other in pairwise(colors))
    assert len(set(colors)) == len(COLORS)


def test_stages_that_took_no_time_are_drawn_all_the_same(
    check_tidy: Callable[[Picture], None],
) -> None:
    found = Evaluation(
        {"a": {"RR": {"q": 1.0}}}, latencies={"a": {"q": 0.0}}, stages={"a": {"bm25": {"q": 0.0}}}
    )
    check_tidy(stage_costs(found))


def test_what_was_not_timed_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'a' was not timed"):
        stage_costs(Evaluation({"a": {"RR": {"q": 1.0}}}))
