"""The curves are the tuning's, with the default and the choice marked on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridge import CallableEncoder, HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.fusion import FUSIONS, ConvexCombination
from hybridge.plots import Picture, tuning_curve
from hybridge.tuning import Setting, Trial, Tuning
from hybridge.tuning.target import Target

Named = Callable[[Figure, str], list[Artist]]

DEFAULT = Setting(ConvexCombination(), {"bm25": 0.5, "dense": 0.5}, 100, k1=1.2, b=0.75)


@pytest.fixture(scope="module")
def tuning() -> Iterator[Tuning]:
    weights = [
        replace(DEFAULT, weights={"bm25": 1 - share, "dense": share})
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    fusions = [replace(DEFAULT, fusion=fusion()) for fusion in FUSIONS.values()]
    depths = [replace(DEFAULT, depth=depth) for depth in (50, 100, 200)]
    scores = [0.60, 0.70, 0.72, 0.74, 0.65]
    trials = [Trial(setting, score) for setting, score in zip(weights, scores, strict=True)]
    trials += [Trial(setting, 0.71) for setting in (*fusions, *depths)]
    ones = CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones")
    with HybridIndex.create(encoder=ones) as index:
        yield Tuning(
            measure="nDCG@10",
            k=10,
            folds=2,
            default=DEFAULT,
            chosen=weights[3],
            trials=trials,
            held_out={"a": 0.8, "b": 0.66},
            default_held_out={"a": 0.8, "b": 0.64},
            interval=(-0.01, 0.03),
            p=0.4,
            target=Target.of(index),
        )


def xy(artist: Artist) -> list[tuple[float, float]]:
    assert isinstance(artist, Line2D)
    return list(zip(*np.asarray(artist.get_data()).tolist(), strict=True))


def test_a_curve_and_its_marks(
    tuning: Tuning, named: Named, texts_of: Callable[[Figure], list[str]]
) -> None:
    figure = tuning_curve(tuning, "weights").figure
    [curve], [default], [chosen] = (named(figure, gid) for gid in ("curve", "default", "chosen"))
    assert xy(curve) == tuning.curve("weights")
    assert xy(default) == [(0.5, 0.72)]
    assert xy(chosen) == [(0.75, 0.74)]
    assert {"default", "chosen", "weight of dense"} <= set(texts_of(figure))
    [band] = named(figure, "noise")
    low, high = band.get_tightbbox().transformed(figure.axes[0].transData.inverted()).intervaly
    assert (low, high) == pytest.approx((0.72, 0.74), abs=0.001)  # half of 0.04 below the best


def test_all_parameters_have_a_panel_of_one_scale(
    tuning: Tuning,
    named: Named,
    texts_of: Callable[[Figure], list[str]],
    check_tidy: Callable[[Picture], None],
) -> None:
    picture = tuning_curve(tuning)
    assert len(named(picture.figure, "curve")) == len(tuning.parameters) == 3
    assert len({axes.get_ylim() for axes in picture.figure.axes}) == 1
    assert any(text.startswith("weighted-rrf") for text in texts_of(picture.figure))
    assert "weights: from 0.600 to 0.740, default 0.5, chosen 0.75." in picture.alt
    check_tidy(picture)


def test_where_default_and_choice_agree_there_is_one_mark(tuning: Tuning, named: Named) -> None:
    figure = tuning_curve(replace(tuning, chosen=DEFAULT), "depth").figure
    [both] = named(figure, "default, chosen")
    assert xy(both) == [(100, 0.74)]


def test_what_was_not_varied_is_refused(tuning: Tuning) -> None:
    with pytest.raises(InvalidInputError, match=r"curve to draw of 'k1'.*: fusion, weights, depth"):
        tuning_curve(tuning, "k1")
    with pytest.raises(InvalidInputError, match="no parameter 'k2'"):
        tuning_curve(tuning, "k2")
    with pytest.raises(InvalidInputError, match="no curve to draw"):
        tuning_curve(replace(tuning, trials=tuning.trials[:1]))


def test_the_weights_of_any_stages_are_named(
    tuning: Tuning, texts_of: Callable[[Figure], list[str]]
) -> None:
    def title(*names: str) -> str:
        settings = [
            replace(DEFAULT, weights=dict.fromkeys(names, 1.0) | {names[0]: weight})
            for weight in (1.0, 2.0)
        ]
        trials = [Trial(setting, 0.5) for setting in settings]
        found = replace(tuning, trials=trials, default=settings[0], chosen=settings[1])
        [text] = [t for t in texts_of(tuning_curve(found, "weights").figure) if "weight" in t[:7]]
        return text

    assert title("short", "long") == "weight of long"
    assert title("a", "b", "c", "d") == "weights of a, b, c, d"
