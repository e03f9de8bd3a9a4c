"""Small to big on SciFact: sentences are found, abstracts are ranked, windows are read.

    python benchmarks/sentences.py [--cache DIR]

Two hybrids with the defaults of an index: over whole abstracts, and over their sentences, of which
`ParentRetriever` makes abstracts, each with the score of its best sentence. With "words of the
abstract", BM25 searches the abstract of each sentence, and the vectors the sentence alone
(`BM25(search_text=…)`): a claim's words are spread over an abstract, its meaning is in a sentence.

Printed are nDCG@10 and the tokens that a language model reads of an answer of ten abstracts, words
and punctuation marks: of whole abstracts; of windows, the best sentence of each abstract with one
neighbor on each side (a `ParentRetriever(window=1)` around a `GroupedRetriever`); and of that
sentence alone. The order of the abstracts is the same for all. The search text was chosen on train
queries. SciFact is taken from HYBRIDGE_DATASETS, its sentences are encoded once, into the cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from corpus import SCIFACT, Vectors, cache_argument, embed_scifact, judged, load
from hybridge import CallableEncoder, HybridIndex, Passage, Retriever, SentenceTransformerEncoder
from hybridge.evaluation import evaluate
from hybridge.results import GroupedRetriever, ParentRetriever
from hybridge.sentences import children
from hybridge.stages import BM25, Dense

MEASURE = "nDCG@10"
K = 10
WHOLE = "whole abstracts"


def main() -> None:
    """Prints the measures of both splits, and the tokens of the test queries' answers."""
    cache = cache_argument(__doc__)
    embed_scifact(cache)
    abstracts = load(SCIFACT, cache)
    passages = judged("test").passages
    sentences = list(children(passages))
    vectors = embedded(sentences, cache)
    encoder = CallableEncoder(
        lambda texts: np.stack([abstracts.query_vectors[text] for text in texts]),
        dimension=vectors.shape[1],
        identity="cached",
    )
    texts = {passage.id: passage.text for passage in passages}

    def of_abstract(sentence: Passage) -> str:
        return texts[str(sentence.metadata["parent"])]

    indexes = {
        WHOLE: hybrid(passages, abstracts.vectors, BM25(), encoder),
        "sentences": hybrid(sentences, vectors, BM25(), encoder),
        "sentences, words of the abstract": hybrid(
            sentences, vectors, BM25(search_text=of_abstract), encoder
        ),
    }
    searched: dict[str, Retriever] = {
        name: index.tuned(spelling=False) for name, index in indexes.items()
    }
    console = Console(width=120)
    console.print(quality(searched))
    console.print(reading(searched))
    for index in indexes.values():
        index.close()


def hybrid(
    passages: Sequence[Passage], rows: Vectors, words: BM25, encoder: CallableEncoder
) -> HybridIndex:
    """An index of passages with known vectors."""
    index = HybridIndex.create(stages=[words, Dense(encoder)])
    index.add(passages, vectors=rows, progress=False)
    return index


def ranking(name: str, retriever: Retriever) -> Retriever:
    """What ranks abstracts."""
    return retriever if name == WHOLE else ParentRetriever(retriever)


def quality(searched: Mapping[str, Retriever]) -> Table:
    """The measure of each system, and its difference from whole abstracts."""
    table = Table(title=f"SciFact: {MEASURE} of abstracts")
    table.add_column("found")
    rows: dict[str, list[str]] = {name: [] for name in searched}
    for split in ("train", "test"):
        for column in (split, "difference", "p"):
            table.add_column(column, justify="right")
        collection = judged(split)
        evaluation = evaluate(
            {name: ranking(name, retriever) for name, retriever in searched.items()},
            collection.queries,
            collection.qrels,
            measures=[MEASURE],
            k=K,
            batch_size=64,
            baseline=WHOLE,
            progress=False,
        )
        p_values = {each.retriever: each.p for each in evaluation.compare(measure=MEASURE)}
        for name, row in rows.items():
            mean = evaluation.mean(name, MEASURE)
            row.append(f"{mean:.4f}")
            row.append("" if name == WHOLE else f"{mean - evaluation.mean(WHOLE, MEASURE):+.4f}")
            row.append(f"{p_values[name]:.3f}" if name in p_values else "")
    for name, row in rows.items():
        table.add_row(name, *row)
    return table


def reading(searched: Mapping[str, Retriever]) -> Table:
    """The tokens of an answer of ten abstracts, as a mean over the test queries."""
    *_, (name, retriever) = searched.items()
    queries = list(judged("test").queries.values())
    read = {
        WHOLE: searched[WHOLE],
        "windows of three sentences": ParentRetriever(
            GroupedRetriever(retriever, "parent"), window=1
        ),
        "the best sentence of each": GroupedRetriever(retriever, "parent"),
    }
    order = [
        [hit.passage.id for hit in hits] for hits in ParentRetriever(retriever).search(queries, K)
    ]
    table = Table(title=f"Tokens of an answer of {K} abstracts, found by {name}")
    table.add_column("read")
    for column in ("tokens", "share", "same abstracts"):
        table.add_column(column, justify="right")
    whole = 0.0
    for title, each in read.items():
        lists = each.search(queries, K)
        tokens = sum(count(hit.passage.text) for hits in lists for hit in hits) / len(queries)
        whole = whole or tokens
        same = sum(
            ids == [hit.passage.metadata.get("parent") for hit in hits]
            for ids, hits in zip(order, lists, strict=True)
        )
        table.add_row(
            title,
            f"{tokens:.0f}",
            f"{tokens / whole:.0%}",
            "" if title == WHOLE else f"{same / len(queries):.1%}",
        )
    return table


def count(text: str) -> int:
    """The words and punctuation marks of a text."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def embedded(sentences: Sequence[Passage], cache: Path) -> Vectors:
    """The vectors of the sentences, encoded with the default model unless the cache has them."""
    file = cache / "scifact-sentences-text-all-MiniLM-L6-v2.npz"
    if not file.exists():
        print(f"encoding {len(sentences):,} sentences once, into {file}")
        texts = [sentence.text for sentence in sentences]
        vectors = SentenceTransformerEncoder().encode_passages(texts, progress=True)
        partial = file.with_suffix(".partial.npz")
        np.savez(partial, vectors=vectors)
        partial.replace(file)
    with np.load(file) as stored:
        rows: Vectors = stored["vectors"]
    return rows


if __name__ == "__main__":
    main()
