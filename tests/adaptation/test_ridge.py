"""The closed form, against numpy's least squares and against other maps of its rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from hybridge.adaptation.ridge import Ridge

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 12)


def drawn(seed: int, count: int, dimension: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(2, count, dimension))
    return rows / np.linalg.norm(rows, axis=2, keepdims=True)


def loss(queries: Any, targets: Any, matrix: Any, strength: float) -> float:
    apart = queries @ matrix - targets
    return float((apart**2).sum() + strength * ((matrix - np.eye(len(matrix))) ** 2).sum())


@given(seeds, sizes, sizes, st.floats(1e-3, 1e3))
def test_it_is_the_least_squares_solution(
    seed: int, count: int, dimension: int, strength: float
) -> None:
    queries, targets = drawn(seed, count, dimension)
    # Ridge towards the identity is least squares with √λ I → √λ I as further rows.
    prior = np.sqrt(strength) * np.eye(dimension)
    expected, *_ = np.linalg.lstsq(np.vstack([queries, prior]), np.vstack([targets, prior]))
    found = Ridge(queries, targets)
    assert found.mapped(queries, strength) == pytest.approx(queries @ expected, abs=1e-7)
    assert found.mapped(np.eye(dimension), strength) == pytest.approx(expected, abs=1e-7)


def matrix_of(ridge: Ridge, strength: float, rank: int) -> Any:
    found = ridge.query_map(strength, rank)
    return np.eye(found.dimension) + found.left.astype(float) @ found.right.astype(float)


@given(seeds, st.floats(0.05, 50))
def test_of_full_rank_it_is_the_same_map(seed: int, strength: float) -> None:
    queries, targets = drawn(seed, 20, 8)
    ridge = Ridge(queries, targets)
    matrix = matrix_of(ridge, strength, 8)
    assert queries @ matrix == pytest.approx(ridge.mapped(queries, strength), abs=0.01)


@given(seeds, st.integers(1, 5), st.floats(0.05, 50))
def test_no_other_map_of_its_rank_is_better(seed: int, rank: int, strength: float) -> None:
    queries, targets = drawn(seed, 20, 8)
    ridge = Ridge(queries, targets)
    matrix = matrix_of(ridge, strength, rank)
    assert np.linalg.matrix_rank(matrix - np.eye(8), tol=0.01) <= rank
    best = loss(queries, targets, matrix, strength)
    whole = ridge.mapped(np.eye(8), strength) - np.eye(8)
    u, s, v = np.linalg.svd(whole)
    cut = (u[:, :rank] * s[:rank]) @ v[:rank]
    random = np.random.default_rng(seed + 1)
    for step in (0.0, 0.01, 0.1, 1.0):
        # Near the cut of the whole map, and farther away.
        left = np.linalg.svd(cut + step * random.normal(size=(8, 8)))
        other = (left[0][:, :rank] * left[1][:rank]) @ left[2][:rank]
        assert best <= loss(queries, targets, np.eye(8) + other, strength) * 1.005


def test_a_known_rotation_is_recovered() -> None:
    rotation = ortho_group.rvs(16, random_state=1)
    queries, _ = drawn(0, 100, 16)
    matrix = matrix_of(Ridge(queries, queries @ rotation), 1e-6, 16)
    assert matrix == pytest.approx(rotation, abs=0.01)


def test_a_strong_penalty_leaves_the_identity() -> None:
    queries, targets = drawn(0, 50, 6)
    matrix = matrix_of(Ridge(queries, targets), 1e9, 6)
    assert matrix == pytest.approx(np.eye(6), abs=1e-6)


def test_a_map_has_no_higher_rank_than_it_has_queries() -> None:
    queries, targets = drawn(0, 3, 6)
    found = Ridge(queries, targets).query_map(0.1, 64)
    assert found.dimension == 6
    assert np.linalg.matrix_rank(found.left.astype(float) @ found.right.astype(float), 0.01) <= 3
