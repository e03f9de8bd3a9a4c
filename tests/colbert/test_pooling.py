"""Pooled vectors are those of sentence-transformers, whether or not scipy is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

from hybridge.colbert import pooling
from hybridge.colbert.pooling import clusters, means, ward
from hybridge.encoders.scaling import unit_length
from hybridge.protocols import Vectors


def vectors(seed: int, count: int, dimension: int, *, tied: bool) -> Vectors:
    rng = np.random.default_rng(seed)
    numbers = (
        rng.integers(-1, 2, (count, dimension)) if tied else rng.normal(size=(count, dimension))
    )
    return unit_length(numbers.astype(np.float32) + np.float32(1e-3))


SAMPLES = {
    "seed": st.integers(0, 10_000),
    "count": st.integers(2, 60),
    "dimension": st.integers(2, 8),
    "factor": st.sampled_from([1.5, 2, 3, 100]),
}


def found(rows: Vectors, factor: float, *, scipy: bool) -> NDArray[np.int64]:
    with pytest.MonkeyPatch.context() as patch:
        if not scipy:
            patch.setattr(pooling, "find_spec", lambda name: None)
        return clusters(rows, factor)


@pytest.mark.parametrize("scipy", [True, False])
@settings(deadline=None, max_examples=60)
@given(**SAMPLES)
def test_the_means_are_those_of_sentence_transformers(
    scipy: bool, seed: int, count: int, dimension: int, factor: float
) -> None:
    rows = vectors(seed, count, dimension, tied=False)
    expected = HierarchicalTokenPooling(factor).pool_one(torch.from_numpy(rows)).numpy()
    labels = found(rows, factor, scipy=scipy)
    np.testing.assert_allclose(unit_length(means(rows, labels)), expected, atol=1e-6)


@pytest.mark.parametrize("scipy", [True, False])
@settings(deadline=None, max_examples=60)
@given(**SAMPLES)
def test_equal_distances_are_cut_as_by_scipy(
    scipy: bool, seed: int, count: int, dimension: int, factor: float
) -> None:
    rows = vectors(seed, count, dimension, tied=True)
    rest = rows[1:]
    wanted = max(int(len(rest) // factor), 1)
    expected = np.arange(count)
    if wanted < len(rest):
        distances = (1 - rest @ rest.T).clip(0, 2).astype(np.float64)
        merges = linkage(distances[np.triu_indices(len(rest), 1)], method="ward")
        expected[1:] = fcluster(merges, t=wanted, criterion="maxclust")
    assert found(rows, factor, scipy=scipy).tolist() == expected.tolist()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("count", [2, 3, 40, 200])
def test_the_merges_are_those_of_scipy(count: int, tied: bool) -> None:
    rows = vectors(count, count, 6, tied=tied).astype(np.float64)
    distances = (1 - rows @ rows.T).clip(0, 2)
    np.fill_diagonal(distances, 0)
    distances = (distances + distances.T) / 2
    expected = linkage(distances[np.triu_indices(count, 1)], method="ward")
    merges = ward(distances)
    np.testing.assert_array_equal(merges[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    np.testing.assert_allclose(merges[:, 2], expected[:, 2], atol=1e-12)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_vectors_stay_apart(count: int) -> None:
    assert clusters(np.eye(3, dtype=np.float32)[:count], 2).tolist() == list(range(count))
