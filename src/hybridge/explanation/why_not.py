"""The reason why a passage is not found, in one sentence, and the option that changes it."""

from __future__ import annotations

from collections.abc import Sequence

from ..filters import Filter
from ..passages import Passage
from ..query_syntax import excluding
from ..search import SearchOptions
from .model import BlendPart, BM25Part, Explanation, RerankPart, ScorePart

__all__ = [
    "NO_TERM",
    "cut_off",
    "excluded_by",
    "missed_by_index",
    "missed_by_rerankers",
    "more",
    "passes",
]

_EXCLUDED = "the filter excludes it"
NO_TERM = "it shares no term with the query"


def missed_by_index(
    explanation: Explanation,
    options: SearchOptions,
    rank: int | None,
    enough: int | None,
    excluded: str | None,
    next_stage: str = "",
) -> str:
    """Explain why an index's search does not return a passage.

    Args:
        explanation: of the passage, with the parts of all stages.
        options: the options of the search.
        rank: of the passage among the candidates; None if it is none.
        enough: a depth that makes it one; None if unknown.
        excluded: why the filter excludes it; None if it does not.
        next_stage: what the hits are passed to, like a reranker; "" for the caller.
    """
    if excluded is not None:
        return excluded
    fusion = explanation.fusion
    if rank is not None and fusion is not None:
        moved = "".join(_moved(blend, options.k) for blend in explanation.blends)
        # A k beyond the depth raises it: other passages become candidates, and ranks change.
        sure = rank <= options.depth
        return moved + cut_off(rank, fusion.candidates, options.k, next_stage, sure=sure)
    return _no_candidate(explanation, options, enough)


def excluded_by(where: Filter | None, passage: Passage) -> str | None:
    """Explain why a filter excludes a passage; None if it does not.

    >>> from hybridge import Analyzer
    >>> from hybridge.query_syntax import filters_of
    >>> [where] = filters_of(['"shaft seal" -valve'], Analyzer("english"))
    >>> excluded_by(where, Passage("p1", "Seals and valves"))
    'the query excludes it by "shaft seal" and -valve'
    """
    if passes(where, passage):
        return None
    conditions = excluding(where, passage)
    return f"the query excludes it by {' and '.join(conditions)}" if conditions else _EXCLUDED


def passes(where: Filter | None, passage: Passage) -> bool:
    """Return whether a passage passes a filter, if there is one."""
    return where is None or where.matches(passage)


def _moved(blend: BlendPart, k: int) -> str:
    if blend.rank_before is None or blend.rank_after is None or blend.rank_before > k:
        return ""
    return f"{blend.stage} put it from {blend.rank_before} to {blend.rank_after}; "


def cut_off(rank: int, candidates: int, k: int, next_stage: str = "", *, sure: bool = True) -> str:
    """Explain why a candidate is not returned.

    >>> cut_off(14, 163, 10)
    'it ranks 14 of 163 candidates, and k is 10: with 14 it would be in the list'
    """
    rest = more(k, rank if sure else None, next_stage)
    return f"it ranks {rank} of {candidates} candidates, and {rest}"


def _limit(k: int, next_stage: str) -> str:
    return f"the first {k} go to {next_stage}" if next_stage else f"k is {k}"


def more(k: int, rank: int | None, next_stage: str) -> str:
    """State the limit that cuts a passage off, and the one that would not; None if unknown.

    >>> more(10, 14, "")
    'k is 10: with 14 it would be in the list'
    """
    if next_stage:
        enough = "a larger depth" if rank is None else f"a depth of {rank}"
        return f"{_limit(k, next_stage)}: with {enough} it would go there too"
    enough = "a larger one" if rank is None else str(rank)
    return f"{_limit(k, next_stage)}: with {enough} it would be in the list"


def _no_candidate(explanation: Explanation, options: SearchOptions, enough: int | None) -> str:
    taking_part = [stage.name for stage in options.stages]
    depth = max(
        (part.depth for part in explanation.stages.values() if isinstance(part, ScorePart)),
        default=options.depth,
    )
    reasons = [_reason(name, explanation.stages[name], depth) for name in taking_part]
    reasons.append(f"and depth is {options.depth}")
    knob = f": with depth={enough} it would be a candidate" if enough is not None else ""
    return ", ".join(reasons) + knob


def _reason(name: str, part: BM25Part | ScorePart, depth: int) -> str:
    if isinstance(part, BM25Part):
        if not any(term.in_passage for term in part.terms):
            return NO_TERM
        title = "BM25 score" if name == "bm25" else f"score by {name}"
    else:
        title = {"cosine": "cosine", "dot": "dot product"}.get(part.unit, "score")
        title += "" if name == "dense" else f" by {name}"
    ranked = f"is not among the first {depth:,}"
    if part.rank is not None:
        ranked = f"has rank {part.rank}"
    return f"its {title} {part.score:.2f} {ranked}"


def missed_by_rerankers(parts: Sequence[RerankPart], k: int, next_stage: str = "") -> str:
    """Explain why a pipeline does not return a passage that its retriever found.

    Args:
        parts: of each reranker, in order.
        k: passages the search returns.
        next_stage: what the hits are passed to, like a reranker; "" for the caller.
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
                f"{part.rank_after}, and {_limit(k, next_stage)}: lower its blend, "
                f"{part.blend:g}, to trust it less"
            )
    seen = [part for part in parts if part.rank_before is not None]
    last = seen[-1]
    put = f"{last.stage}, the reranker, had it at {last.rank_before} and put it at"
    assert last.rank_after is not None
    if len(seen) == len(parts):
        return f"{put} {last.rank_after}; {more(k, last.rank_after, next_stage)}"
    return (
        f"{put} {last.rank_after}; the next one's depth is less: with {last.rank_after} "
        "it would go there too"
    )
