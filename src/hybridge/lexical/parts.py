"""A BM25 score taken apart, term by term, in the numbers that the engine itself added up."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ScoreParts", "TermScore"]


@dataclass(frozen=True, slots=True)
class TermScore:
    """What a term of a query adds to the score of a passage.

    Args:
        term: as the analyzer makes it.
        in_query: how often the query has it.
        passages_with: how many passages have it.
        idf: its inverse document frequency; 0 for a term that no passage has.
        part: by how much the score grew when the term was added, all its occurrences in the query
            together. Engines add in float32: so the parts sum to the score to its last digit, and
            each is the term's weight to float32's precision.
    """

    term: str
    in_query: int
    passages_with: int
    idf: float
    part: float


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """A passage's BM25 score: the terms' parts and the constant sum to it.

    Args:
        score: what a search reports.
        terms: those of the query, in the order in which they first come.
        constant: what every passage gets, in bm25l and bm25+ alone.
    """

    score: float
    terms: tuple[TermScore, ...]
    constant: float = 0.0
