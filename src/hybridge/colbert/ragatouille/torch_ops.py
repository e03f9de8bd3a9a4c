"""colbert-ai's four C++ functions, in torch and numpy.

colbert-ai compiles them at run time, by g++ and ninja, in half a minute each. These give the same
numbers in about the same time without a compiler. The names of functions and arguments are
colbert-ai's: `pids` are passages; `lengths` (or `doclens`) and `offsets` hold the number of token
rows of each of all passages, and where they begin; `codes` holds each token's centroid.

numpy does what only picks rows up and joins them: torch shares such a step among threads that wait
for each other, which on a busy machine takes several times as long as the step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..max_sim import segmented_max_sim

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["decompress_residuals", "filter_pids", "install", "segmented_lookup", "segmented_maxsim"]

logger = logging.getLogger(__name__)

# A query token's best match in a passage none of whose tokens counts.
_FAR = -9999.0


def install() -> None:
    """Replace colbert-ai's functions for the rest of the process, unless already compiled."""
    from colbert.modeling.colbert import ColBERT
    from colbert.search.index_storage import IndexScorer
    from colbert.search.strided_tensor import StridedTensor

    parts: list[tuple[Any, list[Callable[..., Tensor]]]] = [
        (ColBERT, [segmented_maxsim]),
        (StridedTensor, [segmented_lookup]),
        (IndexScorer, [filter_pids, decompress_residuals]),
    ]
    lacking = [part for part in parts if not hasattr(part[0], "loaded_extensions")]
    for owner, functions in lacking:
        for function in functions:
            setattr(owner, function.__name__, staticmethod(function))
        owner.loaded_extensions = True
    if lacking:
        logger.info("torch and numpy compute what colbert-ai has C++ for; nothing is compiled")


def segmented_maxsim(scores: Tensor, lengths: Tensor) -> Tensor:
    """Return `segmented_max_sim` of tensors."""
    import torch

    return torch.from_numpy(segmented_max_sim(scores.numpy(), lengths.numpy()))


def segmented_lookup(packed: Tensor, pids: Tensor, lengths: Tensor, offsets: Tensor) -> Tensor:
    """Return the rows of passages from `packed`, by the passages' own lengths and offsets."""
    import torch

    rows = _rows(offsets.numpy(), lengths.numpy())
    return packed.index_select(0, torch.from_numpy(rows))


def decompress_residuals(
    pids: Tensor,
    lengths: Tensor,
    offsets: Tensor,
    bucket_weights: Tensor,
    reversed_bit_map: Tensor,
    bucket_weight_combinations: Tensor,
    binary_residuals: Tensor,
    codes: Tensor,
    centroids: Tensor,
    dim: int,
    nbits: int,
) -> Tensor:
    """Return the token vectors of passages: their centroids plus their residuals.

    Args:
        pids: the passages.
        lengths: of all passages.
        offsets: of all passages.
        bucket_weights: the value of each index of `nbits` bits.
        reversed_bit_map: a byte of residuals → the byte with each index's bits reversed.
        bucket_weight_combinations: such a byte → its indices.
        binary_residuals: shape (tokens, dim * nbits / 8).
        codes: shape (tokens,).
        centroids: shape (centroids, dim).
        dim: the length of a vector.
        nbits: bits of a residual.
    """
    import torch

    passages = pids.numpy()
    rows = _rows(offsets.numpy()[passages], lengths.numpy()[passages])
    # The values of each byte.
    weights = bucket_weights.numpy()[bucket_weight_combinations.numpy()[reversed_bit_map.numpy()]]
    vectors = weights.take(binary_residuals.numpy().take(rows, axis=0), axis=0).reshape(-1, dim)
    vectors += centroids.numpy().take(codes.numpy().take(rows), axis=0)
    return torch.from_numpy(vectors)


def filter_pids(
    pids: Tensor,
    centroid_scores: Tensor,
    codes: Tensor,
    doclens: Tensor,
    offsets: Tensor,
    idx: Tensor,
    nfiltered_docs: int,
) -> Tensor:
    """Return a quarter of `nfiltered_docs` passages: the best by their centroids alone.

    A first round counts the centroids in `idx` alone and keeps `nfiltered_docs` passages.
    `centroid_scores` has the shape (centroids, tokens of the query).
    """
    import torch

    def best(
        pids: NDArray[np.int32], counted: NDArray[np.bool_] | None, count: int
    ) -> NDArray[np.int32]:
        pids = np.sort(pids)[::-1]  # of two equals, C++ keeps the later
        lengths = doclens.numpy()[pids]
        tokens = codes.numpy().take(_rows(offsets.numpy()[pids], lengths))
        if counted is not None:
            mask = counted.take(tokens)
            tokens = tokens[mask]
            before = np.concatenate([[0], mask.cumsum()])
            ends = lengths.cumsum()
            lengths = before[ends] - before[ends - lengths]
        starts = (lengths.cumsum() - lengths).astype(tokens.dtype)
        nearest = torch.nn.functional.embedding_bag(
            torch.from_numpy(tokens), centroid_scores, torch.from_numpy(starts), mode="max"
        ).numpy()
        nearest[lengths == 0] = _FAR
        return pids[np.argsort(-nearest.sum(1), kind="stable")[:count]]

    first = best(pids.numpy(), idx.numpy(), nfiltered_docs)
    return torch.from_numpy(best(first, None, nfiltered_docs // 4))


def _rows(offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row numbers of runs that begin at `offsets` and have `lengths` rows."""
    shift = offsets - lengths.cumsum() + lengths
    rows: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(shift, lengths)
    return rows
