"""What reranking is worth on SciFact's test queries, and what stored late interaction costs.

The blend of late interaction is chosen on train, by nDCG@10 and recall@100 together, for a search
that returns 100 passages is judged by both; what nDCG@10 alone would have chosen is shown beside
it. The cross-encoder was trained there, so its blend is the default, and it reads as many tokens
as it was meant to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import ir_measures
from ir_measures import R, nDCG

from corpus import SCIFACT, judged, load
from hybridge import Hit
from hybridge.colbert import MultiVectorTokenEncoder, max_sim
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.evaluation import Collection
from hybridge.reranking import blended, reordered
from rerank_index import hybrid_index, kept_tokens
from rerank_models import cross_encoder
from rerank_report import bar, print_table
from rerank_tokens import CachedTokens

__all__ = ["measures", "quality", "some"]

BLENDS = tuple(twentieths / 20 for twentieths in range(21))
DEPTH = 100
CROSS_ENCODER_DEPTH = 50
CROSS_ENCODER_TOKENS = 256
MEASURES = {"nDCG@10": nDCG @ 10, "recall@100": R @ 100}

Search = Callable[[str], object]


def quality(count: int | None, cache: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Measures, and prints, all of it.

    Args:
        count: how many queries of each split; None for all.
        cache: the folder of vectors and checkpoints.

    Returns:
        The measures of each system, and the bars.
    """
    train, test = (some(judged(split), count) for split in ("train", "test"))
    asked = list(test.queries.values())
    with hybrid_index(load(SCIFACT, cache), kept_tokens(cache)) as index:
        lexical = index.bm25.search(asked, DEPTH)
        hybrid = index.search(asked, DEPTH, blend=0.0)
        questions = list(train.queries.values())
        on_train = {
            blend: measures(train, index.search(questions, DEPTH, blend=blend)) for blend in BLENDS
        }
        blend = max(BLENDS, key=lambda share: sum(on_train[share].values()))
        by_ndcg = max(BLENDS, key=lambda share: on_train[share]["nDCG@10"])
        late, other = (index.search(asked, DEPTH, blend=share) for share in (blend, by_ndcg))
        above = _milliseconds_above(
            lambda query: index.search([query], blend=0.0),
            lambda query: index.search([query], blend=blend),
            asked,
        )
    tokens = CachedTokens(MultiVectorTokenEncoder(), cache)
    judge = CrossEncoderReranker(
        cross_encoder(cache), max_length=CROSS_ENCODER_TOKENS, progress=True
    )
    first = [hits[:CROSS_ENCODER_DEPTH] for hits in hybrid]
    by_judge = judge.rerank(asked, first)
    half = [blended(before, after, 0.5) for before, after in zip(first, by_judge, strict=True)]
    figures = {
        "BM25": measures(test, lexical),
        "BM25's 100 → late interaction": measures(test, _by_max_sim(asked, lexical, tokens)),
        "hybrid": measures(test, hybrid),
        f"hybrid + stored late interaction, blend {blend:g}": measures(test, late),
        f"the same, blend by nDCG@10 alone, {by_ndcg:g}": measures(test, other),
        "hybrid's 50 → cross-encoder": _at_10(measures(test, by_judge)),
        "hybrid's 50 → cross-encoder, blend 0.5": _at_10(measures(test, half)),
    }
    print_table(
        f"SciFact train, {len(questions)} queries: hybrid + stored late interaction",
        ("blend", *MEASURES),
        ((f"{share:g}", *values.values()) for share, values in on_train.items()),
    )
    print_table(
        f"SciFact test, {len(asked)} queries",
        ("", *MEASURES),
        ((name, *map(values.get, MEASURES)) for name, values in figures.items()),
    )
    return {"train": on_train, "test": figures, "blend": blend, "milliseconds_above": above}, _bars(
        figures, above
    )


def some(collection: Collection, count: int | None) -> Collection:
    """A collection with its first `count` queries."""
    chosen = dict(islice(collection.queries.items(), count))
    return replace(
        collection, queries=chosen, qrels={query: collection.qrels[query] for query in chosen}
    )


def measures(collection: Collection, found: Sequence[Sequence[Hit]]) -> dict[str, float]:
    """What one list a query is worth."""
    # Ranks as scores: trec_eval breaks ties its own way.
    run = {
        query: {hit.passage.id: -float(rank) for rank, hit in enumerate(hits)}
        for query, hits in zip(collection.queries, found, strict=True)
    }
    values = ir_measures.calc_aggregate(MEASURES.values(), collection.qrels, run)
    return {name: float(values[measure]) for name, measure in MEASURES.items()}


def _at_10(values: dict[str, float]) -> dict[str, float]:
    """Without recall@100, which lists of 50 cannot tell."""
    return {"nDCG@10": values["nDCG@10"]}


def _by_max_sim(
    queries: Sequence[str], candidates: Sequence[Sequence[Hit]], tokens: CachedTokens
) -> list[list[Hit]]:
    return [
        reordered(
            "colbert",
            hits,
            max_sim(query, tokens.encode_passages([hit.passage.text for hit in hits])),
        )
        for query, hits in zip(tokens.encode_queries(queries), candidates, strict=True)
    ]


def _milliseconds_above(first: Search, second: Search, queries: Sequence[str]) -> float:
    """How much longer `second` takes for a query, the two taking turns: the medians' difference."""
    taken: tuple[list[float], list[float]] = ([], [])
    for query in (queries[0], *queries):
        for search, times in zip((first, second), taken, strict=True):
            begin = perf_counter()
            search(query)
            times.append(1000 * (perf_counter() - begin))
    before, after = (median(times[1:]) for times in taken)  # the first was to make ready
    return after - before


def _bars(figures: dict[str, dict[str, float]], above: float) -> list[dict[str, Any]]:
    _, over_bm25, hybrid, late, _, _, judge = figures.values()
    return [
        bar("nDCG@10: late interaction over BM25's 100", over_bm25["nDCG@10"], low=0.710),
        bar("nDCG@10: hybrid + stored late interaction", late["nDCG@10"], low=0.738),
        bar("recall@100: hybrid + stored late interaction", late["recall@100"], low=0.950),
        bar("ms a query: stored late interaction above hybrid", above, high=30),
        bar(
            "nDCG@10: hybrid + cross-encoder, above hybrid",
            judge["nDCG@10"] - hybrid["nDCG@10"],
            low=0.010,
        ),
    ]
