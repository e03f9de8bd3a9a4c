"""Three stages against two: BM25, all-MiniLM-L6-v2 and bge-small-en-v1.5 on SciFact.

    python benchmarks/three_stages.py [--cache DIR]

Each system weighs its stages alike and fuses completed scores. Whether bge's queries carry its
instruction, the train queries say; the test queries are then judged once. Vectors are looked up, in
a cache that the first run fills; bge's of the few corrected queries are encoded. Needs the `bench`
extra, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

import bge_small
from corpus import SCIFACT, Corpus, QueryVectors, cache_argument, embed_scifact, judged, load
from hybridge import BM25, CallableEncoder, Dense, HybridIndex
from hybridge.evaluation import evaluate
from hybridge.fusion import ConvexCombination, Fusion
from measure import DEPTH

MEASURES = ["nDCG@10", "R@100", "MRR@10"]
FUSIONS: dict[str, Fusion] = {
    "z-score": ConvexCombination("z-score"),
    "min-max": ConvexCombination("min-max"),
}

Vectors = NDArray[np.float32]


def main() -> None:
    """Print quality on the train queries, then on the test queries."""
    cache = cache_argument(__doc__)
    embed_scifact(cache)
    corpus, bge = load(SCIFACT, cache), bge_small.embed_scifact(cache)
    console = Console(width=100)
    train, test = judged("train"), judged("test")
    with (
        index_of(corpus, bge, "queries") as plain,
        index_of(corpus, bge, "instructed") as instructed,
    ):
        indexes = {"bge": plain, "bge, instructed": instructed}
        alone = {name: index.stages["bge"] for name, index in indexes.items()}
        console.print("Train queries: bge without the instruction and with it")
        evaluation = evaluate(alone, train.queries, train.qrels, MEASURES, k=DEPTH)
        console.print(evaluation)
        chosen = max(alone, key=lambda name: evaluation.mean(name, "nDCG@10"))
        console.print(f"Test queries: {chosen}")
        systems = dict(systems_of(indexes[chosen]))
        console.print(evaluate(systems, test.queries, test.qrels, MEASURES, k=DEPTH))


def index_of(corpus: Corpus, bge: Mapping[str, Vectors], rows: str) -> HybridIndex:
    """Make an index of three stages.

    Args:
        corpus: SciFact, with MiniLM's vectors.
        bge: the vectors of bge, as `bge_small.embed_scifact` gives them.
        rows: which vectors of the queries: ``"queries"``, or ``"instructed"``.
    """
    texts = [text for split in ("train", "test") for text in judged(split).queries.values()]
    queries = QueryVectors(
        dict(zip(texts, bge[rows], strict=True)),
        partial(bge_small.encoder, instruction=rows == "instructed"),
    )
    minilm, small = _lookup(corpus.vectors, corpus.query_vectors), _lookup(bge["passages"], queries)
    index = HybridIndex.create(
        stages=[BM25(name="BM25"), Dense(minilm, name="MiniLM"), Dense(small, name="bge")]
    )
    vectors = {"MiniLM": corpus.vectors, "bge": bge["passages"]}
    index.add(corpus.passages, vectors=vectors, progress=False)
    return index


def systems_of(index: HybridIndex) -> Iterator[tuple[str, Any]]:
    """Yield each stage alone, and each fusion of two and of all three, weighed alike."""
    yield from index.stages.items()
    for count in (2, 3):
        for names in combinations(index.stages, count):
            weights = {name: float(name in names) for name in index.stages}
            for normalization, fusion in FUSIONS.items():
                tuned = index.tuned(weights=weights, fusion=fusion)
                yield f"{' + '.join(names)} + {normalization}", tuned


def _lookup(vectors: Vectors, query_vectors: Mapping[str, Vectors]) -> CallableEncoder:
    def encode_queries(queries: Sequence[str]) -> Vectors:
        return np.stack([query_vectors[query] for query in queries])

    return CallableEncoder(encode_queries, dimension=vectors.shape[1], identity="lookup")


if __name__ == "__main__":
    main()
