"""`hybridge evaluate`: BM25, the bi-encoder and both together on a judged collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import language_option, lexical_option

if TYPE_CHECKING:
    from ..analyzer import Analyzer
    from ..protocols import Retriever

__all__ = ["evaluate"]

# What people call the measures, and what ir-measures calls them.
_MEASURES = {"nDCG@10": "nDCG@10", "recall@100": "R@100", "MRR@10": "RR@10"}


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--split", default="test", show_default=True, help="Which judgements: qrels/*.tsv.")
@click.option("--encoder", "model", help="Bi-encoder: a name on the hub, or a folder.")
@language_option
@lexical_option
@click.option("--cache", type=click.Path(path_type=Path), help="Folder to keep the vectors in.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def evaluate(
    directory: Path,
    split: str,
    model: str | None,
    analyzer: Analyzer | None,
    lexical: str | None,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Measure BM25, dense and hybrid on the collection in DIR, which is in BEIR's layout."""
    from .. import evaluation
    from ..encoders import SentenceTransformerEncoder
    from ..index import HybridIndex
    from .cache import cached_vectors
    from .output import console, print_json, progress

    screen = console(stderr=True)
    collection = evaluation.load_beir(directory, split)
    encoder = SentenceTransformerEncoder(model)
    vectors = cached_vectors(encoder, collection.passages, cache, progress=screen.is_terminal)
    options: dict[str, Any] = {"analyzer": analyzer, "lexical": lexical}
    given = {name: value for name, value in options.items() if value is not None}
    with HybridIndex.create(encoder=encoder, **given) as index, progress() as bar:
        task = bar.add_task("Indexing", total=None)
        index.add(collection.passages, vectors=vectors, progress=False)
        bar.update(task, description="Asking")
        retrievers: dict[str, Retriever] = {
            "BM25": index.bm25,
            "dense": index.dense,
            "hybrid": index,
        }
        result = evaluation.evaluate(retrievers, collection, list(_MEASURES.values()))
    facts: dict[str, Any] = {
        "collection": directory.resolve().name,
        "split": split,
        "passages": len(collection.passages),
        "queries": len(collection.queries),
        "encoder": encoder.identity,
    }
    means: dict[str, Any] = {
        name: {label: result.mean(name, measure) for label, measure in _MEASURES.items()}
        for name in result.values
    }
    if as_json:
        print_json({**facts, "results": means})
    else:
        _print_table(facts, means)


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
