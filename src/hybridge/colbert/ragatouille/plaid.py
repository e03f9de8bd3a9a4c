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
from ...iteration import chunked
from ...protocols import Vectors
from ..max_sim import segmented_max_sim
from .compat import ragatouille
from .runtime import contained, preserved
from .torch_ops import decompress_residuals, filter_pids, install

__all__ = ["PlaidIndex"]

# With up to so many texts to choose from, all are scored.
_WHOLE = 256
# Of more, at least so many of those that their centroids recommend are scored by all their vectors:
# of SciFact's first ten, it misses 1 in 200 that 512 find.
_SCORED = 128
# Texts whose vectors are decompressed at a time: few enough for the processor's cache, where it
# takes a third of the time.
_AT_A_TIME = 16
# RAGatouille's settings by the number of texts: how many of a query token's nearest centroids
# recommend texts, and how near any token's centroid must be to count in the first round.
_SETTINGS = ((10_000, 8, 0.4), (100_000, 4, 0.45), (float("inf"), 2, 0.45))

# What cut and changed files raise, found by cutting and changing some.
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
    """A loaded index, as `build` writes it; many threads may search it.

    Args:
        folder: the index's folder, an absolute path.

    Attributes:
        keys: the texts' keys; a text's number is its place here.

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
        """Return texts by number with their scores, unsorted; the best `count` are among them.

        Args:
            query: shape (tokens, dimension).
            count: the minimum number of texts to return, where there are so many.
            allowed: shape (texts,): which may be returned.
        """
        texts = np.arange(len(self.keys)) if allowed is None else np.flatnonzero(allowed)
        if len(texts) > max(2 * count, _WHOLE):
            recommended = self._recommended(query, max(2 * count, _SCORED), allowed)
            if len(recommended) >= count:
                return self.score(query, recommended)
        return self.score(query, texts.tolist())

    def score(self, query: Vectors, texts: Sequence[int]) -> dict[int, float]:
        """Return the scores of texts by their numbers."""
        scores: dict[int, float] = {}
        for chunk in chunked(texts, _AT_A_TIME):
            vectors, lengths = self._decompressed(chunk)
            cosines = vectors @ query.T
            cosines /= np.linalg.norm(vectors, axis=1, keepdims=True)
            found = segmented_max_sim(cosines, lengths).tolist()
            scores.update(zip(chunk, found, strict=True))
        return scores

    def vectors(self, text: int) -> Vectors:
        """Return the unit vectors of a text as a search compares them: (tokens, dimension)."""
        vectors, _ = self._decompressed([text])
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _decompressed(self, texts: Sequence[int]) -> tuple[Vectors, NDArray[np.int64]]:
        """Return the vectors of texts, one below the other, and how many each text has."""
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

    def _recommended(
        self, query: Vectors, count: int, allowed: NDArray[np.bool_] | None
    ) -> list[int]:
        """Return the `count` texts whose tokens' centroids are nearest to the query."""
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
