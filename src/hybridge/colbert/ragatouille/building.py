"""A PLAID index, built by colbert-ai from token vectors that are there already.

K. Santhanam, O. Khattab, C. Potts and M. Zaharia, *PLAID: An Efficient Engine for Late Interaction
Retrieval*, CIKM 2022, arXiv 2205.09707: every token vector is stored as the number of its nearest
centroid and a few bits for each coordinate of the rest.

The changes to colbert-ai's indexer: it reads vectors instead of running a model (it would encode
everything twice), works on a part of them at a time, clusters by faiss (RAGatouille's k-means takes
9 GB for a thousand abstracts), draws its own random numbers, and writes in the calling thread,
where an error ends it: colbert-ai's writer waits for ever for a thread that died of a full disk.
The same vectors in the same order give the same index.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import needs_extra
from .compat import ragatouille
from .runtime import contained

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["build", "centroids", "nearest"]

_ITERATIONS = 4  # of k-means; colbert-ai's number
# The sample: vectors a centroid, and vectors held out to set the value of each residual.
_PER_CENTROID = 32
_HELD_OUT = 16384
# Vectors that are compressed at a time.
_AT_A_TIME = 1 << 17
_SAMPLE_SEED = 12345
_KMEANS_SEED = 123


def build(
    folder: Path,
    keys: Sequence[str],
    texts: Sequence[str],
    vectors: NDArray[np.float16],
    lengths: Sequence[int],
    *,
    checkpoint: str,
    passage_length: int,
    bits: int,
) -> None:
    """Write an index, which RAGatouille can open too while the folder keeps its name.

    Args:
        folder: a new folder, an absolute path.
        keys: an id for each text.
        texts: the texts.
        vectors: their token vectors one after another, shape (tokens, dimension).
        lengths: how many of them each text has; at least one.
        checkpoint: the folder of their model, for RAGatouille.
        passage_length: tokens of a text that the model reads, for RAGatouille.
        bits: bits of a coordinate, 1, 2, 4 or 8.
    """
    ragatouille()
    from colbert.infra import ColBERTConfig, Run, RunConfig

    folder.mkdir(parents=True)
    settings = ColBERTConfig(
        checkpoint=checkpoint,
        model_name=None,
        dim=vectors.shape[1],
        doc_maxlen=passage_length,
        nbits=bits,
        index_name=folder.name,
        index_root=str(folder.parent),
        root=str(folder.parent),
        nranks=1,
        rank=0,
    )
    with contained(), Run().context(RunConfig(nranks=1, rank=0)):
        config = ColBERTConfig.from_existing(
            ColBERTConfig.load_from_checkpoint(checkpoint), settings
        )
        _indexer(config, texts, vectors, lengths).run(None)
        _describe(folder, keys, texts)


def centroids(vectors: NDArray[np.float16], count: int) -> Tensor:
    """Return the centroids of spherical k-means, the same for the same vectors in the same order.

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
        seed=_KMEANS_SEED,
        spherical=True,
        # Without its warnings of few vectors and its own sampling.
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    kmeans.train(vectors.astype(np.float32))
    return torch.nn.functional.normalize(torch.from_numpy(kmeans.centroids), dim=-1)


def nearest(vectors: Tensor, centroids: Tensor) -> Tensor:
    """Return the centroid with the greatest dot product for each vector, shape (tokens,)."""
    import torch

    index = _faiss().IndexFlatIP(centroids.shape[1])
    index.add(centroids.float().numpy())
    return torch.from_numpy(index.search(vectors.float().numpy(), 1)[1].squeeze(1))


def _faiss() -> Any:
    with needs_extra("colbert"):
        import faiss
    return faiss


def _partitions(tokens: int) -> int:
    """Return the number of centroids for so many token vectors."""
    return int(min(tokens, 2 ** np.floor(np.log2(4 * np.sqrt(tokens)))))


def _describe(folder: Path, keys: Sequence[str], texts: Sequence[str]) -> None:
    """Write the files by which RAGatouille recognises an index."""
    path = folder / "metadata.json"
    metadata = json.loads(path.read_bytes())
    metadata["RAGatouille"] = {"index_config": {"index_type": "PLAID", "index_name": folder.name}}
    for name, content in (
        ("collection.json", list(texts)),
        ("pid_docid_map.json", dict(enumerate(keys))),
        ("metadata.json", metadata),
    ):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _indexer(
    config: Any, texts: Sequence[str], vectors: NDArray[np.float16], lengths: Sequence[int]
) -> Any:
    import torch
    from colbert.data.collection import Collection
    from colbert.indexing.collection_indexer import CollectionIndexer
    from colbert.indexing.index_saver import IndexSaver

    class Indexer(CollectionIndexer):  # type: ignore[misc]
        """colbert-ai's indexer without a model, over vectors that may be in a file."""

        def __init__(self) -> None:
            self.config, self.verbose = config, 0
            self.rank, self.nranks, self.use_gpu = 0, 1, False
            self.collection, self.saver = Collection(data=list(texts)), IndexSaver(config)
            self.num_chunks = len(_parts(lengths))

        def setup(self) -> None:
            self.num_embeddings_est = float(len(vectors))
            self.avg_doclen_est = len(vectors) / len(lengths)
            self.num_partitions = _partitions(len(vectors))
            self._save_plan()

        def _concatenate_and_split_sample(self) -> tuple[Any, Any]:
            order = np.random.default_rng(_SAMPLE_SEED).permutation(len(vectors))
            apart = min(_HELD_OUT, len(order) // 20)
            chosen = order[apart : apart + self.num_partitions * _PER_CENTROID]
            held_out = order[:apart] if apart else chosen
            # In the order of the file.
            return vectors[np.sort(chosen)], torch.from_numpy(vectors[np.sort(held_out)])

        def _train_kmeans(self, sample: NDArray[np.float16], shared_lists: None) -> Any:
            self.num_partitions = min(self.num_partitions, len(sample))
            return centroids(sample, self.num_partitions)

        def _compute_avg_residual(self, centroids: Any, heldout: Any) -> tuple[Any, Any, Any]:
            residuals = heldout.float() - centroids[nearest(heldout, centroids)]
            steps = torch.arange(2**config.nbits) / 2**config.nbits
            cutoffs = residuals.quantile(steps[1:])
            weights = residuals.quantile(steps + 0.5 / 2**config.nbits)
            return cutoffs, weights, residuals.abs().mean()

        def index(self) -> None:
            ends = np.cumsum([0, *lengths])
            codec = self.saver.load_codec()
            codec.compress_into_codes = lambda part, out_device: nearest(part, codec.centroids)
            for number, (start, stop) in enumerate(_parts(lengths)):
                part = torch.from_numpy(np.array(vectors[ends[start] : ends[stop]]))
                self.saver._write_chunk_to_disk(
                    number, start, codec.compress(part), list(lengths[start:stop])
                )

        def finalize(self) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # of files that it leaves open
                super().finalize()

    return Indexer()


def _parts(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Return slices of the texts that have about `_AT_A_TIME` token vectors each."""
    groups = np.cumsum(lengths) // _AT_A_TIME
    starts = np.flatnonzero(np.diff(groups, prepend=-1)).tolist()
    return list(pairwise([*starts, len(lengths)]))
