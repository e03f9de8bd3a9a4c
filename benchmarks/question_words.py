"""Question words as stop words: what BM25 and the hybrid gain or lose by leaving them out.

    python benchmarks/question_words.py [--cache DIR]

English stop words are Lucene's 33, which have no question words. Lists that add some are compared
with it: left out of queries alone, or of passages too. Four sets of queries are judged by nDCG@10:
the labelled questions over Python's language reference, SciFact's claims (train and test), and
claims that a language model wrote for SciFact's abstracts. The last two kinds ask nothing: they
show what a list costs.

    nDCG@10, BM25 and hybrid        questions (195)  model's (1000)   train (809)     test (300)
    nothing more                    0.5285  0.6221   0.1328  0.1500   0.7057  0.7427  0.7030  0.7483
    wh             of queries       0.5417  0.6288   0.1333  0.1506   0.7052  0.7427  0.7037  0.7483
    wh, do         of queries       0.5452  0.6298   0.1338  0.1502   0.7056  0.7424  0.7042  0.7483
    wh, do, can    of queries       0.5426  0.6282   0.1340  0.1504   0.7059  0.7427  0.7035  0.7483
    ... persons    of queries       0.5501  0.6282   0.1339  0.1500   0.7059  0.7427  0.7035  0.7483
    wh, do         of both          0.5445  0.6296   0.1345  0.1502   0.7047  0.7422  0.7042  0.7484

So the analyzer leaves "wh" and "do" out of queries: no set loses more than 0.0003, and passages,
and with them the terms of an index, stay as they are. The baseline here reads question words.
Vectors are looked up, in a cache that the first run fills. Needs the `bench` and `offline` extras,
and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from corpus import CACHE, SCIFACT, embed_scifact, judged, load
from hybridge import (
    Analyzer,
    CallableEncoder,
    Hit,
    HybridIndex,
    Passage,
    SentenceTransformerEncoder,
)
from hybridge.demo import labelled_questions
from hybridge.evaluation import evaluate

MEASURE = "nDCG@10"
WH = ["what", "which", "who", "whom", "whose", "when", "where", "why", "how"]
DO = ["do", "does", "did", "doing", "done"]
CAN = ["can", "could", "would", "should", "may", "might", "must", "shall"]
PERSONS = ["i", "me", "my", "we", "us", "our", "you", "your", "he", "him", "his", "she", "her"]
PERSONS += ["its", "them"]
BE = ["am", "were", "been", "being", "has", "have", "had", "having"]
LISTS = {
    "wh": WH,
    "wh, do": WH + DO,
    "wh, do, can": WH + DO + CAN,
    "wh, do, can, persons": WH + DO + CAN + PERSONS,
    "wh, do, can, persons, be": WH + DO + CAN + PERSONS + BE,
}

Vectors = NDArray[np.float32]
Queries = Mapping[str, str]
Qrels = Mapping[str, Mapping[str, int]]
Set = tuple[str, Queries, Qrels]


def main() -> None:
    """Print the table: one row a list, one pair of columns a set of queries."""
    arguments = _arguments()
    table = Table("left out", "of", box=None, title=f"{MEASURE}: BM25 and the hybrid")
    rows: dict[tuple[str, str], list[str]] = {}
    for passages, vectors, sets in _collections(arguments.cache):
        for row, means in _judged(passages, vectors, sets):
            rows.setdefault(row, []).extend(means)
        for name, queries, _ in sets:
            table.add_column(f"{name} ({len(queries)})\nBM25", justify="right")
            table.add_column("hybrid", justify="right")
    for row, means in rows.items():
        table.add_row(*row, *means)
    Console(width=160).print(table)


def _judged(
    passages: Sequence[Passage], vectors: Mapping[str, Vectors], sets: Sequence[Set]
) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Yield the rows of one collection: the list, of what it is left out, and the figures."""
    stop = Analyzer("english").stopwords

    def lookup(texts: Sequence[str]) -> Vectors:
        return np.stack([vectors[text] for text in texts])

    def means(index: HybridIndex, words: Sequence[str] = ()) -> list[str]:
        found = []
        for _, queries, qrels in sets:
            for weights in ({"bm25": 1, "dense": 0}, {"bm25": 0.5, "dense": 0.5}):
                retriever = _Without(index, words, lookup, weights)
                result = evaluate({"it": retriever}, queries, qrels, [MEASURE], k=10, batch_size=64)
                found.append(f"{result.mean('it', MEASURE):.4f}")
        return found

    encoder = CallableEncoder(lookup, dimension=len(next(iter(vectors.values()))), identity="rows")
    asking = Analyzer("english", questions=False)
    with HybridIndex.create(encoder=encoder, analyzer=asking) as plain:
        plain.add(passages, progress=False)
        yield ("nothing more", ""), means(plain)
        for name, words in LISTS.items():
            yield (name, "queries"), means(plain, words)
    for name, words in LISTS.items():
        analyzer = Analyzer("english", stopwords=[*stop, *words], questions=False)
        with HybridIndex.create(encoder=encoder, analyzer=analyzer) as index:
            index.add(passages, progress=False)
            yield (name, "both"), means(index)


class _Without:
    """An index whose BM25 reads queries without some words; its bi-encoder reads them whole."""

    def __init__(
        self,
        index: HybridIndex,
        words: Sequence[str],
        lookup: Callable[[Sequence[str]], Vectors],
        weights: Mapping[str, float],
    ) -> None:
        self._index = index
        self._words = re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE) if words else None
        self._lookup = lookup
        self._weights = weights

    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> list[list[Hit]]:
        read = queries
        if self._words is not None:  # a query of nothing else has no term, and is not blank
            read = [self._words.sub(" ", query).strip() or "the" for query in queries]
        return self._index.search(
            read,
            k,
            where=where,
            weights=self._weights,
            spelling=False,
            vectors=self._lookup(queries),
        )

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Any = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


def _collections(
    cache: Path,
) -> Iterator[tuple[Sequence[Passage], Mapping[str, Vectors], Sequence[Set]]]:
    """Yield the collections: passages, the vector of each text, and the sets of queries."""
    questions = labelled_questions()
    claims, relevant = _generated()
    texts = [passage.text for passage in questions.passages]
    vectors = _encoded(cache, [*texts, *questions.queries.values(), *claims.values()])
    yield questions.passages, vectors, [("questions", questions.queries, questions.qrels)]
    embed_scifact(cache)
    corpus = load(SCIFACT, cache)
    texts = [passage.text for passage in corpus.passages]
    of_texts = dict(zip(texts, corpus.vectors, strict=True))
    sets: list[Set] = [("claims written by a model", claims, relevant)]
    for split in ("train", "test"):
        collection = judged(split)
        sets.append((f"SciFact {split}", collection.queries, collection.qrels))
    yield corpus.passages, {**vectors, **corpus.query_vectors, **of_texts}, sets


def _generated() -> tuple[Queries, Qrels]:
    file = Path(os.environ["HYBRIDGE_DATASETS"]) / "scifact/generated/claims-smollm2-135m.jsonl"
    entries = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    kept = {f"c{n}": entry for n, entry in enumerate(entries) if entry["query"].strip()}
    return (
        {id_: entry["query"] for id_, entry in kept.items()},
        {id_: {entry["doc"]: 1} for id_, entry in kept.items()},
    )


def _encoded(cache: Path, texts: Sequence[str]) -> dict[str, Vectors]:
    """Return the default model's vector of each text, encoded once."""
    file = cache / "question-words-all-MiniLM-L6-v2.npz"
    if not file.exists():
        encoder = SentenceTransformerEncoder()
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, texts=np.array(texts), vectors=encoder.encode_passages(texts, progress=True))
    with np.load(file) as stored:
        return dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="where the vectors are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
