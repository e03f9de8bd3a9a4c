"""A PLAID index, built by colbert-ai from token vectors that are there already.

K. Santhanam, O. Khattab, C. Potts and M. Zaharia, *PLAID: An Efficient Engine for Late Interaction
Retrieval*, CIKM 2022, arXiv 2205.09707: every token vector is kept as the number of its nearest
centroid and a few bits for each coordinate of what is left.

What is changed of colbert-ai's indexer: it gets the vectors instead of a model (with one it would
encode everything twice), works on a part of them at a time, draws no random numbers but its own,
and writes in the thread that calls it: where its own writing thread dies, as of a full disk, it
waits for ever. The same vectors in the same order give the same index.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compat import ragatouille
from .kmeans import centroids, nearest
from .runtime import contained

__all__ = ["build"]

# How many of its vectors each centroid is computed from, and how many vectors tell what the bits
# of a coordinate should stand for.
_PER_CENTROID = 32
_HELD_OUT = 16384
# Vectors that are worked on at a time.
_AT_A_TIME = 1 << 17
_SEED = 12345


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
    """Write an index, which RAGatouille can open too while the folder keeps its own name.

    Args:
        folder: a new folder, with an absolute path.
        keys: an id for each text.
        texts: the texts.
        vectors: their token vectors one after another, shape (tokens, dimension).
        lengths: how many of them each text has; at least one.
        checkpoint: the folder of the model that they are of, for RAGatouille.
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


def _partitions(tokens: int) -> int:
    """How many centroids so many token vectors get."""
    return int(min(tokens, 2 ** np.floor(np.log2(4 * np.sqrt(tokens)))))


def _describe(folder: Path, keys: Sequence[str], texts: Sequence[str]) -> None:
    """The files by which RAGatouille knows an index for its own."""
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
        """colbert-ai's indexer without its model, over vectors that may be in a file."""

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
            order = np.random.default_rng(_SEED).permutation(len(vectors))
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
            codec.compress_into_codes = lambda some, out_device: nearest(some, codec.centroids)
            for number, (start, stop) in enumerate(_parts(lengths)):
                some = torch.from_numpy(np.array(vectors[ends[start] : ends[stop]]))
                self.saver._write_chunk_to_disk(
                    number, start, codec.compress(some), list(lengths[start:stop])
                )

        def finalize(self) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # of files that it leaves open
                super().finalize()

    return Indexer()


def _parts(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Slices of the texts that have about `_AT_A_TIME` token vectors each."""
    groups = np.cumsum(lengths) // _AT_A_TIME
    starts = np.flatnonzero(np.diff(groups, prepend=-1)).tolist()
    return list(pairwise([*starts, len(lengths)]))
