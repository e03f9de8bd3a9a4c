"""BM25 over titles and texts: how often a title should count.

    python benchmarks/title_boost.py [--cache FOLDER]

SciFact's abstracts have their titles in the metadata alone. BM25 searches the text without the
title, and both with the title 1, 2, 3 and 5 times (`fields={"title": 2, "text": 1}`); then the same
beside dense vectors of title and text, in the whole hybrid. Printed are nDCG@10 and recall@100 on
the train and the test queries, and the p-value of a paired permutation test of nDCG@10 against
the title counted once. Spelling is not corrected. SciFact is taken from HYBRIDGE_DATASETS, its
vectors from the cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from corpus import CACHE, SCIFACT, Vectors, embed_scifact, judged, load
from hybridge import CallableEncoder, HybridIndex, Passage, Retriever
from hybridge.evaluation import evaluate
from hybridge.lexical import BM25Retriever
from hybridge.stages import BM25, Dense

BOOSTS = (0, 1, 2, 3, 5)
MEASURES = ("nDCG@10", "R@100")


def main() -> None:
    """Prints a table for BM25 alone and one for the hybrid."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of SciFact's vectors")
    cache: Path = parser.parse_args().cache
    embed_scifact(cache)
    corpus = load(SCIFACT, cache)
    passages = [titled(passage) for passage in judged("test").passages]
    console = Console(width=120)
    words = {
        name: BM25Retriever(passages, fields=fields, spelling=False)
        for name, fields in chosen().items()
    }
    console.print(table("BM25", words))
    encoder = CallableEncoder(
        lambda texts: np.stack([corpus.query_vectors[text] for text in texts]),
        dimension=corpus.vectors.shape[1],
        identity="cached",
    )
    hybrids = {
        name: hybrid(passages, fields, encoder, corpus.vectors) for name, fields in chosen().items()
    }
    tuned = {name: index.tuned(spelling=False) for name, index in hybrids.items()}
    console.print(table("Hybrid", tuned))
    for index in hybrids.values():
        index.close()


def titled(passage: Passage) -> Passage:
    """The passage with its title in the metadata alone."""
    title = str(passage.metadata["title"])
    return Passage(passage.id, passage.text.removeprefix(title).strip(), {"title": title})


def chosen() -> dict[str, dict[str, int]]:
    """The fields to search, by the name of a row."""
    return {
        f"title × {boost}" if boost else "text alone": ({"title": boost} if boost else {})
        | {"text": 1}
        for boost in BOOSTS
    }


def hybrid(
    passages: Sequence[Passage], fields: Mapping[str, int], encoder: CallableEncoder, rows: Vectors
) -> HybridIndex:
    """An index whose BM25 searches these fields."""
    index = HybridIndex.create(stages=[BM25(fields=fields), Dense(encoder)])
    index.add(passages, vectors=rows, progress=False)
    return index


def table(title: str, retrievers: Mapping[str, Retriever]) -> Table:
    """The measures of each retriever on both splits."""
    splits = ("train", "test")
    shown = Table(title=f"{title}, SciFact, title apart from the text")
    shown.add_column("searched")
    for split in splits:
        for column in (*MEASURES, "p"):
            shown.add_column(f"{split} {column}", justify="right")
    cells: dict[str, list[str]] = {name: [] for name in retrievers}
    for split in splits:
        collection = judged(split)
        evaluation = evaluate(
            retrievers,
            collection.queries,
            collection.qrels,
            measures=MEASURES,
            batch_size=64,
            baseline="title × 1",
            progress=False,
        )
        p_values = {each.retriever: each.p for each in evaluation.compare(measure=MEASURES[0])}
        for name, row in cells.items():
            row += [f"{evaluation.mean(name, measure):.4f}" for measure in MEASURES]
            row.append(f"{p_values[name]:.3f}" if name in p_values else "")
    for name, row in cells.items():
        shown.add_row(name, *row)
    return shown


if __name__ == "__main__":
    main()
