"""The principal axes keep as much of the vectors as any so many directions can."""

from __future__ import annotations

import numpy as np
import pytest

from hybridge.colbert.projection import principal_axes
from hybridge.errors import InvalidInputError


@pytest.fixture
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12)) + 0.5
    return (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)


def test_what_is_lost_is_the_least_possible(vectors: np.ndarray) -> None:
    axes = principal_axes(vectors, 5)
    lost = np.linalg.norm(vectors - vectors @ axes.T @ axes) ** 2
    # Eckart and Young: no rank-5 approximation loses less than the other singular values squared.
    least = (np.linalg.svd(vectors, compute_uv=False)[5:] ** 2).sum()
    assert lost == pytest.approx(least, rel=1e-4)


def test_directions_are_orthogonal_of_length_one_and_the_longest_first(vectors: np.ndarray) -> None:
    axes = principal_axes(vectors, 5)
    assert axes.dtype == np.float32
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-6)
    lengths = np.linalg.norm(vectors @ axes.T, axis=0)
    assert (np.diff(lengths) < 0).all()


def test_signs_do_not_depend_on_chance(vectors: np.ndarray) -> None:
    axes = principal_axes(vectors, 5)
    assert (axes[np.arange(5), np.abs(axes).argmax(axis=1)] > 0).all()
    np.testing.assert_allclose(principal_axes(vectors[::-1], 5), axes, atol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "dimension", "message"),
    [(3, 4, "3 tokens, too few for 4"), (400, 12, "below the 12"), (400, 13, "below the 12")],
)
def test_what_cannot_be_is_named(
    vectors: np.ndarray, tokens: int, dimension: int, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        principal_axes(vectors[:tokens], dimension)
