"""The heat map outlines each row's greatest value, and the values sum to the score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hybridge.errors import InvalidInputError
from hybridge.explanation import MaxSimPart
from hybridge.plots import Picture, max_sim


def part_of(matrix: NDArray[np.float64], prefix: str = "d") -> MaxSimPart:
    rows, columns = matrix.shape
    return MaxSimPart(
        "late-interaction",
        tuple(f"q{row}" for row in range(rows)),
        tuple(f"{prefix}{column}" for column in range(columns)),
        matrix,
        float(matrix.max(axis=1).sum()) if matrix.size else 0.0,
    )


def outlined(figure: Figure) -> set[tuple[int, int]]:
    """Return the row and the column, as drawn, of each outlined cell."""
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return {(round(box.get_y() + 0.5), round(box.get_x() + 0.5)) for box in boxes}


def test_each_row_s_greatest_value_is_outlined(texts_of: Callable[[Figure], list[str]]) -> None:
    matrix = np.array([[0.1, 0.9, 0.3], [0.8, 0.2, -0.4]])
    picture = max_sim(part_of(matrix))
    assert outlined(picture.figure) == {(0, 1), (1, 0)}
    texts = texts_of(picture.figure)
    assert {"0.90  d1", "0.80  d0"} <= set(texts)
    assert any("MaxSim 1.70" in text for text in texts)
    assert picture.alt.endswith("q0: d1 0.90. q1: d0 0.80.")


def test_of_a_long_passage_every_maximum_is_shown(
    texts_of: Callable[[Figure], list[str]], check_tidy: Callable[[Picture], None]
) -> None:
    matrix = np.random.default_rng(0).uniform(-0.1, 0.9, (12, 300))
    picture = max_sim(part_of(matrix))
    axes = picture.figure.axes[0]
    shown = [int(label.get_text()[1:]) for label in axes.get_xticklabels()]
    assert shown == sorted(set(shown))
    best = matrix.argmax(axis=1)
    assert set(best.tolist()) <= set(shown)
    assert outlined(picture.figure) == {(row, shown.index(i)) for row, i in enumerate(best)}
    drawn = np.asarray(axes.images[0].get_array())
    assert np.array_equal(drawn, matrix[:, shown])
    assert any(f"{len(shown)} of 300 tokens shown" in text for text in texts_of(picture.figure))
    check_tidy(picture)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 400), (70, 5), (64, 200)])
def test_any_shape_is_tidy(rows: int, columns: int, check_tidy: Callable[[Picture], None]) -> None:
    matrix = np.random.default_rng(0).normal(size=(rows, columns))
    check_tidy(max_sim(part_of(matrix, "a rather long token $")))


def test_without_tokens_there_is_nothing_to_draw() -> None:
    for part in (None, part_of(np.empty((3, 0))), part_of(np.empty((0, 3)))):
        with pytest.raises(InvalidInputError, match="no tokens"):
            max_sim(part)
