"""The curve is the training's, with the parent, the best point and the share marked on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridge.adaptation import Adaptation, TrainingSettings
from hybridge.adaptation.saved import SavedTraining
from hybridge.adaptation.training import CurvePoint
from hybridge.fusion import ConvexCombination
from hybridge.plots import Picture, training_curve
from hybridge.tuning import Setting

Named = Callable[[Figure, str], list[Artist]]

TRAINING = SavedTraining(
    curve=[
        CurvePoint(0, 0.0, None, 0.60),
        CurvePoint(10, 5.0, 1.5, 0.70),
        CurvePoint(20, 9.0, 0.75, 0.80),
        CurvePoint(30, 14.0, 0.5, 0.78),
    ],
    best=20,
    steps=30,
    seconds=14.0,
    share=0.5,
    shares={0.0: 0.60, 0.5: 0.81, 0.75: 0.79, 1.0: 0.80},
)
ADAPTATION = Adaptation(
    kind="bi-encoder",
    parent="all-MiniLM-L6-v2",
    folder=Path("adapted"),
    stage="dense",
    measure="nDCG@10",
    settings=TrainingSettings(),
    training=TRAINING,
    questions={"training": 70, "validation": 12, "held out": 20},
    compared=(),
    setting=Setting(ConvexCombination(), {"bm25": 0.5, "dense": 0.5}, 100),
    model=None,
)


def xy(artist: Artist) -> list[tuple[float, float]]:
    assert isinstance(artist, Line2D)
    return list(zip(*np.asarray(artist.get_data()).tolist(), strict=True))


def test_validation_loss_and_marks(
    named: Named,
    texts_of: Callable[[Figure], list[str]],
    check_tidy: Callable[[Picture], None],
) -> None:
    picture = training_curve(ADAPTATION)

    [validation], [loss] = (named(picture.figure, gid) for gid in ("validation", "loss"))
    assert xy(validation) == [(0, 0.60), (10, 0.70), (20, 0.80), (30, 0.78)]
    assert xy(loss) == [(10, 1.5), (20, 0.75), (30, 0.5)]
    [best], [adapted], [before] = (
        named(picture.figure, gid) for gid in ("best", "adapted", "before")
    )
    assert xy(best) == [(20, 0.80)]
    assert xy(adapted) == [(20, 0.81)]
    assert {y for _, y in xy(before)} == {0.60}
    legend = {"before training", "best, step 20", "adapted, 50 % of it"}
    assert legend <= set(texts_of(picture.figure))
    above, below = picture.figure.axes
    assert above.get_xlim() == below.get_xlim()
    assert picture.alt == (
        "nDCG@10 on validation questions in 30 steps of training: 0.600 before, 0.800 at best, "
        "after 20; 0.810 with 50 % of the trained weights."
    )
    check_tidy(picture)


def test_trained_weights_alone_have_no_mark_beside_the_best(named: Named) -> None:
    picture = training_curve(replace(ADAPTATION, training=replace(TRAINING, share=1.0)))
    assert named(picture.figure, "adapted") == []
    assert picture.alt.endswith("at best, after 20.")


@pytest.mark.parametrize("loss", [float("inf"), float("nan"), 0.5])
def test_a_training_that_gained_nothing(
    named: Named, check_tidy: Callable[[Picture], None], loss: float
) -> None:
    curve = [CurvePoint(0, 0.0, None, 0.6), CurvePoint(1, 1.0, loss, 0.6)]
    kept = replace(TRAINING, curve=curve, best=0, steps=1, share=0.0, shares={0.0: 0.6})
    picture = training_curve(replace(ADAPTATION, training=kept))
    [best] = named(picture.figure, "best")
    assert xy(best) == [(0, 0.6)]
    assert "at best, after 0" in picture.alt
    check_tidy(picture)


def test_a_single_point_is_drawn(check_tidy: Callable[[Picture], None]) -> None:
    alone = replace(TRAINING, curve=TRAINING.curve[:1], best=0, steps=1, share=0.0, shares={})
    check_tidy(training_curve(replace(ADAPTATION, training=alone)))
