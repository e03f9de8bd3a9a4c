"""The parts of a BM25 score, term by term, in the engine's own numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ScoreParts", "TermScore"]


@dataclass(frozen=True, slots=True)
class TermScore:
    """The part of one query term in the score of a passage.

    Args:
        term: an analyzed term.
        in_query: its occurrences in the query.
        passages_with: how many passages have it.
        idf: its inverse document frequency; 0 for a term of no passage.
        part: the growth of the score by the term, all its occurrences in the query together.
            Engines add in float32: so the parts sum to the score to its last digit, and each is
            the term's weight to float32's precision.
        stands_for: the words of the query of which it is a synonym; "" for a term of the query.
    """

    term: str
    in_query: int
    passages_with: int
    idf: float
    part: float
    stands_for: str = ""


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """A passage's BM25 score: the terms' parts and the constant sum to it.

    Args:
        score: the score of a search.
        terms: those of the query, in the order of their first occurrence.
        constant: the same for every passage, in bm25l and bm25+ alone.
    """

    score: float
    terms: tuple[TermScore, ...]
    constant: float = 0.0
