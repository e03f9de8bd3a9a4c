"""What a tuning tells: its curves, its verdict, and how it prints."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from rich.console import Console

from hybridge.errors import InvalidInputError
from hybridge.fusion import RRF, ConvexCombination
from hybridge.passages import JSON
from hybridge.tuning import Setting, Trial, Tuning

HALVES = {"bm25": 0.5, "dense": 0.5}
DEFAULT = Setting(ConvexCombination(), HALVES, 100, k1=1.2, b=0.75)
CHOSEN = Setting(RRF(), None, 50, k1=1.2, b=0.75)
TRIALS = [
    Trial(DEFAULT, 0.5),
    Trial(replace(DEFAULT, weights={"bm25": 0.2, "dense": 0.8}), 0.6),
    Trial(replace(DEFAULT, depth=20), 0.45),
    Trial(CHOSEN, 0.75),
]


def made(**changes: Any) -> Tuning:
    values: dict[str, Any] = {
        "measure": "nDCG@10",
        "k": 10,
        "folds": 2,
        "default": DEFAULT,
        "chosen": CHOSEN,
        "trials": TRIALS,
        "held_out": {"q1": 1.0, "q2": 0.5},
        "default_held_out": {"q1": 0.5, "q2": 0.5},
        "interval": (0.0, 0.5),
        "p": 0.01,
        "target": cast("Any", None),
    }
    return Tuning(**{**values, **changes})


def test_scores_are_means() -> None:
    tuning = made()
    assert (tuning.held_out_score, tuning.default_score, tuning.difference) == (0.75, 0.5, 0.25)


def test_a_curve_has_the_best_of_each_value_in_order() -> None:
    tuning = made()
    assert tuning.curve("depth") == [(20, 0.45), (50, 0.75), (100, 0.6)]
    assert tuning.curve("weights") == [(0.5, 0.5), (0.8, 0.6)]
    assert tuning.curve("fusion") == [("convex normalization=z-score", 0.6), ("rrf k=60", 0.75)]
    assert tuning.curve("k1") == [(1.2, 0.75)]
    assert tuning.curve("blend") == tuning.curve("rerank_depths") == []
    assert tuning.parameters == ["fusion", "weights", "depth"]
    with pytest.raises(InvalidInputError, match="there is no parameter 'weight': choose one of"):
        tuning.curve("weight")


def test_a_curve_compares_lists_that_went_through_as_many_rerankers() -> None:
    reranked = [
        Trial(replace(CHOSEN, rerank_depths=(depth,), rerank_blends=(0.5,)), score)
        for depth, score in ((20, 0.8), (50, 0.9))
    ]
    default = replace(DEFAULT, rerank_depths=(50,), rerank_blends=(0.5,))
    tuning = made(default=default, trials=[*TRIALS, Trial(default, 0.95), *reranked])
    assert tuning.curve("depth") == [(20, 0.45), (50, 0.75), (100, 0.6)]
    assert tuning.curve("rerank_depths") == [(20, 0.8), (50, 0.95)]


@pytest.mark.parametrize(
    ("changes", "within", "advice"),
    [
        ({}, False, "take the chosen setting"),
        ({"p": 0.05}, True, "Keep the default"),
        ({"held_out": {"q1": 0.1, "q2": 0.1}}, True, "Keep the default"),
        ({"chosen": DEFAULT, "held_out": {"q1": 0.5, "q2": 0.5}, "p": 1.0}, True, "keep it"),
    ],
)
def test_the_verdict_follows_chance(changes: dict[str, Any], within: bool, advice: str) -> None:
    tuning = made(**changes)
    assert tuning.within_noise is within
    assert advice in tuning.verdict


def test_it_prints_what_matters() -> None:
    assert str(made(test_score=0.7, default_test_score=0.65)).splitlines() == [
        "         nDCG@10 held out  fusion                        weights  depth   k1     b",
        "default            0.5000  convex normalization=z-score      0.5    100  1.2  0.75",
        "chosen             0.7500  rrf k=60                            –     50  1.2  0.75",
        "",
        "Chosen − default: +0.2500 [+0.0000, +0.5000], p = 0.0100; each of 2 folds judged by a "
        "choice on the others, 4 settings tried.",
        "The gain is more than chance on these 2 queries: take the chosen setting.",
        "Test: chosen 0.7000, default 0.6500.",
        "",
        "parameter  best      nDCG@10  worst                         nDCG@10",
        "fusion     rrf k=60   0.7500  convex normalization=z-score   0.6000",
        "weights    0.8        0.6000  0.5                            0.5000",
        "depth      50         0.7500  20                             0.4500",
    ]
    assert repr(made()) == "Tuning(nDCG@10: default 0.5000, held out 0.7500, 4 settings)"


def test_a_terminal_and_a_notebook_show_the_same() -> None:
    tuning = made()
    screen = io.StringIO()
    Console(file=screen, width=200).print(tuning)
    html = tuning._repr_html_()
    for text in ("convex normalization=z-score", "rrf k=60", "0.7500", tuning.verdict):
        assert text in screen.getvalue()
        assert text in html


def test_a_setting_alone_prints() -> None:
    text = str(made(trials=[Trial(DEFAULT, 0.5)], chosen=DEFAULT))
    assert text.splitlines()[-1] == "parameter  best  nDCG@10  worst  nDCG@10"


@dataclass(frozen=True)
class Tagged(ConvexCombination):
    """A fusion whose name is not what HTML takes for text."""

    def to_config(self) -> dict[str, JSON]:
        return {"name": "<b>&"}


def test_html_is_escaped() -> None:
    html = made(chosen=replace(CHOSEN, fusion=Tagged()))._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html


def test_the_frame_has_a_row_a_trial() -> None:
    frame = made().to_frame()
    assert list(frame.columns) == ["fusion", "weights", "depth", "k1", "b", "nDCG@10"]
    assert frame["depth"].tolist() == [100, 100, 20, 50]
    assert frame["nDCG@10"].tolist() == [0.5, 0.6, 0.45, 0.75]
