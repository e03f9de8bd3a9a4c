"""What rerankers share: order, blanks, thresholds, and the blend with hand-computed scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import zscore

from hybridge import (
    BM25Retriever,
    ColBERTReranker,
    CrossEncoderReranker,
    Hit,
    Passage,
    Pipeline,
    StageScore,
    explain,
)
from hybridge.errors import InvalidInputError
from hybridge.reranking import (
    TextReranker,
    blended,
    check_candidates,
    reordered,
)
from hybridge.testing import RerankerConformance


class Overlap(TextReranker):
    """The number of words that a text shares with the query."""

    def __init__(self, threshold: float | None = None) -> None:
        super().__init__("overlap", threshold)
        self.asked: list[tuple[list[str], list[list[str]]]] = []

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.asked.append((list(queries), [list(some) for some in texts]))
        return [
            [float(len(set(query.lower().split()) & set(text.lower().split()))) for text in some]
            for query, some in zip(queries, texts, strict=True)
        ]


class TestOverlap(RerankerConformance):
    def build(self) -> Overlap:
        return Overlap()


def hits(*scored: tuple[str, float], text: str = "text") -> list[Hit]:
    return [
        Hit(Passage(id_, text), score, (StageScore("first", rank, score),))
        for rank, (id_, score) in enumerate(scored, start=1)
    ]


def order(list_: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in list_]


def test_what_is_blank_is_never_asked_of_the_model() -> None:
    reranker = Overlap()
    scores = reranker.score_texts(
        ["cats sleep", "  ", "dogs"], [["cats sleep", "", "cats"], ["anything"], ["\n"]]
    )
    assert reranker.asked == [(["cats sleep"], [["cats sleep", "cats"]])]
    # A blank passage gets the lowest score of its list; to a blank query all are alike.
    assert scores == [[2.0, 1.0, 1.0], [0.0], [0.0]]


def test_nothing_is_asked_of_the_model_when_there_is_nothing() -> None:
    reranker = Overlap()
    assert reranker.rerank([], []) == []
    assert reranker.rerank(["cats"], [[]]) == [[]]
    assert reranker.asked == []


def test_a_threshold_drops_what_scores_below_and_keeps_what_meets_it() -> None:
    candidates = [
        Hit(Passage("two", "cats sleep"), 1.0),
        Hit(Passage("one", "cats"), 2.0),
        Hit(Passage("none", "dogs"), 3.0),
    ]
    [kept] = Overlap(threshold=1.0).rerank(["cats sleep"], [candidates])
    assert order(kept) == ["two", "one"]
    assert Overlap(threshold=3).rerank(["cats sleep"], [candidates]) == [[]]


@pytest.mark.parametrize("threshold", ["high", float("nan"), True])
def test_a_bad_threshold_is_named(threshold: float) -> None:
    with pytest.raises(InvalidInputError, match="threshold must be a finite number or None"):
        Overlap(threshold=threshold)


def test_a_stage_needs_a_name() -> None:
    class Nameless(Overlap):
        def __init__(self) -> None:
            TextReranker.__init__(self, "")

    with pytest.raises(InvalidInputError, match="name must be a non-empty string"):
        Nameless()


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(InvalidInputError, match="texts must be strings, not int"):
        Overlap().score_texts(["q"], [[3]])  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match="not one string"):
        Overlap().score_texts(["q"], ["text"])
    with pytest.raises(InvalidInputError, match="2 queries and 1 lists of texts"):
        Overlap().score_texts(["q", "r"], [["text"]])


def test_what_is_no_hit_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"not of Passage: write Hit\(passage"):
        check_candidates(["q"], [[Passage("a", "x")]], None)  # type: ignore[list-item]


def test_ties_break_by_id_and_the_cut_comes_after() -> None:
    found = reordered("judge", hits(("c", 3.0), ("a", 2.0), ("b", 1.0)), [0.5, 0.5, 0.9], k=2)
    assert order(found) == ["b", "a"]
    assert found[1].trace == (StageScore("first", 2, 2.0), StageScore("judge", 2, 0.5))


def test_a_blend_by_hand() -> None:
    # Received 3, 2, 1: z = 1.2247, 0, -1.2247. Judged 0, 0, 3: z = -0.7071, -0.7071, 1.4142.
    received = hits(("a", 3.0), ("b", 2.0), ("c", 1.0))
    judged = reordered("judge", received, [0.0, 0.0, 3.0])
    found = blended(received, judged, 0.75)
    assert order(found) == ["c", "a", "b"]
    expected = [0.75 * 1.414214 - 0.25 * 1.224745, -0.75 * 0.707107 + 0.25 * 1.224745]
    assert [hit.score for hit in found] == pytest.approx([*expected, -0.75 * 0.707107], abs=1e-5)
    stages = [[entry.stage for entry in hit.trace] for hit in found]
    assert stages == [["first", "judge", "judge:blend"]] * 3
    assert [hit.trace[-1] for hit in found] == [
        StageScore("judge:blend", rank, hit.score) for rank, hit in enumerate(found, start=1)
    ]


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=8).filter(
        lambda pairs: all(len({pair[side] for pair in pairs}) > 1 for side in (0, 1))
    ),
    st.floats(0, 1),
)
def test_a_blend_is_the_weighted_sum_of_scipy_s_z_scores(
    pairs: list[tuple[int, int]], blend: float
) -> None:
    received = hits(*((str(at), float(score)) for at, (score, _) in enumerate(pairs)))
    judged = reordered("judge", received, [float(score) for _, score in pairs])
    sums = blend * zscore([b for _, b in pairs]) + (1 - blend) * zscore([a for a, _ in pairs])
    found = {hit.passage.id: hit.score for hit in blended(received, judged, blend)}
    assert found == pytest.approx({str(at): value for at, value in enumerate(sums)}, abs=1e-9)


def test_only_what_the_reranker_kept_is_blended() -> None:
    received = hits(("a", 3.0), ("b", 2.0), ("c", 1.0))
    found = blended(received, reordered("judge", received, [0.0, 2.0, 1.0], threshold=0.5), 0.5)
    assert order(found) == ["b", "c"]
    assert [hit.score for hit in found] == [1.0, -1.0]
    assert blended(received, [], 0.5) == []


class Recalled(TextReranker):
    """Keeps what it reads, and scores its length."""

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.read = [list(some) for some in texts]
        return [[float(len(text)) for text in some] for some in texts]


def test_what_it_reads_of_a_passage() -> None:
    hits = [
        Hit(Passage("a", "Paid at once.", {"title": "Airport"}), 3.0),
        Hit(Passage("b", "", {"title": "Harbour Regulations"}), 2.0),
        Hit(Passage("c", "", {}), 1.0),
    ]
    reranker = Recalled("lengths", search_text="{title}: {text}")
    [found] = reranker.rerank(["when?"], [hits])
    # The passage without any text gets the lowest score; what is returned is what came in.
    assert reranker.read == [["Airport: Paid at once.", "Harbour Regulations:"]]
    assert [(hit.passage, hit.score) for hit in found] == [
        (hits[0].passage, 22.0),
        (hits[1].passage, 20.0),
        (hits[2].passage, 20.0),
    ]
    assert Recalled("lengths").rerank(["when?"], [hits])[0][1].score == 13.0
    with pytest.raises(InvalidInputError, match="search_text"):
        Recalled("lengths", search_text="no field")


@pytest.mark.model
def test_models_read_the_template(minilm: Path, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(minilm), num_labels=1, device="cpu").save_pretrained(str(tmp_path))
    hits = [
        Hit(Passage("a", "It is paid at once.", {"title": "Airport"}), 3.0),
        Hit(Passage("b", "It is paid in thirty days.", {"title": "Harbour"}), 2.0),
    ]
    written = [
        Hit(Passage(hit.passage.id, f"{hit.passage.metadata['title']}\n{hit.passage.text}"), 0.0)
        for hit in hits
    ]
    query = ["when do ships pay in the harbour?"]
    for made in (
        partial(CrossEncoderReranker, tmp_path, dtype="float32"),
        partial(CrossEncoderReranker, tmp_path, dtype="float32", window=4),
        partial(ColBERTReranker, minilm),
    ):
        reranker = made(search_text="{title}\n{text}")
        expected = {hit.passage.id: hit.score for hit in made().rerank(query, [written])[0]}
        found = {hit.passage.id: hit.score for hit in reranker.rerank(query, [hits])[0]}
        assert found == pytest.approx(expected)
        explanation = explain(
            Pipeline(BM25Retriever([hit.passage for hit in hits]), reranker), "paid", "b"
        )
        [part] = explanation.rerankers
        [score] = reranker.score_texts(["paid"], [[written[1].passage.text]])
        assert [part.score] == pytest.approx(score, abs=1e-6)
        if part.max_sim is not None:
            assert "harbour" in part.max_sim.passage_tokens
