"""The functions `explain` and `explain_search`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..arguments import check_k
from ..errors import InvalidInputError
from ..filters import as_filter
from ..frameworks import as_retriever
from ..fused import FusedRetriever
from ..index import HybridIndex
from ..index.single_stage import StageRetriever
from ..index.tuned import TunedIndex
from ..language_models import ExpandedRetriever
from ..lexical import BM25Retriever
from ..passages import Hit, Passage
from ..pipeline import Pipeline, SearchConfig, search_config_of
from ..protocols import Where
from ..query_syntax import plain_texts
from ..results import (
    BoostedRetriever,
    DeepRetriever,
    DistinctRetriever,
    FlooredRetriever,
    GroupedRetriever,
    ParentRetriever,
)
from ..scope import ScopedRetriever, narrowed
from ..telemetry import TracedRetriever
from .boosts import BoostExplainer
from .deepening import DeepExplainer, DistinctExplainer, GroupsExplainer, ParentsExplainer
from .explainer import Explainer
from .floor import FloorExplainer
from .fused import FusedExplainer
from .hybrid import IndexExplainer
from .model import Explanation, SearchExplanation
from .reranking import PipelineExplainer
from .scope import ScopeExplainer
from .single_stage import BlackBoxExplainer, BM25Explainer, PlaidExplainer, StageExplainer
from .threshold import ThresholdExplainer

__all__ = ["explain", "explain_search"]

_K = 10
_DEEP: Mapping[type[DeepRetriever], type[DeepExplainer[Any]]] = {
    DistinctRetriever: DistinctExplainer,
    GroupedRetriever: GroupsExplainer,
    ParentRetriever: ParentsExplainer,
}


def explain(
    retriever: Any,
    query: str,
    passage: str | Passage | Hit,
    *,
    k: int | None = None,
    where: Where | None = None,
) -> Explanation:
    """Explain why a passage ranks where it does for a query, or why it is not found.

    The search runs as it is, and every number is taken from it: the parts sum to its scores. Write
    nothing to the index meanwhile.

    Args:
        retriever: an index, tuned or not, one of its stages, BM25 alone, a pipeline, a
            `FusedRetriever` or an `ExpandedRetriever` over any of these, a wrapper of
            `hybridge.results`; a retriever that an adapter makes of them, for LangChain or
            LlamaIndex; or any other retriever, explained by the hits it returns.
        query: one question.
        passage: its id, itself, or a hit of it.
        k: passages the search returns; None for an adapter's retriever's own number, and for 10
            of any other retriever.
        where: only passages that pass this filter, an object or a dict of Hybridge's, are found;
            None for the one that an adapter's retriever is set to, ``{}`` for none.

    Raises:
        InvalidInputError: the query is blank, the passage is not in the collection, or another
            argument is not valid.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("p1", "Cats sleep a lot."), Passage("p2", "Dogs bark.")])
    >>> explanation = explain(bm25, "a sleeping cat", "p1")
    >>> explanation.rank, [(term.term, term.words) for term in explanation.bm25.terms[:2]]
    (1, [('sleep', ('sleeping',)), ('cat', ('cat',))])
    >>> explain(bm25, "a sleeping cat", "p2").missed
    'it shares no term with the query'
    """
    name = _id_of(passage)
    explainer = _searched(retriever, query, k, where)
    found = explainer.get(name, _passage_of(passage))
    if found is None:
        raise InvalidInputError(
            f"no passage has the id {name!r} here: give the id of one that was added, or, where "
            "the retriever has no `get`, the Passage itself"
        )
    return explainer.explain([found])[0]


def explain_search(
    retriever: Any, query: str, k: int | None = None, *, where: Where | None = None
) -> SearchExplanation:
    """Explain each hit of a query, and return all the candidates with them.

    Args:
        retriever: as for `explain`.
        query: one question.
        k: passages the search returns, as for `explain`.
        where: only passages that pass this filter are found, as for `explain`.

    Raises:
        InvalidInputError: the query is blank, or another argument is not valid.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("p1", "Cats sleep a lot."), Passage("p2", "Dogs bark.")])
    >>> found = explain_search(bm25, "Why do cats sleep?")
    >>> [hit.passage.id for hit in found.hits], found.explanations[0].rank
    (['p1'], 1)
    """
    explainer = _searched(retriever, query, k, where)
    explanations = explainer.explain([hit.passage for hit in explainer.hits])
    return SearchExplanation(query, explainer.hits, explainer.candidates, explanations)


def _searched(retriever: object, query: str, k: int | None, where: Where | None) -> Explainer:
    """Run the search to explain."""
    if not isinstance(query, str):
        raise InvalidInputError(f"query must be one string, not {type(query).__name__}")
    if not query.strip():
        raise InvalidInputError("the query is blank, and finds nothing: give a question")
    as_filter(where)
    searched = as_retriever(retriever)
    if k is None:
        config = search_config_of(searched)
        k = _K if config is None else config.k
    return _explainer(searched, query, check_k(k), where)


def _explainer(
    retriever: Any, query: str, k: int, where: Where | None, next_stage: str = ""
) -> Explainer:
    if isinstance(retriever, Pipeline):
        following = "the next reranker" if retriever.rerankers else next_stage
        first = retriever.keeps(k)[0]
        inner = _explainer(retriever.retriever, query, first, where, following)
        [text] = plain_texts([query]) if retriever.query_syntax else [query]
        return PipelineExplainer(retriever, inner, text, k, next_stage)
    deep = next((each for kind, each in _DEEP.items() if isinstance(retriever, kind)), None)
    if deep is not None:
        following = f"the {retriever.stage}"
        return deep(
            retriever,
            query,
            k,
            where,
            lambda depth: _explainer(retriever.retriever, query, depth, where, following),
        )
    if isinstance(retriever, FusedRetriever):
        [plan] = retriever._plans([query], k, where)
        [text] = plan.queries
        members = {
            member.name: _explainer(member.retriever, text, member.depth, plan.where, "the fusion")
            for member in plan.members
        }
        return FusedExplainer(plan, members, query, next_stage)
    if isinstance(retriever, ScopedRetriever):
        joined = narrowed(retriever.scope, where)
        inner = _explainer(retriever.retriever, query, k, joined, next_stage)
        return ScopeExplainer(retriever, inner)
    if isinstance(retriever, ExpandedRetriever):
        expanded = retriever.plan(query, k, where)
        texts = {
            member.name: _explainer(
                retriever.retriever, text, member.depth, expanded.where, "the fusion"
            )
            for member, text in zip(expanded.members, expanded.texts, strict=True)
        }
        return FusedExplainer(expanded, texts, query, next_stage)
    if isinstance(retriever, HybridIndex):
        return IndexExplainer(retriever, {}, query, k, where, next_stage)
    if isinstance(retriever, TunedIndex) and isinstance(retriever.index, HybridIndex):
        return IndexExplainer(retriever.index, retriever.options, query, k, where, next_stage)
    if isinstance(retriever, StageRetriever):
        return StageExplainer(retriever, query, k, where, next_stage)
    if isinstance(retriever, BM25Retriever):
        return BM25Explainer(retriever, query, k, where, next_stage)
    if _is_plaid(retriever):
        return PlaidExplainer(retriever, query, k, where, next_stage)
    if isinstance(retriever, TracedRetriever):
        return _explainer(retriever.retriever, query, k, where, next_stage)
    if isinstance(retriever, FlooredRetriever | BoostedRetriever):
        return _wrapped(retriever, query, k, where, next_stage)
    config = search_config_of(retriever)
    if config is not None:
        return _inner_explainer(config, query, k, where, next_stage)
    return BlackBoxExplainer(retriever, query, k, where, next_stage)


def _wrapped(
    retriever: FlooredRetriever | BoostedRetriever,
    query: str,
    k: int,
    where: Where | None,
    next_stage: str,
) -> Explainer:
    depth = retriever.candidates(k)
    if isinstance(retriever, BoostedRetriever):
        inner = _explainer(retriever.retriever, query, depth, where, "the boosts")
        return BoostExplainer(inner, retriever, k, next_stage)
    [text] = plain_texts([query]) if retriever.query_syntax else [query]
    inner = _explainer(retriever.retriever, query, depth, where, next_stage)
    return FloorExplainer(inner, retriever, text)


def _inner_explainer(
    config: SearchConfig, query: str, k: int, where: Where | None, next_stage: str
) -> Explainer:
    explainer = _explainer(config.retriever, query, k, config.filter_for(where), next_stage)
    minimum = config.score_threshold
    return explainer if minimum is None else ThresholdExplainer(explainer, minimum)


def _is_plaid(retriever: object) -> bool:
    from ..colbert import ColBERTRetriever

    return isinstance(retriever, ColBERTRetriever)


def _id_of(passage: object) -> str:
    if isinstance(passage, Hit):
        passage = passage.passage
    if isinstance(passage, Passage):
        return passage.id
    if not isinstance(passage, str) or not passage:
        raise InvalidInputError(f"passage must be an id, a Passage or a Hit, not {passage!r:.100}")
    return passage


def _passage_of(passage: str | Passage | Hit) -> Passage | None:
    if isinstance(passage, Hit):
        return passage.passage
    return passage if isinstance(passage, Passage) else None
