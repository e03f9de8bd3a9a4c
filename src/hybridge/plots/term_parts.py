"""What each term of the query adds to a passage's BM25 score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from .bars import Bar, draw_bars
from .picture import Picture

if TYPE_CHECKING:
    from ..explanation import BM25Part, TermPart

__all__ = ["term_parts"]


def term_parts(part: BM25Part | None) -> Picture:
    """The parts of a BM25 score as bars, the largest first; they sum to the score.

    Args:
        part: `Explanation.bm25`.

    Raises:
        InvalidInputError: there is nothing to draw: no part, or a query without terms.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge.explanation import BM25Part, TermPart
    >>> cat = TermPart("cat", ("cats",), 1, 2, 3, 0.5, 0.75)
    >>> sleep = TermPart("sleep", ("sleep",), 1, 1, 1, 1.5, 1.25)
    >>> print(term_parts(BM25Part(2.0, 1, (cat, sleep))).alt)
    BM25 score 2.000, the sum of: sleep 1.250, cat ← cats 0.750.
    """
    if part is None or not part.terms:
        raise InvalidInputError(
            "there are no terms to draw: term_parts draws an explanation's bm25, of a retriever "
            "that has BM25 and a query that is not blank"
        )
    terms = sorted(part.terms, key=lambda term: -term.part)
    bars = [Bar(_label(term), term.part, _note(term)) for term in terms]
    if part.constant:
        bars.append(Bar("constant", part.constant, "what every passage has"))
    rank = f", rank {part.rank}" if part.rank is not None else ""
    title = f"BM25 score {part.score:.3f}{rank}: the sum of its terms' parts"
    figure = draw_bars(title, "Term ← the query's words. Right: what the part is made of.", bars)
    told = ", ".join(f"{bar.label} {bar.value:.3f}" for bar in bars)
    return Picture(figure, f"BM25 score {part.score:.3f}, the sum of: {told}.")


def _label(term: TermPart) -> str:
    others = [word for word in term.words if word.lower() != term.term]
    return f"{term.term} ← {', '.join(others)}" if others else term.term


def _note(term: TermPart) -> str:
    if term.note:
        return term.note
    weight = f"{term.in_query} × " if term.in_query > 1 else ""
    return (
        f"{weight}idf {term.idf:.2f} · {term.in_passage}× here · in {term.passages_with} passages"
    )
