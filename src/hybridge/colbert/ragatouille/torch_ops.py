"""colbert-ai's four C++ functions, in torch.

Theirs are compiled while the program runs, by g++ and ninja, in half a minute each. These give the
same numbers in about the same time, so nothing is compiled here and no compiler is needed. The
names of functions and arguments are colbert-ai's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["decompress_residuals", "filter_pids", "install", "segmented_lookup", "segmented_maxsim"]

# A query token's best match in a passage none of whose tokens counts.
_FAR = -9999.0


def install() -> None:
    """Give colbert-ai these functions, unless it has compiled its own already."""
    from colbert.modeling.colbert import ColBERT
    from colbert.search.index_storage import IndexScorer
    from colbert.search.strided_tensor import StridedTensor

    parts: list[tuple[Any, list[Callable[..., Tensor]]]] = [
        (ColBERT, [segmented_maxsim]),
        (StridedTensor, [segmented_lookup]),
        (IndexScorer, [filter_pids, decompress_residuals]),
    ]
    for owner, functions in parts:
        if not hasattr(owner, "loaded_extensions"):
            for function in functions:
                setattr(owner, function.__name__, staticmethod(function))
            owner.loaded_extensions = True


def segmented_maxsim(scores: Tensor, lengths: Tensor) -> Tensor:
    """The sum, over a query's tokens, of the best score in each passage, 0 at least.

    Args:
        scores: shape (tokens of all passages, tokens of the query).
        lengths: how many of those tokens each passage has.

    Returns:
        Shape (passages,).
    """
    import torch

    passages = torch.repeat_interleave(lengths)[:, None].expand_as(scores)
    best = scores.new_zeros(len(lengths), scores.shape[1])
    return best.scatter_reduce_(0, passages, scores, "amax").sum(1)


def segmented_lookup(packed: Tensor, pids: Tensor, lengths: Tensor, offsets: Tensor) -> Tensor:
    """The rows of some passages, one passage after another.

    Args:
        packed: the rows of all passages.
        pids: the passages; where their rows are is said by what follows.
        lengths: how many rows each of them has.
        offsets: where they begin.
    """
    return packed.index_select(0, _rows(offsets, lengths))


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
    """The token vectors of some passages: their centroids, and what their residuals stand for.

    Args:
        pids: the passages.
        lengths: how many tokens each of all passages has.
        offsets: where their tokens begin.
        bucket_weights: what an index of `nbits` bits stands for.
        reversed_bit_map: a byte of residuals with each index's bits in their proper order.
        bucket_weight_combinations: the indices in such a byte.
        binary_residuals: shape (tokens, dim * nbits / 8).
        codes: each token's centroid.
        centroids: shape (centroids, dim).
        dim: the length of a vector.
        nbits: bits of a residual.

    Returns:
        Shape (tokens of these passages, dim).
    """
    import torch

    passages = pids.long()
    rows = _rows(offsets[passages], lengths[passages])
    weights = bucket_weights[bucket_weight_combinations[reversed_bit_map.long()].long()]
    # All the numbers that a byte stands for, picked up as one, ten times faster than as a row.
    whole = {1: torch.float32, 2: torch.float64, 4: torch.complex128}.get(8 // nbits)
    picked = weights if whole is None else weights.contiguous().view(whole).squeeze(1)
    bytes_ = binary_residuals.index_select(0, rows).flatten().int()
    vectors = picked.index_select(0, bytes_).view(torch.float32).view(-1, dim)
    return vectors.add_(centroids.index_select(0, codes.index_select(0, rows)))


def filter_pids(
    pids: Tensor,
    centroid_scores: Tensor,
    codes: Tensor,
    doclens: Tensor,
    offsets: Tensor,
    idx: Tensor,
    nfiltered_docs: int,
) -> Tensor:
    """A quarter of `nfiltered_docs` passages: the best, by their tokens' centroids alone.

    Args:
        pids: the passages.
        centroid_scores: shape (centroids, tokens of the query).
        codes: each token's centroid.
        doclens: how many tokens each of all passages has.
        offsets: where their tokens begin.
        idx: which centroids count in a first round, which keeps `nfiltered_docs` passages.
        nfiltered_docs: four times as many as are returned.

    Returns:
        The passages, the best first.
    """
    import torch

    def best(pids: Tensor, counted: Tensor | None, count: int) -> Tensor:
        pids = pids.sort(descending=True).values  # of two equals, C++ keeps the later
        passages = pids.long()
        lengths = doclens[passages]
        tokens = codes.index_select(0, _rows(offsets[passages], lengths))
        if counted is not None:
            kept = counted.index_select(0, tokens)
            tokens = tokens[kept]
            before = torch.nn.functional.pad(kept.cumsum(0), (1, 0))
            ends = lengths.cumsum(0)
            lengths = before[ends] - before[ends - lengths]
        starts = (lengths.cumsum(0) - lengths).to(tokens.dtype)
        nearest = torch.nn.functional.embedding_bag(tokens, centroid_scores, starts, mode="max")
        nearest[lengths == 0] = _FAR
        order = nearest.sum(1).sort(descending=True, stable=True).indices
        return pids[order[:count]]

    return best(best(pids, idx, nfiltered_docs), None, nfiltered_docs // 4)


def _rows(offsets: Tensor, lengths: Tensor) -> Tensor:
    """The places from each offset on, as many as its length says, one after another."""
    import torch

    shift = offsets - lengths.cumsum(0) + lengths
    return torch.arange(int(lengths.sum())).add_(torch.repeat_interleave(shift, lengths))
