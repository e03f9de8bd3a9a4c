"""A PLAID index in memory: the texts nearest to a query, and the score of any of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CorruptIndexError
from ...protocols import Vectors
from .compat import ragatouille
from .runtime import contained, preserved
from .torch_ops import install

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PlaidIndex"]

# How many texts are scored by all their vectors, at least, of those that their centroids
# recommend; in an index of no more, all are.
_SCORED = 256
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
        if len(choice) > max(count, _SCORED):
            found = self._recommended(query, max(count, _SCORED), allowed)
            if len(found) >= count:
                return found
        return self.score(query, choice.tolist())

    def score(self, query: Vectors, texts: Sequence[int]) -> dict[int, float]:
        """The scores of some texts, by their number."""
        asked = _tensor(query)
        scores: dict[int, float] = {}
        for start in range(0, len(texts), _SCORED):
            scores.update(self._ranked(asked, pids=texts[start : start + _SCORED]))
        return scores

    def _recommended(
        self, query: Vectors, count: int, allowed: NDArray[np.bool_] | None
    ) -> dict[int, float]:
        import torch

        asked = _tensor(query)
        if allowed is None:
            return self._ranked(asked, count)
        mask = torch.from_numpy(allowed)
        return self._ranked(asked, count, filter_fn=lambda pids: pids[mask[pids.long()]])

    def _ranked(self, query: Tensor, count: int = _SCORED, **choice: Any) -> dict[int, float]:
        texts = len(self.keys)
        cells, threshold = next(rest for most, *rest in _SETTINGS if texts < most)
        settings = SimpleNamespace(
            ncells=min(cells, len(self._scorer.codec.centroids)),
            centroid_score_threshold=threshold,
            ndocs=4 * count,
            query_maxlen=query.shape[1],
            interaction="colbert",
            total_visible_gpus=0,
        )
        pids, scores = self._scorer.rank(settings, query, **choice)
        return dict(zip(pids, scores, strict=True))


def _tensor(query: Vectors) -> Tensor:
    import torch

    return torch.from_numpy(query)[None]
