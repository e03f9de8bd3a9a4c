"""A PLAID index over SciFact: its memory, its answers beside exact MaxSim, and its updates.

It is built and changed in a process of its own, whose memory is watched from outside. Exact MaxSim
is over the same checkpoint's token vectors, which the cache keeps; the index encodes for itself.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np
import psutil

from corpus import SCIFACT, judged, load
from hybridge import Hit
from hybridge.colbert import ColBERTRetriever, max_sim
from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder
from hybridge.passages import Passage
from rerank_models import colbert
from rerank_quality import measures, some
from rerank_report import bar, print_table
from rerank_tokens import CachedTokens

__all__ = ["plaid"]

DELETED, ADDED = 100, 50
DEPTH = 100


class Counting(RAGatouilleTokenEncoder):
    """An encoder that counts the passages it encodes."""

    encoded = 0

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Any:
        self.encoded += len(texts)
        return super().encode_passages(texts, progress=progress)


@dataclass(frozen=True)
class Built:
    """What building took, and what the index then answers."""

    distinct: int
    encoded: int
    encode_seconds: float
    index_seconds: float
    query_ms: float
    found: list[list[Hit]]


def plaid(
    queries: int | None, passages: int | None, cache: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Measures, and prints, all of it.

    Args:
        queries: how many test queries are asked; None for all.
        passages: how many of SciFact's passages are indexed; None for all.
        cache: the folder of vectors and checkpoints.

    Returns:
        The figures, and the bars.
    """
    test = some(judged("test"), queries)
    asked, checkpoint = list(test.queries.values()), colbert(cache)
    given = list(judged("test").passages[:passages])
    new = load(SCIFACT + ADDED, cache).passages[-ADDED:]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        process = psutil.Process(pool.submit(os.getpid).result())

        def watched(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
            running, peak = pool.submit(work, *arguments), 0
            while not running.done():
                peak = max(peak, process.memory_info().rss)
                sleep(0.05)
            return running.result(), peak / 1e9

        built, peak = watched(_build, checkpoint, given, asked)
        differing, _ = watched(_update, checkpoint, given, new, asked)
    exact = _exact(checkpoint, given, asked, cache)
    figures = {
        "passages": len(given),
        "seconds to encode": built.encode_seconds,
        "seconds to index": built.index_seconds,
        "peak memory, GB": peak,
        "times a passage was encoded": built.encoded / built.distinct,
        "p50 of a query, ms": built.query_ms,
        "nDCG@10": measures(test, built.found)["nDCG@10"],
        "nDCG@10 of exact MaxSim": measures(test, exact)["nDCG@10"],
        "queries answered otherwise than by a fresh index": differing,
    }
    print_table("PLAID over SciFact", ("", "measured"), figures.items())
    off = abs(figures["nDCG@10"] - figures["nDCG@10 of exact MaxSim"])
    return figures, [
        bar("peak memory of building PLAID, GB", peak, high=4.0),
        bar("passages that PLAID encodes again", built.encoded - built.distinct, high=0),
        bar("nDCG@10: PLAID beside exact MaxSim, difference", off, high=0.01),
        bar("queries that updates changed beside a fresh build", differing, high=0),
    ]


_retriever: ColBERTRetriever | None = None  # in the child, kept between its tasks


def _build(checkpoint: Path, passages: list[Passage], queries: list[str]) -> Built:
    global _retriever
    encoder = Counting(checkpoint)
    begin = perf_counter()
    _retriever = ColBERTRetriever.create(passages=passages, model=encoder)
    encoded = perf_counter()
    _retriever.optimize()
    indexed = perf_counter()
    times = []
    found = []
    for query in (queries[0], *queries):
        start = perf_counter()
        found += _retriever.search([query], DEPTH)
        times.append(1000 * (perf_counter() - start))
    return Built(
        distinct=len({passage.text for passage in passages}),
        encoded=encoder.encoded,
        encode_seconds=encoded - begin,
        index_seconds=indexed - encoded,
        query_ms=median(times[1:]),  # the first was to make ready
        found=found[1:],
    )


def _update(
    checkpoint: Path, passages: list[Passage], new: list[Passage], queries: list[str]
) -> int:
    """How many queries' best ten differ, in ids or scores, after updates and in a fresh index."""
    assert _retriever is not None
    others = np.random.default_rng(0).choice(np.arange(1, len(passages)), DELETED, replace=False)
    gone = {passages[0].id, *(passages[place].id for place in others)}
    _retriever.delete(gone)
    _retriever.add(new)
    grown = _answers(_retriever, queries)
    _retriever.close()
    kept = [passage for passage in passages if passage.id not in gone]
    with ColBERTRetriever.create(passages=[*kept, *new], model=checkpoint) as fresh:
        pairs = zip(grown, _answers(fresh, queries), strict=True)
        return sum(one != other for one, other in pairs)


def _answers(retriever: ColBERTRetriever, queries: list[str]) -> list[list[tuple[str, float]]]:
    return [[(hit.passage.id, hit.score) for hit in hits] for hits in retriever.search(queries, 10)]


def _exact(
    checkpoint: Path, passages: list[Passage], queries: list[str], cache: Path
) -> list[list[Hit]]:
    encoder = RAGatouilleTokenEncoder(checkpoint)
    tokens = encoder if len(passages) < SCIFACT else CachedTokens(encoder, cache)
    encoded = tokens.encode_passages([passage.text for passage in passages])
    found = []
    for query in tokens.encode_queries(queries):
        hits = map(Hit, passages, max_sim(query, encoded))
        found.append(sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))[:DEPTH])
    return found
