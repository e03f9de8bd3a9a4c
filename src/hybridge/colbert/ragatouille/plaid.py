"""A PLAID index in memory: the texts nearest to a query, and the score of any of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CorruptIndexError
from ...protocols import Vectors
from .compat import ragatouille
from .runtime import contained, preserved
from .torch_ops import decompress_residuals, filter_pids, install

__all__ = ["PlaidIndex"]

# An index of so many texts, or a choice of so many, is scored whole.
_WHOLE = 256
# How many texts of a larger one are scored by all their vectors, at least, of those that their
# centroids recommend: of SciFact's first ten, it misses 1 in 200 that 512 find.
_SCORED = 128
# Texts whose vectors are decompressed at a time: few enough for the processor's cache, where it
# takes a third of the time.
_AT_A_TIME = 16
# How many of a query token's nearest centroids recommend texts, and how near a centroid must be to
# any token to count in the first round: RAGatouille's settings, by how many texts there are.
_SETTINGS = ((10_000, 8, 0.4), (100_000, 4, 0.45), (float("inf"), 2, 0.45))

# What is raised at files that were cut or changed, found by cutting and changing some.
_LOADING_ERRORS = (
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    UnpicklingError,
)


class PlaidIndex:
    """An index that `build` wrote, loaded; it may be searched from many threads.

    Args:
        folder: the index's folder, with an absolute path.

    Raises:
        CorruptIndexError: files are missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        ragatouille()
        install()
        from colbert.search.index_storage import IndexScorer

        try:
            with contained(), preserved():
                self._scorer: Any = IndexScorer(str(folder), use_gpu=False)
            names = json.loads((folder / "pid_docid_map.json").read_bytes())
        except _LOADING_ERRORS as error:
            raise CorruptIndexError(f"{folder} is no whole PLAID index: {error!r}") from error
        self.keys: list[str] = list(names.values())

    def search(
        self, query: Vectors, count: int, allowed: NDArray[np.bool_] | None = None
    ) -> dict[int, float]:
        """Texts by their number and their scores, the best `count` among them, in no order.

        Args:
            query: shape (tokens, dimension).
            count: how many are wanted; found are at least as many where there are.
            allowed: shape (texts,): which may be found.
        """
        choice = np.arange(len(self.keys)) if allowed is None else np.flatnonzero(allowed)
        if len(choice) > max(2 * count, _WHOLE):
            found = self._recommended(query, max(2 * count, _SCORED), allowed)
            if len(found) >= count:
                return self.score(query, found)
        return self.score(query, choice.tolist())

    def score(self, query: Vectors, texts: Sequence[int]) -> dict[int, float]:
        """The scores of some texts, by their number."""
        scores: dict[int, float] = {}
        for start in range(0, len(texts), _AT_A_TIME):
            some = texts[start : start + _AT_A_TIME]
            scores.update(zip(some, self._scored(query, some), strict=True))
        return scores

    def vectors(self, text: int) -> Vectors:
        """A text's vectors as they are compared, each of length 1: shape (tokens, dimension)."""
        vectors, _ = self._decompressed([text])
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _decompressed(self, texts: Sequence[int]) -> tuple[Vectors, NDArray[np.int64]]:
        """The vectors of texts, one below the other, and how many each has."""
        import torch

        scorer, codec = self._scorer, self._scorer.codec
        pids = torch.tensor(texts)
        vectors: Vectors = decompress_residuals(
            pids,
            scorer.doclens,
            scorer.offsets,
            codec.bucket_weights,
            codec.reversed_bit_map,
            codec.decompression_lookup_table,
            scorer.embeddings.residuals,
            scorer.embeddings.codes,
            codec.centroids,
            codec.dim,
            codec.nbits,
        ).numpy()
        return vectors, scorer.doclens.numpy()[pids.numpy()]

    def _scored(self, query: Vectors, texts: Sequence[int]) -> list[float]:
        vectors, lengths = self._decompressed(texts)
        matches = vectors @ query.T
        matches /= np.linalg.norm(vectors, axis=1, keepdims=True)
        best = np.maximum.reduceat(matches, lengths.cumsum() - lengths, axis=0)
        found: list[float] = best.clip(0).sum(1).tolist()  # a match counts nothing rather than less
        return found

    def _recommended(
        self, query: Vectors, count: int, allowed: NDArray[np.bool_] | None
    ) -> list[int]:
        import torch

        scorer = self._scorer
        cells, near = next((c, n) for most, c, n in _SETTINGS if len(self.keys) < most)
        nearness = scorer.codec.centroids.numpy() @ query.T
        cells = min(cells, len(nearness))
        nearest = np.unique(np.argpartition(nearness, -cells, axis=0)[-cells:])
        pids = np.unique(scorer.ivf.lookup(torch.from_numpy(nearest))[0].numpy())
        if allowed is not None:
            pids = pids[allowed[pids]]
        found: list[int] = filter_pids(
            torch.from_numpy(pids),
            torch.from_numpy(nearness),
            scorer.embeddings.codes,
            scorer.doclens,
            scorer.offsets,
            torch.from_numpy(nearness.max(1) >= near),
            4 * count,
        ).tolist()
        return found
