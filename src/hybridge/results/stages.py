"""The stages inside a retriever, by their names in traces, and the scores that each gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..frameworks import is_retriever
from ..fused import FusedRetriever, known_scores
from ..fusion import FUSION
from ..passages import Hit
from ..pipeline import Pipeline, SearchConfig, name_of, search_config_of
from ..reranking import blend_stage
from .wrapping import RetrieverWrapper

__all__ = [
    "drops_hits",
    "exact_scores",
    "last_stage",
    "mixed_scores",
    "retriever_inside",
    "stages_in",
]


def stages_in(retriever: Any) -> dict[str, Any]:
    """Return what gives the scores of each stage: a retriever of it alone, or a reranker.

    >>> from hybridge import BM25Retriever, FusedRetriever
    >>> list(stages_in(FusedRetriever({"old": BM25Retriever(), "new": BM25Retriever()})))
    ['old', 'new']
    """
    found: dict[str, Any] = {}
    for name, stage in _stages(retriever):
        found.setdefault(name, stage)
    return found


def _stages(retriever: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(retriever, FusedRetriever):
        for name, member in retriever.retrievers.items():
            last = last_stage(member)
            if last is not None:
                yield name, last
            for inner, stage in _stages(member):
                if stage is not last:  # its score is the member's own
                    yield f"{name}/{inner}", stage
    elif isinstance(stages := getattr(retriever, "stages", None), Mapping):  # an index
        yield from stages.items()
    elif (inside := retriever_inside(retriever)) is not None:
        yield from _stages(inside)
        if isinstance(retriever, Pipeline):
            yield from ((name_of(reranker), reranker) for reranker in retriever.rerankers)
    elif isinstance(own := getattr(retriever, "name", None), str):
        yield own, retriever


def mixed_scores(retriever: Any) -> str | None:
    """Return the name of the last stage if its scores are of several stages, such as a fusion's.

    They depend on the list that they are in: a best hit scores high though nothing is relevant.

    >>> from hybridge import BM25Retriever, FusedRetriever
    >>> mixed_scores(FusedRetriever({"a": BM25Retriever()})), mixed_scores(BM25Retriever())
    ('fusion', None)
    """
    if isinstance(retriever, Pipeline) and retriever.rerankers:
        share, name = retriever.blends[-1], name_of(retriever.rerankers[-1])
        return None if share == 1 else blend_stage(name)
    if isinstance(retriever, RetrieverWrapper) and retriever.mixes_scores:
        return retriever.stage
    if isinstance(getattr(retriever, "stages", None), Mapping):
        finding = getattr(retriever, "defaults", {}).get("weights", retriever.stages)
        late = [name for name in retriever.stages if name not in finding]
        return blend_stage(late[-1]) if late else FUSION
    if getattr(retriever, "fusion", None) is not None:  # a FusedRetriever, or one that fuses texts
        return FUSION
    inside = retriever_inside(retriever)
    return None if inside is None else mixed_scores(inside)


def last_stage(retriever: Any) -> Any:
    """Return what gives a retriever's final scores; None where they are of several stages."""
    if mixed_scores(retriever) is not None:
        return None
    if isinstance(retriever, Pipeline) and retriever.rerankers:
        return retriever.rerankers[-1]
    inside = retriever_inside(retriever)
    return retriever if inside is None else last_stage(inside)


def drops_hits(retriever: Any) -> bool:
    """Return whether a retriever with fewer hits than asked for may have more further down.

    A floor and an adapter's score threshold drop hits, and fill no places.

    >>> from hybridge import BM25Retriever
    >>> drops_hits(BM25Retriever()), drops_hits(SearchConfig(BM25Retriever(), 5, None, 1.0))
    (False, True)
    """
    config = retriever if isinstance(retriever, SearchConfig) else search_config_of(retriever)
    if config is not None and config.score_threshold is not None:
        return True
    if isinstance(retriever, RetrieverWrapper) and retriever.drops:
        return True
    inside = retriever_inside(retriever)
    return inside is not None and drops_hits(inside)


def exact_scores(
    stage: Any, queries: Sequence[str], lists: Sequence[Sequence[Hit]]
) -> list[dict[str, float]]:
    """Return a stage's scores of hits, by passage id; without those that it cannot score.

    Args:
        stage: one of `stages_in`.
        queries: plain text.
        lists: hits of each.
    """
    if callable(getattr(stage, "score", None)):
        ids = [sorted({hit.passage.id for hit in hits}) for hits in lists]
        return known_scores(stage, queries, ids)
    nonempty = [i for i, hits in enumerate(lists) if hits]
    scores: list[dict[str, float]] = [{} for _ in lists]
    if nonempty:
        answers = stage.rerank([queries[i] for i in nonempty], [list(lists[i]) for i in nonempty])
        for i, hits in zip(nonempty, answers, strict=True):
            scores[i] = {hit.passage.id: hit.score for hit in hits}
    return scores


def retriever_inside(retriever: Any) -> Any:
    """Return the retriever inside one that adds rerankers, options or a choice of hits."""
    config = retriever if isinstance(retriever, SearchConfig) else search_config_of(retriever)
    if config is not None:
        return config.retriever
    # Of a Pipeline and wrappers the first, of a TunedIndex and a DiverseRetriever the second.
    found = (getattr(retriever, name, None) for name in ("retriever", "index"))
    return next((inside for inside in found if is_retriever(inside)), None)
