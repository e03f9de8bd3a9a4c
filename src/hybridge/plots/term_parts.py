"""The contribution of each term of the query to a passage's BM25 score, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidInputError
from .marks import COLORS
from .picture import HEAD, QUIET, Picture, canvas, panel
from .text import shortened, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..explanation import BM25Part, TermPart

__all__ = ["term_parts"]

_ROW, _BOTTOM = 0.32, 0.2  # inches


class _Bar(NamedTuple):
    label: str
    value: float
    note: str


def term_parts(part: BM25Part | None) -> Picture:
    """Draw the contributions of the terms to a BM25 score, the largest first; they sum to it.

    Args:
        part: `Explanation.bm25`.

    Raises:
        InvalidInputError: no part, or a part without terms.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge.explanation import BM25Part, TermPart
    >>> cat = TermPart("cat", ("cats",), 1, 2, 3, 0.5, 0.75)
    >>> sleep = TermPart("sleep", ("sleep",), 1, 1, 1, 1.5, 1.25)
    >>> print(term_parts(BM25Part(2.0, 1, (cat, sleep))).alt)
    BM25 score 2.000, the sum of: sleep 1.250, cat ← cats 0.750.
    """
    if part is None or not part.terms:
        raise InvalidInputError(
            "there are no terms to draw: term_parts draws the bm25 of an explanation, of a "
            "retriever with BM25 and a query that is not blank"
        )
    terms = sorted(part.terms, key=lambda term: -term.part)
    bars = [_Bar(_label(term), term.part, _note(term)) for term in terms]
    if part.constant:
        bars.append(_Bar("constant", part.constant, "the same for every passage"))
    rank = f", rank {part.rank}" if part.rank is not None else ""
    title = f"BM25 score {part.score:.3f}{rank}: the sum over its terms"
    summed = ", ".join(f"{bar.label} {bar.value:.3f}" for bar in bars)
    return Picture(_draw(title, bars), f"BM25 score {part.score:.3f}, the sum of: {summed}.")


def _draw(title: str, bars: Sequence[_Bar]) -> Figure:
    labels = [shortened(bar.label, 150) for bar in bars]
    notes = [shortened(bar.note, 230) for bar in bars]
    left = 0.3 + max(map(width_of, labels)) / 72
    right = 0.25 + max(map(width_of, notes)) / 72
    values = [bar.value for bar in bars]
    low, high = min(0.0, *values), max(0.0, *values)
    room = (high - low or 1.0) * 0.2  # for a bar's value, beyond its end
    subtitle = "Term ← the query's words. Right: what the term's score is made of."
    with canvas(title, subtitle, HEAD + _ROW * len(bars) + _BOTTOM) as figure:
        axes = panel(figure, left=left, right=right, bottom=_BOTTOM, top=HEAD)
        axes.set_xlim(low - room * (low < 0), high + room)
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xticks([])
        axes.set_yticks(range(len(bars)), labels)
        axes.axvline(0, color=QUIET, linewidth=1)
        for row, value in enumerate(values):
            is_gain = value >= 0
            axes.barh(row, value, height=0.62, color=COLORS[0 if is_gain else 1])
            axes.annotate(
                f"{value:.3f}".replace("-", "−"),
                (value, row),
                xytext=(5 if is_gain else -5, 0),
                textcoords="offset points",
                ha="left" if is_gain else "right",
                va="center_baseline",
            )
            axes.annotate(
                notes[row],
                (1, row),
                xycoords=("axes fraction", "data"),
                va="center_baseline",
                color=QUIET,
                annotation_clip=False,
            )
    return figure


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
