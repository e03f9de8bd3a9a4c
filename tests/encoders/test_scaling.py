"""Vectors get length 1, as far as they have one."""

from __future__ import annotations

import numpy as np

from hybridge.encoders.scaling import unit_length


def test_unit_length_scales_and_leaves_zero_alone() -> None:
    vectors = np.array([[3, 4], [0, 0], [-2, 0]], dtype=np.float32)
    scaled = unit_length(vectors)
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-6)
    assert vectors.tolist() == [[3, 4], [0, 0], [-2, 0]]
