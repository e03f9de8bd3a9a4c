"""`hybridge evaluate`: each stage on judged questions, alone and on top of those before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import file_option
from .fusing import FUSED, fused_with, index_names
from .judged import Judged, judged_options, title_of
from .reranking import COLBERT, CROSS_ENCODER, Reranking, rerank_options

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..fused import FusedRetriever
    from ..index import HybridIndex
    from ..protocols import Retriever

__all__ = ["evaluate"]

_MEASURES = ("nDCG@10", "recall@100", "MRR@10")
_DEPTH = 100

_STAGES = ("BM25", "dense", "hybrid")
_ROWS = {COLBERT: "+ late interaction", CROSS_ENCODER: "+ cross-encoder"}


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@judged_options
@rerank_options
@click.option(
    "--measure",
    "measures",
    multiple=True,
    help="Such as success@5; repeatable.  [default: nDCG@10, recall@100, MRR@10]",
)
@click.option(
    "--baseline",
    help="The row to compare the others with.  [default: hybrid; fused where there is --with]",
)
@file_option("--plot", ".png", ".svg", help="A picture of quality against latency: .png or .svg.")
@file_option("--per-query", ".csv", help="Every query's values by the first measure: .csv.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def evaluate(
    judged: Judged,
    reranking: Reranking,
    measures: tuple[str, ...],
    baseline: str | None,
    plot: Path | None,
    per_query: Path | None,
    as_json: bool,
) -> None:
    """Measure BM25, dense and hybrid on the collection in DIR, which is in BEIR's layout.

    DIR may be an index too, asked your own questions or synthetic ones. Queries are asked one at
    a time, and the latency has the encoding of the query in it. With --rerank there is a row for
    each reranker, in their order, on top of what stands above it. With --with there is a row for
    each index, and one for all of them fused.
    """
    from .. import evaluation
    from ..evaluation.measures import Judge
    from .output import console, print_json

    # What is wrong with these is said before a collection is encoded.
    Judge(measures or _MEASURES, {}, _DEPTH)
    folder, others = str(judged.directory), judged.others
    stages = [*index_names([folder, *others]), FUSED] if others else _STAGES
    names = [*stages, *(_ROWS[name] for name in reranking.names)]
    baseline = stages[-1] if baseline is None else baseline
    if baseline not in names:
        raise click.UsageError(f"the baseline {baseline!r} is none of {', '.join(names)}")
    with (
        judged.open(reranking.late_interaction) as (index, collection),
        fused_with(index, folder, others) as fused,
    ):
        result = evaluation.evaluate(
            _rows(index, reranking) if fused is None else _fused_rows(fused, reranking),
            collection.queries,
            collection.qrels,
            measures or _MEASURES,
            k=_DEPTH,
            baseline=baseline,
        )
        facts = judged.facts(index, collection, fused)
    if plot is not None:
        from ..plots import quality_latency

        quality_latency(result).save(plot)
    if per_query is not None:
        result.per_query().to_csv(per_query)
    if as_json:
        print_json({**facts, **_json(result)})
        return
    screen = console()
    screen.print(title_of(facts), markup=False)
    screen.print(result)


def _rows(index: HybridIndex, reranking: Reranking) -> dict[str, Retriever]:
    """Each stage by the name of its row."""
    from ..pipeline import Pipeline

    hybrid: Retriever = index.tuned(blend=0)
    stages: list[Retriever] = [index.bm25, index.dense, hybrid]
    rows = dict(zip(_STAGES, stages, strict=True))
    last = hybrid
    for name in reranking.names:
        kept = index.late_interaction if name == COLBERT else None
        if kept is not None and last is hybrid:
            last = index.tuned(**reranking.settings)
        else:
            last = Pipeline(last, kept or reranking.reranker(name), **reranking.settings)
        rows[_ROWS[name]] = last
    return rows


def _fused_rows(fused: FusedRetriever, reranking: Reranking) -> dict[str, Retriever]:
    """Each index by its name, all together, and the rerankers on top of that."""
    from ..pipeline import Pipeline

    last: Retriever = fused
    rows = {**fused.retrievers, FUSED: last}
    for name in reranking.names:
        last = Pipeline(last, reranking.reranker(name), **reranking.settings)
        rows[_ROWS[name]] = last
    return rows


def _json(result: Evaluation) -> dict[str, Any]:
    """The figures; seconds apart from values, which are the same in every run."""
    names = result.retrievers
    return {
        "results": {
            name: {measure: result.mean(name, measure) for measure in result.measures}
            for name in names
        },
        "milliseconds": {
            name: {f"p{p}": 1000 * result.latency(name, p) for p in (50, 95)} for name in names
        },
        "stages": {
            name: {stage: 1000 * s for stage, s in result.stage_costs(name).items()}
            for name in names
        },
    }
