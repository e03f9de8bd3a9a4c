"""Why a passage is not found, in one sentence, and which knob would change that."""

from __future__ import annotations

from collections.abc import Sequence

from ..index.plan import Plan
from ..vectors.store import DENSE, SPARSE
from .parts import BlendPart, DensePart, Explanation, RerankPart

__all__ = ["EXCLUDED", "NO_TERM", "cut_off", "missed_by_hybrid", "missed_by_rerankers"]

EXCLUDED = "the filter excludes it"
NO_TERM = "it shares no term with the query"


def missed_by_hybrid(
    explanation: Explanation,
    plan: Plan,
    place: int | None,
    enough: int | None,
    allowed: bool,
    feeds: str = "",
) -> str:
    """Why an index's search does not return a passage.

    Args:
        explanation: the passage's, with the parts of both stages.
        plan: what the search was to do.
        place: the passage's among the candidates; None if it is none.
        enough: the depth at which it would be one; None where that is not known.
        allowed: whether it passes the filter.
        feeds: what the answers go to, like a reranker; "" for the user.
    """
    if not allowed:
        return EXCLUDED
    fusion, blend = explanation.fusion, explanation.late_blend
    if place is not None and fusion is not None:
        moved = "" if blend is None else _moved(blend, plan.k)
        # Answers beyond the depth deepen it: others become candidates, and places change.
        return moved + cut_off(place, fusion.candidates, plan.k, feeds, sure=place <= plan.depth)
    return _no_candidate(explanation, plan, enough)


def _moved(blend: BlendPart, k: int) -> str:
    if blend.rank_before is None or blend.rank_after is None or blend.rank_before > k:
        return ""
    return f"{blend.stage} put it from {blend.rank_before} to {blend.rank_after}; "


def cut_off(place: int, candidates: int, k: int, feeds: str = "", *, sure: bool = True) -> str:
    """Why a candidate is no answer.

    >>> cut_off(14, 163, 10)
    'it ranks 14 of 163 candidates, and k is 10: with 14 it would be in the list'
    """
    more = _more(k, place if sure else None, feeds)
    return f"it ranks {place} of {candidates} candidates, and {more}"


def _limit(k: int, feeds: str) -> str:
    return f"the first {k} go to {feeds}" if feeds else f"k is {k}"


def _more(k: int, place: int | None, feeds: str) -> str:
    if feeds:
        enough = "a larger depth" if place is None else f"a depth of {place}"
        return f"{_limit(k, feeds)}: with {enough} it would go there too"
    enough = "a larger one" if place is None else str(place)
    return f"{_limit(k, feeds)}: with {enough} it would be in the list"


def _no_candidate(explanation: Explanation, plan: Plan, enough: int | None) -> str:
    bm25, dense = explanation.bm25, explanation.dense
    taking_part = [stage.name for stage in plan.stages]
    reasons = []
    if bm25 is not None and SPARSE in taking_part:
        if not any(term.in_passage for term in bm25.terms):
            reasons.append(NO_TERM)
        else:
            reasons.append(f"its BM25 score {bm25.score:.2f} {_ranked(bm25.rank, dense)}")
    if dense is not None and DENSE in taking_part:
        reasons.append(f"its {_similarity(dense)} {dense.score:.2f} {_ranked(dense.rank, dense)}")
    reasons.append(f"and depth is {plan.depth}")
    knob = f": with depth={enough} it would be a candidate" if enough is not None else ""
    return ", ".join(reasons) + knob


def _similarity(dense: DensePart) -> str:
    return "cosine" if dense.distance == "cosine" else "dot product"


def _ranked(rank: int | None, dense: DensePart | None) -> str:
    if rank is not None:
        return f"has rank {rank}"
    return "is not among the first " + (f"{dense.depth:,}" if dense is not None else "ones")


def missed_by_rerankers(parts: Sequence[RerankPart], k: int, feeds: str = "") -> str:
    """Why a pipeline does not return a passage that its retriever found.

    Args:
        parts: what each reranker did to it, in their order.
        k: how many answers were wanted.
        feeds: what the answers go to, like a reranker; "" for the user.
    """
    for part in parts:
        if part.rank_before is None:
            break  # the one before cut it off
        if part.rank_after is None:
            return f"{part.stage}, the reranker, dropped it: lower its threshold, if it has one"
        cut = part.rank_after > k
        if cut and part.rank_before <= k:
            return (
                f"{part.stage}, the reranker, put it from {part.rank_before} to "
                f"{part.rank_after}, and {_limit(k, feeds)}: lower its blend, {part.blend:g}, to "
                "trust it less"
            )
    seen = [part for part in parts if part.rank_before is not None]
    last = seen[-1]
    put = f"{last.stage}, the reranker, had it at {last.rank_before} and put it at"
    assert last.rank_after is not None
    if len(seen) == len(parts):
        return f"{put} {last.rank_after}; {_more(k, last.rank_after, feeds)}"
    return (
        f"{put} {last.rank_after}; the next one's depth is less: with {last.rank_after} "
        "it would go there too"
    )
