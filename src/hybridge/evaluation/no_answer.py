"""The function `no_answer`: how often a question without an answer finds nothing, and the price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..arguments import check_k, check_queries
from ..errors import InvalidInputError
from ..iteration import chunked
from ..protocols import Retriever
from ..report import Renderable, Section, Table
from .collection import Qrels, check_judged, check_qrels
from .runner import named_retrievers

__all__ = ["NoAnswer", "no_answer"]

_BATCH = 64  # queries a search


@dataclass(frozen=True, slots=True, repr=False)
class NoAnswer(Renderable):
    """What each retriever finds for questions with an answer and for those without.

    Args:
        nothing: retriever → for each question without an answer, whether nothing was found.
        answered: retriever → query id → whether a relevant passage was found.
        baseline: the retriever whose answers the others may lose.

    >>> found = {"plain": {"q1": True, "q2": True}, "floored": {"q1": True, "q2": False}}
    >>> print(NoAnswer({"plain": [False, False], "floored": [True, False]}, found, "plain"))
             nothing found off topic  answered  answers lost
    plain    0.0 %                    100.0 %   0.0 %
    floored  50.0 %                   50.0 %    50.0 %
    """

    nothing: Mapping[str, Sequence[bool]]
    answered: Mapping[str, Mapping[str, bool]]
    baseline: str

    def nothing_found(self, retriever: str) -> float:
        """Return the share of questions without an answer for which nothing was found."""
        return fmean(self.nothing[retriever])

    def answers(self, retriever: str) -> float:
        """Return the share of questions with an answer for which it was found."""
        return fmean(self.answered[retriever].values())

    def lost(self, retriever: str) -> float:
        """Return the share of the questions that the baseline answers and a retriever does not."""
        still_answered = [
            self.answered[retriever][query]
            for query, is_answered in self.answered[self.baseline].items()
            if is_answered
        ]
        return 1 - fmean(still_answered) if still_answered else 0.0

    def __repr__(self) -> str:
        return f"NoAnswer({', '.join(self.nothing)})"

    def _report(self) -> Section:
        shares = (self.nothing_found, self.answers, self.lost)
        rows = [
            [name, *(f"{100 * share(name):.1f} %" for share in shares)] for name in self.nothing
        ]
        columns = ["nothing found off topic", "answered", "answers lost"]
        return Section(body=[Table(["", *columns], rows)])


def no_answer(
    retrievers: object | Mapping[str, object],
    queries: Mapping[str, str],
    qrels: Qrels,
    unanswerable: Sequence[str],
    *,
    k: int = 10,
    baseline: str | None = None,
) -> NoAnswer:
    """Measure how often questions without an answer find nothing, and what that costs.

    A question is answered if one of the first `k` passages is relevant to it.

    Args:
        retrievers: as for `evaluate`: one, or name → retriever, with and without a floor say.
        queries: query id → text; those without judgements are left out.
        qrels: query id → passage id → relevance, a whole number from 0.
        unanswerable: questions that no passage answers.
        k: passages a search returns.
        baseline: the retriever whose answers the others may lose; None for the first.

    Raises:
        InvalidInputError: judgements that are none, a judged query that has no text, no question
            without an answer, or something that is no retriever.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Dogs ran.")])
    >>> found = no_answer(bm25, {"q1": "cats"}, {"q1": {"p1": 1}}, ["hens?", "mad dogs?"])
    >>> found.nothing_found("BM25Retriever"), found.answers("BM25Retriever")
    (0.5, 1.0)
    """
    named = named_retrievers(retrievers)
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    check_k(k)
    off_topic = check_queries(unanswerable)
    if not off_topic:
        raise InvalidInputError("there is no question without an answer: give some off the topic")
    first = next(iter(named)) if baseline is None else baseline
    if first not in named:
        raise InvalidInputError(f"the baseline {first!r} is none of {', '.join(named)}")
    return NoAnswer(
        nothing={
            name: [not ids for ids in _ids(retriever, off_topic, k)]
            for name, retriever in named.items()
        },
        answered={
            name: {
                query: any(judgements[query].get(id_, 0) > 0 for id_ in ids)
                for query, ids in zip(
                    judged, _ids(retriever, list(judged.values()), k), strict=True
                )
            }
            for name, retriever in named.items()
        },
        baseline=first,
    )


def _ids(retriever: Retriever, queries: Sequence[str], k: int) -> list[list[str]]:
    return [
        [hit.passage.id for hit in hits[:k]]
        for batch in chunked(queries, _BATCH)
        for hits in retriever.search(batch, k)
    ]
