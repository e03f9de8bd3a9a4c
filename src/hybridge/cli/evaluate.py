"""`hybridge evaluate`: each stage on a judged collection, alone and on top of those before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import language_option, lexical_option
from .reranking import COLBERT, CROSS_ENCODER, Reranking, rerank_options

if TYPE_CHECKING:
    from ..analyzer import Analyzer
    from ..index import HybridIndex
    from ..protocols import Retriever

__all__ = ["evaluate"]

_MEASURES = ("nDCG@10", "recall@100", "MRR@10")
_BATCH = 256  # queries a search: the hits of a large query set would not fit in memory

_ROWS = {COLBERT: "+ late interaction", CROSS_ENCODER: "+ cross-encoder"}


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--split", default="test", show_default=True, help="Which judgements: qrels/*.tsv.")
@click.option("--encoder", "model", help="Bi-encoder: a name on the hub, or a folder.")
@language_option
@lexical_option
@rerank_options
@click.option("--cache", type=click.Path(path_type=Path), help="Folder to keep the vectors in.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def evaluate(
    directory: Path,
    split: str,
    model: str | None,
    analyzer: Analyzer | None,
    lexical: str | None,
    reranking: Reranking,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Measure BM25, dense and hybrid on the collection in DIR, which is in BEIR's layout.

    With --rerank there is a row for each reranker, in their order, on top of what stands above it.
    """
    from .. import evaluation
    from ..encoders import SentenceTransformerEncoder
    from ..index import HybridIndex
    from .cache import cached_vectors
    from .output import console, print_json, progress

    screen = console(stderr=True)
    collection = evaluation.load_beir(directory, split)
    encoder = SentenceTransformerEncoder(model)
    vectors = cached_vectors(encoder, collection.passages, cache, progress=screen.is_terminal)
    late = (reranking.models[COLBERT] or True) if COLBERT in reranking.names else None
    options: dict[str, Any] = {
        "analyzer": analyzer,
        "lexical": lexical,
        "late_interaction": late,
    }
    given = {name: value for name, value in options.items() if value is not None}
    with HybridIndex.create(encoder=encoder, **given) as index, progress() as bar:
        task = bar.add_task("Indexing", total=None)
        index.add(collection.passages, vectors=vectors, progress=False)
        bar.update(task, description="Asking")
        rows = _rows(index, reranking)
        result = evaluation.evaluate(
            rows,
            collection.queries,
            collection.qrels,
            list(_MEASURES),
            batch_size=_BATCH,
            progress=False,
        )
    facts: dict[str, Any] = {
        "collection": directory.resolve().name,
        "split": split,
        "passages": len(collection.passages),
        "queries": len(collection.queries),
        "encoder": encoder.identity,
    }
    means: dict[str, Any] = {
        name: {measure: result.mean(name, measure) for measure in result.measures}
        for name in result.retrievers
    }
    if as_json:
        print_json({**facts, "results": means})
    else:
        _print_table(facts, means)


def _rows(index: HybridIndex, reranking: Reranking) -> dict[str, Retriever]:
    """Each stage by the name of its row."""
    from ..pipeline import Pipeline

    hybrid: Retriever = index.tuned(blend=0)
    rows: dict[str, Retriever] = {"BM25": index.bm25, "dense": index.dense, "hybrid": hybrid}
    last = hybrid
    for name in reranking.names:
        kept = index.late_interaction if name == COLBERT else None
        if kept is not None and last is hybrid:
            last = index.tuned(**reranking.settings)
        else:
            last = Pipeline(last, kept or reranking.reranker(name), **reranking.settings)
        rows[_ROWS[name]] = last
    return rows


def _print_table(facts: dict[str, Any], means: dict[str, dict[str, float]]) -> None:
    from .output import console, plain_table

    screen = console()
    screen.print(
        "{collection} ({split}): {queries:,} queries, {passages:,} passages".format(**facts)
    )
    table = plain_table("", *_MEASURES)
    for name, values in means.items():
        table.add_row(name, *(f"{value:.3f}" for value in values.values()))
    screen.print(table)
