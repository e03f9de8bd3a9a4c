"""`explain` and `explain_search`: the ways in."""

from __future__ import annotations

from typing import Any

from ..arguments import check_k
from ..errors import InvalidInputError
from ..filters import as_filter
from ..frameworks import SearchConfig, as_retriever, search_config_of
from ..fused import FusedRetriever
from ..index import HybridIndex
from ..index.single_stage import StageRetriever
from ..index.tuned import TunedIndex
from ..lexical import BM25Retriever
from ..passages import Hit, Passage
from ..pipeline import Pipeline
from ..protocols import Where
from .alone import BM25Examiner, OtherExaminer, PlaidExaminer, StageExaminer
from .examiner import Examiner
from .fused import FusedExaminer
from .hybrid import HybridExaminer
from .parts import Explanation, SearchExplanation
from .reranking import PipelineExaminer
from .threshold import ThresholdExaminer

__all__ = ["explain", "explain_search"]

_K = 10


def explain(
    retriever: Any,
    query: str,
    passage: str | Passage | Hit,
    *,
    k: int | None = None,
    where: Where | None = None,
) -> Explanation:
    """Why a passage ranks where it does for a query, or why it is not found.

    The search is run as it is, and then taken apart: every number is the search's own, and the
    parts sum to it. Nothing should be written to an index meanwhile.

    Args:
        retriever: an index, tuned or not, one of its stages, BM25 alone, a pipeline or a
            `FusedRetriever` over any of these; a retriever that an adapter makes of them, for
            LangChain or LlamaIndex; or any other retriever, of which no more is known than what it
            returns.
        query: one question.
        passage: its id, itself, or a hit of it.
        k: how many answers the search is for; None for as many as an adapter's retriever is set
            to give, and for 10 of any other.
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
    examiner = _searched(retriever, query, k, where)
    found = examiner.get(name, _passage_of(passage))
    if found is None:
        raise InvalidInputError(
            f"no passage has the id {name!r} here: give the id of one that was added, or, where "
            "the retriever cannot be asked for passages, the Passage itself"
        )
    return examiner.explain([found])[0]


def explain_search(
    retriever: Any, query: str, k: int | None = None, *, where: Where | None = None
) -> SearchExplanation:
    """A query's answers, each explained, and all the candidates they were chosen from.

    Args:
        retriever: as for `explain`.
        query: one question.
        k: how many answers are wanted, as for `explain`.
        where: only passages that pass this filter are found, as for `explain`.

    Raises:
        InvalidInputError: the query is blank, or another argument is not valid.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("p1", "Cats sleep a lot."), Passage("p2", "Dogs bark.")])
    >>> found = explain_search(bm25, "Why do cats sleep?")
    >>> [hit.passage.id for hit in found.hits], found.explanations[0].rank
    (['p1'], 1)
    """
    examiner = _searched(retriever, query, k, where)
    explanations = examiner.explain([hit.passage for hit in examiner.hits])
    return SearchExplanation(query, examiner.hits, examiner.candidates, explanations)


def _searched(retriever: object, query: str, k: int | None, where: Where | None) -> Examiner:
    """The search that is to be explained, done."""
    if not isinstance(query, str):
        raise InvalidInputError(f"query must be one string, not {type(query).__name__}")
    if not query.strip():
        raise InvalidInputError("the query is blank, and finds nothing: give a question")
    as_filter(where)
    searched = as_retriever(retriever)
    if k is None:
        inside = search_config_of(searched)
        k = _K if inside is None else inside.k
    return _examiner(searched, query, check_k(k), where)


def _examiner(retriever: Any, query: str, k: int, where: Where | None, feeds: str = "") -> Examiner:
    if isinstance(retriever, Pipeline):
        first, next_ = retriever.first(k), "the next reranker" if retriever.rerankers else feeds
        inner = _examiner(retriever.retriever, query, first, where, next_)
        return PipelineExaminer(retriever, inner, query, k, feeds)
    if isinstance(retriever, FusedRetriever):
        plan = retriever._plan([query], k, where)
        members = {
            member.name: _examiner(member.retriever, query, member.depth, where, "the fusion")
            for member in plan.members
        }
        return FusedExaminer(plan, members, feeds)
    if isinstance(retriever, HybridIndex):
        return HybridExaminer(retriever, {}, query, k, where, feeds)
    if isinstance(retriever, TunedIndex) and isinstance(retriever.index, HybridIndex):
        return HybridExaminer(retriever.index, retriever.options, query, k, where, feeds)
    if isinstance(retriever, StageRetriever):
        return StageExaminer(retriever, query, k, where, feeds)
    if isinstance(retriever, BM25Retriever):
        return BM25Examiner(retriever, query, k, where, feeds)
    if _is_plaid(retriever):
        return PlaidExaminer(retriever, query, k, where, feeds)
    inside = search_config_of(retriever)
    if inside is not None:
        return _inside_examiner(inside, query, k, where, feeds)
    return OtherExaminer(retriever, query, k, where, feeds)


def _inside_examiner(
    inside: SearchConfig, query: str, k: int, where: Where | None, feeds: str
) -> Examiner:
    where = inside.where if where is None else where
    examiner = _examiner(inside.retriever, query, k, where, feeds)
    least = inside.score_threshold
    return examiner if least is None else ThresholdExaminer(examiner, least)


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
