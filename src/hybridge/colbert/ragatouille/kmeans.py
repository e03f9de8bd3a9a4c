"""Centroids for token vectors, and which of them is nearest, in bounded memory by faiss.

RAGatouille's own k-means compares every vector with every centroid at once: 9 GB for a thousand
abstracts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["centroids", "nearest"]

_ITERATIONS = 4  # colbert-ai's own
_SEED = 123


def centroids(vectors: NDArray[np.float16], count: int) -> Tensor:
    """So many directions that every vector is near one of them.

    The same vectors in the same order give the same centroids.

    Args:
        vectors: shape (tokens, dimension), rows of length 1.
        count: not more than there are tokens.

    Returns:
        Float32 of shape (count, dimension), rows of length 1.
    """
    import torch

    kmeans = _faiss().Kmeans(
        vectors.shape[1],
        count,
        niter=_ITERATIONS,
        seed=_SEED,
        spherical=True,
        # None of its warnings of few vectors, and no sampling of its own.
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    kmeans.train(vectors.astype(np.float32))
    return torch.nn.functional.normalize(torch.from_numpy(kmeans.centroids), dim=-1)


def nearest(vectors: Tensor, centroids: Tensor) -> Tensor:
    """The centroid with the greatest dot product for each vector, shape (tokens,)."""
    import torch

    index = _faiss().IndexFlatIP(centroids.shape[1])
    index.add(centroids.float().numpy())
    return torch.from_numpy(index.search(vectors.float().numpy(), 1)[1].squeeze(1))


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingExtraError("faiss-cpu", "colbert") from error
    return faiss
