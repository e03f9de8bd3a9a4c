"""Three stages against two: BM25, all-MiniLM-L6-v2 and bge-small-en-v1.5 on SciFact.

    python benchmarks/three_stages.py [--cache DIR]

Each system weighs its stages alike and fuses completed scores. Whether bge's queries carry its
instruction, the train queries say; the test queries are then judged once. All vectors are looked
up, in a cache that the first run fills. Needs the `bench` extra, and SciFact under
HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

import bge_small
from corpus import CACHE, SCIFACT, Corpus, embed_scifact, judged, load
from hybridge import CallableEncoder, FusedRetriever, HybridIndex
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
    arguments = _arguments()
    embed_scifact(arguments.cache)
    corpus, bge = load(SCIFACT, arguments.cache), bge_small.embed_scifact(arguments.cache)
    console = Console(width=100)
    with systems(corpus, bge) as found:
        train, test = judged("train"), judged("test")
        alone = {name: found[name] for name in ("bge", "bge, instructed")}
        console.print("Train queries: bge without the instruction and with it")
        evaluation = evaluate(alone, train.queries, train.qrels, MEASURES, k=DEPTH)
        console.print(evaluation)
        plain, instructed = (evaluation.mean(name, "nDCG@10") for name in alone)
        chosen, other = list(alone)[:: -1 if instructed > plain else 1]
        asked = {name: system for name, system in found.items() if other not in name.split(" + ")}
        console.print(f"Test queries: {chosen}")
        evaluation = evaluate(asked, test.queries, test.qrels, MEASURES, k=DEPTH)
        console.print(evaluation)


@contextmanager
def systems(corpus: Corpus, bge: Mapping[str, Vectors]) -> Iterator[dict[str, Any]]:
    """Open each stage alone, and each fusion of two and of all three.

    Args:
        corpus: SciFact, with MiniLM's vectors.
        bge: the vectors of bge, as `bge_small.embed_scifact` gives them.
    """
    texts = [text for split in ("train", "test") for text in judged(split).queries.values()]
    with ExitStack() as stack:
        minilm = stack.enter_context(_index(corpus, corpus.vectors, corpus.query_vectors))
        stages: dict[str, Any] = {"BM25": minilm.bm25, "MiniLM": minilm.dense}
        for name, rows in (("bge", "queries"), ("bge, instructed", "instructed")):
            queries = dict(zip(texts, bge[rows], strict=True))
            stages[name] = stack.enter_context(_index(corpus, bge["passages"], queries)).dense
        found = dict(stages)
        for count in (2, 3):
            for names in combinations(stages, count):
                if {"bge", "bge, instructed"} <= set(names):
                    continue
                for normalization, fusion in FUSIONS.items():
                    label = f"{' + '.join(names)} + {normalization}"
                    found[label] = fused({name: stages[name] for name in names}, fusion)
        yield found


def fused(stages: Mapping[str, Any], fusion: Fusion) -> Any:
    """Return one retriever over some stages, weighed alike."""
    return FusedRetriever(stages, fusion=fusion)


def _index(corpus: Corpus, vectors: Vectors, query_vectors: Mapping[str, Vectors]) -> HybridIndex:
    def encode_queries(queries: Sequence[str]) -> Vectors:
        return np.stack([query_vectors[query] for query in queries])

    encoder = CallableEncoder(encode_queries, dimension=vectors.shape[1], identity="lookup")
    index = HybridIndex.create(encoder=encoder)
    index.add(corpus.passages, vectors=vectors, progress=False)
    return index


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="where SciFact's vectors are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
