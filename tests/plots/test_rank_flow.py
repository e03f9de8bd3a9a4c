"""The lines of the bump chart are the ranks of the traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridge import BM25Retriever, Hit, Passage
from hybridge.plots import Picture, rank_flow

Named = Callable[[Figure, str], list[Artist]]


def lines_of(named: Named, figure: Figure, gid: str) -> list[Line2D]:
    return [artist for artist in named(figure, gid) if isinstance(artist, Line2D)]


def ys(line: Line2D) -> list[float]:
    return np.asarray(line.get_ydata()).tolist()


def test_a_line_goes_through_the_ranks(
    hits_of: Callable[..., list[Hit]], named: Named, texts_of: Callable[[Figure], list[str]]
) -> None:
    stages = {"bm25": ["c", "a", "b"], "dense": ["b", "a", "c"], "fusion": ["a", "b", "c"]}
    picture = rank_flow(hits_of(stages), top=2)
    [first], [second] = (lines_of(named, picture.figure, f"top-{i}") for i in (1, 2))
    assert ys(first) == [2, 2, 1]
    assert ys(second) == [3, 1, 2]
    [rest] = lines_of(named, picture.figure, "rest")
    assert ys(rest) == [1, 3, 3]
    assert (first.get_color(), first.get_marker()) != (second.get_color(), second.get_marker())
    texts = texts_of(picture.figure)
    assert {"bm25", "dense", "fusion", "a", "b"} <= set(texts)
    assert "c" not in texts
    assert picture.alt.endswith(
        "Finally 1: a (bm25 2, dense 2, fusion 1). Finally 2: b (bm25 3, dense 1, fusion 2)."
    )


def test_what_is_ranked_too_low_or_not_at_all_stands_below_the_line(
    hits_of: Callable[..., list[Hit]],
    named: Named,
    texts_of: Callable[[Figure], list[str]],
    check_tidy: Callable[[Picture], None],
) -> None:
    others = [f"p{i:02}" for i in range(40)]
    stages = {"bm25": [*others, "low", "lower"], "dense": ["missing", "low"]}
    final = {**stages, "fusion": ["missing", "lower", "low", *others]}
    picture = rank_flow(hits_of(final), top=3)
    missing, lower, low = (lines_of(named, picture.figure, f"top-{i}")[0] for i in (1, 2, 3))
    # Ten ranks are shown; then those that bm25 ranked, in its order, then the one it did not.
    assert ys(low)[0] == 11.5
    assert ys(lower)[0] == 12.5
    assert ys(missing)[0] == 13.5
    assert [ys(line)[1:] for line in (missing, lower, low)] == [[1, 1], [11.5, 2], [2, 3]]
    texts = texts_of(picture.figure)
    assert {"41", "42"} <= set(texts)
    assert texts.count("–") == 2
    assert any("beyond a stage's first 10" in text for text in texts)
    check_tidy(picture)


@pytest.mark.parametrize("count", [1, 2, 10, 25])
def test_any_number_of_hits_is_tidy(
    count: int,
    hits_of: Callable[..., list[Hit]],
    check_tidy: Callable[[Picture], None],
) -> None:
    random = np.random.default_rng(count)
    ids = [f"passage {i}" for i in range(count)]
    stages: dict[str, Sequence[str]] = {
        stage: random.permutation(ids).tolist()
        for stage in ("bm25", "dense", "fusion", "late-interaction", "late-interaction:blend")
    }
    stages |= dict.fromkeys(("cross-encoder", "cross-encoder:blend"), ids)
    check_tidy(rank_flow(hits_of(stages, "A title of a passage, rather a long one")))


@pytest.mark.parametrize("count", [3, 8, 14])
def test_any_number_of_stages_is_tidy(
    count: int, hits_of: Callable[..., list[Hit]], check_tidy: Callable[[Picture], None]
) -> None:
    ids = ["a", "b", "c"]
    stages = {f"late-interaction-{i}:blend": ids for i in range(count)}
    check_tidy(rank_flow(hits_of(stages)))


def test_a_real_search_and_hits_without_a_trace() -> None:
    bm25 = BM25Retriever([Passage("a", "Cats sleep."), Passage("b", "Cats and dogs sleep.")])
    [hits] = bm25.search(["sleeping cats"])
    assert "1: a (bm25 1)" in rank_flow(hits).alt
    assert rank_flow([Hit(Passage("z", "x"), 0.0)]).alt.endswith("Finally 1: z.")
