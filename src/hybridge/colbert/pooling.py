"""Fewer token vectors of a passage: the means of clusters of similar ones.

The clusters are Ward's (J. H. Ward, *Hierarchical grouping to optimize an objective function*,
JASA 58, 1963), found by chains of nearest neighbours (F. Murtagh, *A survey of recent advances in
hierarchical clustering algorithms*, The Computer Journal 26, 1983), as in sentence-transformers'
`HierarchicalTokenPooling` and PyLate: B. Clavié, A. Chaffin and G. Adams, *Reducing the Footprint
of Multi-Vector Retrieval with Minimal Performance Impact via Token Pooling*, 2024, arXiv
2409.14683. Where scipy is installed, it finds the same clusters faster.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..protocols import Vectors

__all__ = ["clusters", "means", "ward"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

# The first token, [CLS], stays as it is.
_PROTECTED = 1


def clusters(vectors: Vectors, factor: float) -> Numbers:
    """Return the number of each vector's cluster; the first vector is one by itself.

    Args:
        vectors: a passage's token vectors of length 1, shape (tokens, dimension).
        factor: about so many vectors, at least 1, share a cluster.

    Returns:
        Shape (tokens,): whole numbers from 0, each taken.

    >>> clusters(np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32), 1.5).tolist()
    [0, 2, 1, 2]
    """
    protected, rest = vectors[:_PROTECTED], vectors[_PROTECTED:]
    count = max(int(len(rest) // factor), 1)
    if count >= len(rest):
        return np.arange(len(vectors))
    distances = (1 - rest @ rest.T).clip(0, 2).astype(np.float64)
    merges = _linkage(distances)
    # As many of the nearest merges as leave `count` clusters, and all others at the last one's
    # distance.
    is_within = merges[:, 2] <= merges[len(rest) - count - 1, 2]
    found: Numbers = np.concatenate(
        [np.arange(len(protected)), len(protected) + _cut(merges, is_within)]
    )
    return found


def means(vectors: Vectors, labels: Numbers) -> Vectors:
    """Return the mean of each cluster's vectors.

    >>> means(np.array([[1, 0], [0, 1], [0, 3]], dtype=np.float32), np.array([1, 0, 0])).tolist()
    [[0.0, 2.0], [1.0, 0.0]]
    """
    counts = np.bincount(labels)
    sums: Vectors = np.zeros((len(counts), vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    sums /= counts[:, None].astype(np.float32)
    return sums


def _linkage(distances: Floats) -> NDArray[Any]:
    if find_spec("scipy") is None:
        return ward(distances)
    from scipy.cluster.hierarchy import linkage  # type: ignore[import-untyped]

    upper = np.triu_indices(len(distances), 1)
    found: NDArray[Any] = linkage(distances[upper], method="ward")
    return found


def ward(distances: Floats) -> Floats:
    """Return the merges of Ward's clustering, the nearest first, as scipy's `linkage` does.

    Args:
        distances: shape (items, items), symmetric, of at least two items.

    Returns:
        A row a merge: the two clusters, their distance, and how many items the new one has.
        Clusters below the number of items are items, later ones the merges in their order.

    >>> ward(np.array([[0, 1, 5], [1, 0, 5], [5, 5, 0]], dtype=np.float64))[0].tolist()
    [0.0, 1.0, 1.0, 2.0]
    """
    count = len(distances)
    table = distances.copy()
    np.fill_diagonal(table, np.inf)
    sizes = np.ones(count)
    alive = np.ones(count, dtype=bool)
    merges = np.empty((count - 1, 3))
    chain: list[int] = []
    for step in range(count - 1):
        if not chain:
            chain.append(int(alive.argmax()))
        while True:
            row = table[chain[-1]]
            nearest = int(row.argmin())
            # The one before is preferred, or equal distances would lead in circles.
            if len(chain) > 1 and row[chain[-2]] <= row[nearest]:
                break
            chain.append(nearest)
        dropped, grown = sorted((chain.pop(), chain.pop()))
        distance = table[dropped, grown]
        merges[step] = dropped, grown, distance
        share = 1 / (sizes + sizes[dropped] + sizes[grown])
        # G. N. Lance and W. T. Williams, The Computer Journal 9, 1967; rounded as scipy does.
        squares = (
            (sizes + sizes[dropped]) * share * table[dropped] * table[dropped]
            + (sizes + sizes[grown]) * share * table[grown] * table[grown]
            - sizes * share * distance * distance
        )
        sizes[grown] += sizes[dropped]
        alive[dropped] = False
        updated = np.where(alive, np.sqrt(squares.clip(0)), np.inf)
        updated[grown] = np.inf
        table[grown], table[:, grown] = updated, updated
        table[dropped], table[:, dropped] = np.inf, np.inf
    return _numbered(merges[np.argsort(merges[:, 2], kind="stable")])


def _numbered(merges: Floats) -> Floats:
    """Return merges of items as merges of clusters, which are numbered in their order."""
    count = len(merges) + 1
    parents = list(range(2 * count - 1))
    sizes = [1] * count
    rows = np.empty((count - 1, 4))

    def root(cluster: int) -> int:
        while parents[cluster] != cluster:
            parents[cluster] = cluster = parents[parents[cluster]]
        return cluster

    for number, (one, other, distance) in enumerate(merges.tolist()):
        pair = sorted((root(int(one)), root(int(other))))
        for each in pair:
            parents[each] = count + number
        sizes.append(sum(sizes[each] for each in pair))
        rows[number] = *pair, distance, sizes[-1]
    return rows


def _cut(merges: NDArray[Any], is_within: NDArray[np.bool_]) -> Numbers:
    """Return the cluster of each item, numbered as scipy's `fcluster` does, but from 0.

    Args:
        merges: see `ward`.
        is_within: whether the two clusters of a merge are one.
    """
    count = len(merges) + 1
    labels = np.empty(count, dtype=np.int64)
    found = 0

    def members(cluster: int) -> list[int]:
        items, waiting = [], [cluster]
        while waiting:
            if (each := waiting.pop()) < count:
                items.append(each)
            else:
                waiting.extend(int(child) for child in merges[each - count, :2])
        return items

    waiting = [2 * count - 2]
    while waiting:
        cluster = waiting.pop()
        if cluster < count or is_within[cluster - count]:
            labels[members(cluster)] = found
            found += 1
            continue
        children = [int(child) for child in merges[cluster - count, :2]]
        # Clusters before single items, as scipy walks the tree; the last is taken first.
        waiting.extend(sorted(children, key=lambda child: (child >= count, -children.index(child))))
    return labels
