"""Words: what codes, numbers and identifiers cost and bring, by version of the analyzer.

    python benchmarks/words.py [--cache DIR]

Three tables compare version 1 of the analyzer with the present one. Words that are told apart or
found by their parts: identifiers of the Python language reference that one passage alone has, asked
by their parts; articles that differ by their number alone, and clauses "a.b", through the hybrid
with the default bi-encoder. Quality on prose: SciFact and the labelled questions of
`hybridge.demo`, by BM25 alone and by the hybrid. Time: of one thread, of passages that an analyzer
sees first (cold), sees again (warm), and of queries; as medians of paired ratios. There "before" is
version 1 as it was read then, text by text, with a cache of words alone.

Needs the extra `offline` or `bench`, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from corpus import SCIFACT, cache_argument, embed_scifact, judged, load
from hybridge import Analyzer, BM25Retriever, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.analysis.segments import fold, segmenter
from hybridge.analysis.terms import WordCache
from hybridge.demo import labelled_questions, language_reference
from hybridge.encoders import CallableEncoder
from hybridge.evaluation import Collection, evaluate
from hybridge.protocols import Retriever

VERSIONS = (1, 2)
IDENTIFIERS = 150
ROUNDS = 5
BATCH = 100  # passages of one pair of times
# Parts of at least two letters: a_b or aB, in no order of its own.
_IDENTIFIER = re.compile(r"\b_*[A-Za-z]+(?:_[A-Za-z]+)+_*\b|\b[A-Za-z]*[a-z][A-Z][A-Za-z]*\b")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

Reader = Callable[[str], Sequence[str]]


def main() -> None:
    """Print the tables."""
    cache, console = cache_argument(__doc__), Console(width=100)
    embed_scifact(cache)
    encoder = SentenceTransformerEncoder()
    console.print(found(encoder))
    console.print(quality(encoder, cache))
    console.print(times())


def found(encoder: SentenceTransformerEncoder) -> Table:
    """Return what is found by its parts, and what is told apart."""
    table = Table("", *(f"version {version}" for version in VERSIONS), title="Found")
    passages = list(language_reference())
    asked = identifiers(passages)
    ranks = [
        ranks_of(BM25Retriever(passages, analyzer=analyzer), asked) for analyzer in _analyzers()
    ]
    label = f"{len(asked)} identifiers by their parts, BM25"
    table.add_row(f"{label}: MRR@10", *(f"{np.mean([1 / r for r in each]):.3f}" for each in ranks))
    table.add_row(f"{label}: recall@10", *(f"{np.mean(np.isfinite(each)):.3f}" for each in ranks))
    for label, cases in {"numbered articles": ARTICLES, "clauses a.b": CLAUSES}.items():
        texts = [Passage(query, text) for query, text in cases.items()]
        first = []
        for analyzer in _analyzers():
            with HybridIndex.create(encoder=encoder, analyzer=analyzer) as index:
                index.add(texts, progress=False)
                first.append(ranks_of(index, {query: query for query in cases}).count(1))
        table.add_row(f"{len(cases)} {label}, hybrid: first", *map(str, first))
    return table


SUBJECTS = ["Fees", "Tides", "Crews", "Cargoes", "Pilots", "Repairs", "Storms", "Fires", "Appeals"]
ARTICLES = {
    f"article {number}": (
        f"Article {number}. {subject} in the harbour: the harbour master keeps a log of them."
    )
    for number, subject in enumerate(SUBJECTS, start=1)
}
CLAUSES = {
    f"clause {a}.{b}": f"Clause {a}.{b} The tenant shall give notice to the landlord in writing."
    for a in range(1, 6)
    for b in range(1, 7)
}


def identifiers(passages: Sequence[Passage]) -> dict[str, str]:
    """Return queries of an identifier's parts, with the one passage that has it.

    Of all such identifiers in alphabetical order, `IDENTIFIERS` at even distances.
    """
    holders: dict[str, set[str]] = defaultdict(set)
    for passage in passages:
        for name in _IDENTIFIER.findall(passage.text):
            holders[name].add(passage.id)
    alone = [(name, *ids) for name, ids in sorted(holders.items()) if len(ids) == 1]
    chosen = [alone[i * len(alone) // IDENTIFIERS] for i in range(IDENTIFIERS)]
    return {" ".join(_PART.findall(name)).lower(): passage_id for name, passage_id in chosen}


def ranks_of(retriever: Retriever, asked: Mapping[str, str]) -> list[float]:
    """Return the rank of each query's passage, infinite below the tenth."""
    ranks = []
    for hits, passage_id in zip(retriever.search(list(asked), 10), asked.values(), strict=True):
        ids = [hit.passage.id for hit in hits]
        ranks.append(ids.index(passage_id) + 1 if passage_id in ids else np.inf)
    return ranks


def quality(encoder: SentenceTransformerEncoder, cache: Path) -> Table:
    """Return nDCG@10 of BM25 and of the hybrid on each set of queries."""
    table = Table("nDCG@10", *(f"version {version}" for version in VERSIONS), title="Quality")
    questions = labelled_questions()
    scifact = load(SCIFACT, cache)
    vectors = encoder.encode_passages([passage.text for passage in questions.passages])
    encoded = encoder.encode_queries(list(questions.queries.values()))
    query_vectors = dict(zip(questions.queries.values(), encoded, strict=True))
    sets: list[tuple[str, Collection, NDArray[np.float32], Mapping[str, NDArray[np.float32]]]] = [
        ("SciFact train", judged("train"), scifact.vectors, scifact.query_vectors),
        ("SciFact test", judged("test"), scifact.vectors, scifact.query_vectors),
        (f"{len(questions.queries)} labelled questions", questions, vectors, query_vectors),
    ]
    for name, collection, rows, queries in sets:
        means: dict[str, list[str]] = defaultdict(list)
        for analyzer in _analyzers():
            lookup = CallableEncoder(
                lambda texts, queries=queries: np.stack([queries[text] for text in texts]),
                dimension=rows.shape[1],
                identity="lookup",
            )
            with HybridIndex.create(encoder=lookup, analyzer=analyzer) as index:
                index.add(collection.passages, vectors=rows, progress=False)
                # Vectors are those of the queries as they are, so no word of theirs is corrected.
                systems = {
                    "BM25": index.tuned(weights={"bm25": 1, "dense": 0}, spelling=False),
                    "hybrid": index.tuned(spelling=False),
                }
                result = evaluate(systems, collection.queries, collection.qrels, ["nDCG@10"], k=10)
                for system in systems:
                    means[system].append(f"{result.mean(system, 'nDCG@10'):.4f}")
        for system, values in means.items():
            table.add_row(f"{name}, {system}", *values)
    return table


def times() -> Table:
    """Return the analyzer's time, and its median ratio to the time before."""
    texts = [passage.text for passage in judged("test").passages]
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    queries = list(judged("test").queries.values())
    table = Table("SciFact", "before, ms", "now, ms", "ratio", title="Time")
    rows: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(ROUNDS):
        before, now = before_reader(), now_reader()
        rows["all passages, cold"].append(_total(pairs_of(before, now, batches)))
        rows[f"{BATCH} passages, warm"] += pairs_of(before, now, batches)
        rows[f"{len(queries)} queries"] += pairs_of(before, now, [queries] * 10)
    for name, pairs in rows.items():
        first, second = (median(times) * 1e3 for times in zip(*pairs, strict=True))
        ratio = median(b / a for a, b in pairs)
        table.add_row(name, f"{first:.1f}", f"{second:.1f}", f"{ratio:.2f}")
    return table


def before_reader() -> Reader:
    """Return the reader of version 1 as it was: no more than the stems are cached."""
    analyzer, segment = Analyzer(version=1), segmenter(2)
    terms = WordCache(lambda word: next(iter(analyzer.terms_of(word)), ""))
    return lambda text: list(filter(None, map(terms.__getitem__, segment(fold(text)))))


def now_reader() -> Reader:
    """Return the reader of an analyzer that has seen nothing."""
    analyzer = Analyzer()
    return lambda text: analyzer([text])[0]


def pairs_of(
    before: Reader, now: Reader, batches: Sequence[Sequence[str]]
) -> list[tuple[float, float]]:
    """Return the processor time in seconds of both readers, batch by batch in turn."""
    pairs = []
    for batch in batches:
        start = time.process_time()
        for text in batch:
            before(text)
        middle = time.process_time()
        for text in batch:
            now(text)
        pairs.append((middle - start, time.process_time() - middle))
    return pairs


def _total(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    first, second = (sum(times) for times in zip(*pairs, strict=True))
    return first, second


def _analyzers() -> Iterator[Analyzer]:
    return (Analyzer(version=version) for version in VERSIONS)


if __name__ == "__main__":
    main()
