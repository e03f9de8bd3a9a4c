"""Centroids are where vectors are, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hybridge.colbert.ragatouille import building


def unit(rows: NDArray[np.float64]) -> NDArray[np.float16]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def test_each_cluster_gets_a_centroid() -> None:
    draw = np.random.default_rng(0)
    middles = np.eye(8)[:4]
    vectors = unit(np.repeat(middles, 50, axis=0) + draw.normal(scale=0.05, size=(200, 8)))
    found = building.centroids(vectors, 4)
    assert found.dtype == torch.float32
    assert torch.allclose(found.norm(dim=1), torch.ones(4))
    order = found.numpy()[:, :4].argmax(axis=1)
    assert sorted(order) == [0, 1, 2, 3]
    np.testing.assert_allclose(found.numpy(), middles[order], atol=0.05)
    nearest = building.nearest(torch.from_numpy(vectors), found)
    assert order[nearest].tolist() == np.repeat(range(4), 50).tolist()


def test_the_same_vectors_give_the_same_centroids() -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(3000, 32)))
    assert torch.equal(building.centroids(vectors, 64), building.centroids(vectors.copy(), 64))


@pytest.mark.parametrize("count", [1, 7])
def test_there_may_be_as_many_centroids_as_vectors(count: int) -> None:
    vectors = unit(np.random.default_rng(2).normal(size=(count, 16)))
    nearest = building.nearest(torch.from_numpy(vectors), building.centroids(vectors, count))
    assert sorted(nearest.tolist()) == list(range(count))


def test_the_nearest_has_the_greatest_product() -> None:
    draw = np.random.default_rng(3)
    vectors, centroids = unit(draw.normal(size=(500, 16))), unit(draw.normal(size=(40, 16)))
    found = building.nearest(torch.from_numpy(vectors), torch.from_numpy(centroids))
    assert found.tolist() == (vectors.astype(float) @ centroids.T.astype(float)).argmax(1).tolist()
