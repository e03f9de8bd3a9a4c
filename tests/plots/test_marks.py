"""The colours differ for colour-blind readers, and nothing is in colour alone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from hybridge.plots.marks import COLORS, mark
from hybridge.plots.picture import PALE

Floats = NDArray[np.float64]

# G. Machado, M. Oliveira and L. Fernandes, A Physiologically-based Model for Simulation of Color
# Vision Deficiency, 2009: severity 1.0, on linear sRGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(color: str) -> Floats:
    values = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: Floats) -> Floats:
    """CIE 1976 L*a*b* of linear sRGB, where 2.3 is a just noticeable difference."""
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_are_far_apart_for_every_sight(sight: str) -> None:
    seen = {color: lab(SIGHTS[sight] @ linear(color)) for color in (*COLORS, PALE)}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2))
    assert nearest > 15


def test_every_colour_is_seen_on_white() -> None:
    luminances = [float((TO_XYZ @ linear(color))[1]) for color in COLORS]
    assert min(1.05 / (luminance + 0.05) for luminance in luminances) > 2.2


def test_markers_and_lines_tell_apart_what_shares_a_colour() -> None:
    looks = [mark(i) for i in range(70)]
    assert len(set(looks)) == 70
    assert len({look.marker for look in looks[:10]}) == 10
    assert {look.line for look in looks[:7]} == {"-"}
    assert {look.line for look in looks[7:14]} == {"--"}
