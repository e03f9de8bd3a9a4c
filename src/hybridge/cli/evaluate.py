"""`hybridge evaluate`: each stage on judged questions, alone and on top of those before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import file_option
from .fusing import FUSED, distinct, index_names
from .judged import Judged, print_result
from .options import json_option, takes
from .output import label_of
from .reranking import COLBERT, CROSS_ENCODER, Reranking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..evaluation import Evaluation
    from ..fused import FusedRetriever
    from ..index import HybridIndex
    from ..protocols import Retriever

__all__ = ["evaluate"]

_MEASURES = ("nDCG@10", "recall@100", "MRR@10")
_DEPTH = 100

_HYBRID = "hybrid"
_DEFAULT_STAGES = ("bm25", "dense")  # of the index that is made for a collection
_ROWS = {COLBERT: "+ late interaction", CROSS_ENCODER: "+ cross-encoder"}


@click.command()
@takes("judged", Judged)
@takes("reranking", Reranking)
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
@json_option
def evaluate(
    judged: Judged,
    reranking: Reranking,
    measures: tuple[str, ...],
    baseline: str | None,
    plot: Path | None,
    per_query: Path | None,
    as_json: bool,
) -> None:
    """Measure each stage and the hybrid on the collection in DIR, which is in BEIR's layout.

    DIR may be an index too, with your own questions or synthetic ones. Queries run one at a time,
    and the latency includes the encoding of the query. With --rerank there is a row for each
    reranker, in their order, on top of the row above. With --with there is a row for each index,
    and one for all of them fused.
    """
    from .. import evaluation
    from ..evaluation.measures import Judge

    # Mistakes in these show before a collection is encoded.
    Judge(measures or _MEASURES, {}, _DEPTH)
    baseline = baseline or (FUSED if judged.others else _HYBRID)
    reranked = [_ROWS[name] for name in reranking.names]
    if judged.others:
        folders = [str(judged.directory), *judged.others]
        _check(baseline, [*index_names(folders), FUSED, *reranked])
    elif not judged.has_own_questions:
        _check(baseline, [*_names(_DEFAULT_STAGES), *reranked])
    with judged.open(reranking.late_interaction) as (index, fused, collection):
        # An index that is created here has the token vectors of the model that is named.
        has_tokens = fused is None and not (judged.has_own_questions and reranking.colbert)
        rows = _reranked(_rows(index, fused), reranking, index if has_tokens else None)
        _check(baseline, rows)
        result = evaluation.evaluate(
            rows,
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
    print_result(facts, result, _json(result) if as_json else None)


def _check(baseline: str, rows: Iterable[str]) -> None:
    if baseline not in (names := list(rows)):
        raise click.UsageError(f"the baseline {baseline!r} is none of {', '.join(names)}")


def _names(stages: Iterable[str]) -> list[str]:
    """Return the names of the rows for an index's stages alone and together."""
    return [*distinct(map(label_of, stages), _HYBRID, *_ROWS.values()), _HYBRID]


def _rows(index: HybridIndex, fused: FusedRetriever | None) -> dict[str, Retriever]:
    """Return an index's stages alone and together, or several indexes so, by the names of rows."""
    if fused is not None:
        return {**fused.retrievers, FUSED: fused}
    stages = list(index.defaults["weights"])
    alone = [index.stages[stage] for stage in stages]
    return dict(zip(_names(stages), [*alone, index.tuned(blend=0)], strict=True))


def _reranked(
    rows: dict[str, Retriever], reranking: Reranking, index: HybridIndex | None
) -> dict[str, Retriever]:
    """Add a row for each reranker, on top of the row above.

    Args:
        rows: those of the first stages.
        reranking: the rerankers.
        index: the one whose own token vectors serve for late interaction; None for no such one.
    """
    from ..pipeline import Pipeline

    *_, first = rows.values()
    last = first
    for name in reranking.names:
        own = index.late_interaction if index is not None and name == COLBERT else None
        if index is not None and own is not None and last is first:
            last = index.tuned(**reranking.settings)
        else:
            last = Pipeline(last, own or reranking.reranker(name), **reranking.settings)
        rows[_ROWS[name]] = last
    return rows


def _json(result: Evaluation) -> dict[str, Any]:
    """Return the figures; seconds apart from values, which are the same in every run."""
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
