"""A state's passages are found through their texts, by an index whose scores are made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from hybridge import Passage
from hybridge.colbert.ragatouille.plaid import PlaidIndex
from hybridge.colbert.ragatouille.storage import text_key
from hybridge.colbert.ragatouille.view import View
from hybridge.errors import InvalidInputError
from hybridge.filters import Eq
from hybridge.protocols import Vectors

# The index still has a text that no passage has any more; two texts have one score.
SCORES = {"gone": 9.0, "apples": 3.0, "pears": 2.0, "plums": 2.0}
PASSAGES = [
    Passage("d", "pears", {"year": 2019}),
    Passage("c", "plums", {"year": 2020}),
    Passage("b", "apples", {"year": 2019}),
    Passage("a", "pears", {"year": 2020}),
    Passage("e", " "),
]
QUERY = np.ones((2, 4), dtype=np.float32)
BLANK = QUERY[:0]


class Index:
    """An index of fixed scores that records its masks."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.keys = [text_key(text) for text in scores]
        self.scores = dict(enumerate(scores.values()))
        self.masks: list[list[bool] | None] = []

    def search(
        self, query: Vectors, count: int, allowed: NDArray[np.bool_] | None
    ) -> dict[int, float]:
        self.masks.append(None if allowed is None else allowed.tolist())
        return self.score(query, [n for n in self.scores if allowed is None or allowed[n]])

    def score(self, query: Vectors, texts: Sequence[int]) -> dict[int, float]:
        assert len({*texts}) == len(texts)
        return {number: self.scores[number] for number in texts}


def view_of(passages: Sequence[Passage], index: Any) -> View:
    return View({passage.id: passage for passage in passages}, cast(PlaidIndex, index))


def found(view: View, k: int, where: Eq | None = None) -> list[tuple[str, float, int]]:
    hits = view.hits(QUERY, k, view.candidates(where))
    assert all(hit.score == hit.trace[0].score for hit in hits)
    return [(hit.passage.id, hit.score, hit.trace[0].rank) for hit in hits]


def test_passages_are_found_by_score_and_then_id() -> None:
    index = Index(SCORES)
    view = view_of(PASSAGES, index)
    assert found(view, 10) == [("b", 3.0, 1), ("a", 2.0, 2), ("c", 2.0, 3), ("d", 2.0, 4)]
    assert found(view, 2) == [("b", 3.0, 1), ("a", 2.0, 2)]
    assert index.masks == [[False, True, True, True]] * 2


def test_a_text_passes_with_any_of_its_passages() -> None:
    index = Index(SCORES)
    view = view_of(PASSAGES, index)
    assert found(view, 10, Eq("year", 2020)) == [("a", 2.0, 1), ("c", 2.0, 2)]
    assert index.masks == [[False, False, True, True]]
    assert found(view, 10, Eq("year", 1999)) == []
    assert len(index.masks) == 1, "nothing is looked for where nothing passes"


def test_no_mask_is_needed_where_everything_passes() -> None:
    index = Index({"apples": 1.0, "pears": 2.0})
    view = view_of([PASSAGES[0], PASSAGES[2]], index)
    assert found(view, 10) == [("d", 2.0, 1), ("b", 1.0, 2)]
    assert index.masks == [None]


def test_the_candidates_of_the_last_filters_are_cached() -> None:
    view = view_of(PASSAGES, Index(SCORES))
    first = view.candidates(Eq("year", 2019))
    assert view.candidates(Eq("year", 2019)) is first
    assert view.candidates(None) is view.candidates(None)
    for year in range(100):
        view.candidates(Eq("year", year))
    again = view.candidates(Eq("year", 2019))
    assert again is not first
    assert again.passages == first.passages
    assert view.candidates.cache_info().currsize <= 16


def test_scores_come_in_the_order_of_the_ids() -> None:
    view = view_of(PASSAGES, Index(SCORES))
    assert view.scores(QUERY, ["a", "b", "e", "d", "a"]) == [2.0, 3.0, 0.0, 2.0, 2.0]
    assert view.scores(QUERY, []) == []
    with pytest.raises(InvalidInputError, match="no passage has the id 'none'"):
        view.scores(QUERY, ["a", "none"])


def test_blanks_find_and_score_nothing() -> None:
    view = view_of(PASSAGES, Index(SCORES))
    assert view.hits(BLANK, 10, view.candidates(None)) == []
    assert view.scores(BLANK, ["a", "e"]) == [0.0, 0.0]
    empty = view_of(PASSAGES[4:], None)
    assert empty.hits(QUERY, 10, empty.candidates(None)) == []
    assert empty.scores(QUERY, ["e"]) == [0.0]
    with pytest.raises(InvalidInputError, match="'none'"):
        empty.scores(BLANK, ["none"])
