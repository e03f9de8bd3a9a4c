"""The bars' widths sum to the BM25 score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hybridge.errors import InvalidInputError
from hybridge.explanation import BM25Part, TermPart
from hybridge.plots import Picture, term_parts


def term(name: str, part: float, word: str | None = None, **more: Any) -> TermPart:
    return TermPart(name, (word or name,), 1, 2, 30, 1.5, part, **more)


def widths(figure: Figure) -> list[float]:
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [bar.get_width() for bar in sorted(bars, key=Rectangle.get_y)]


def test_the_largest_comes_first_and_all_sum_to_the_score(
    texts_of: Callable[[Figure], list[str]], check_tidy: Callable[[Picture], None]
) -> None:
    terms = (
        term("how", 0.0, "How", note="stop word"),
        term("save", 1.25),
        term("memori", 2.5, "memory"),
    )
    picture = term_parts(BM25Part(4.0, 2, terms, constant=0.25))
    assert widths(picture.figure) == [2.5, 1.25, 0.0, 0.25]
    texts = texts_of(picture.figure)
    assert "BM25 score 4.000, rank 2: the sum over its terms" in texts
    assert {"memori ← memory", "save", "how", "constant", "2.500", "stop word"} <= set(texts)
    assert "idf 1.50 · 2× here · in 30 passages" in texts
    check_tidy(picture)


def test_negative_parts_go_to_the_left(check_tidy: Callable[[Picture], None]) -> None:
    picture = term_parts(BM25Part(-0.5, None, (term("the", -1.5), term("cat", 1.0))))
    assert widths(picture.figure) == [1.0, -1.5]
    check_tidy(picture)


def test_zeros_long_terms_and_one_term_are_tidy(check_tidy: Callable[[Picture], None]) -> None:
    check_tidy(term_parts(BM25Part(0.0, None, (term("x" * 500, 0.0, "ö" * 300),))))


def test_without_terms_there_is_nothing_to_draw() -> None:
    for part in (None, BM25Part(0.0, None, ())):
        with pytest.raises(InvalidInputError, match="no terms"):
            term_parts(part)
