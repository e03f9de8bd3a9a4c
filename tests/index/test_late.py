"""Stored token vectors: what a search makes of them equals brute force, in both engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import zscore

from hybridge import (
    CallableEncoder,
    Hit,
    HybridIndex,
    Passage,
    Pipeline,
    SentenceTransformerEncoder,
)
from hybridge.colbert import MultiVectorTokenEncoder
from hybridge.errors import EncoderMismatchError, InvalidInputError
from hybridge.protocols import Reranker, Vectors
from hybridge.stages import LateInteraction
from hybridge.testing import PASSAGES as CORPUS
from hybridge.testing import RerankerConformance, RetrieverConformance

from .conftest import word_vectors

DIMENSION = 32
TEXTS = {
    "pets": "cats and dogs sleep a lot",
    "cats": "cats sleep",
    "birds": "birds sing at dawn",
    "blank": "  ",
    "song": "people sing songs about cats",
}
PASSAGES = [Passage(id_, text, {"size": len(text)}) for id_, text in TEXTS.items()]


class WordTokens:
    """One vector a word, of length 1."""

    dimension = DIMENSION

    def __init__(self, identity: str = "word tokens") -> None:
        self.identity = identity
        self.encoded: list[str] = []

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        return [_token_vectors(query) for query in queries]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        self.encoded += texts
        return [_token_vectors(text) for text in texts]

    def to_config(self) -> None:
        return None


def _token_vectors(text: str) -> Vectors:
    rows = word_vectors(text.split())
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = (rows / lengths).astype(np.float32)
    return unit


def max_sim(query: str, text: str) -> float:
    """Late interaction as the paper writes it, token by token."""
    passage = _token_vectors(text)
    return sum(max(float(token @ other) for other in passage) for token in _token_vectors(query))


@pytest.fixture(params=["bm25s", "qdrant", "served"])
def where_it_lives(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "served":
        return {"url": ":memory:", "lexical": "qdrant"}
    return {"lexical": request.param}


@pytest.fixture
def words() -> CallableEncoder:
    return CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")


def made(words: CallableEncoder, **settings: Any) -> HybridIndex:
    settings.setdefault("late_interaction", WordTokens())
    index = HybridIndex.create(encoder=words, **settings)
    index.add(PASSAGES)
    return index


class TestLateIndex(RetrieverConformance):
    scores = False
    tolerance = 1e-3

    def build(self, passages: Sequence[Passage]) -> HybridIndex:
        encoder = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
        index = HybridIndex.create(encoder=encoder, late_interaction=WordTokens())
        index.add(passages)
        return index


class TestLateReranker(RerankerConformance):
    tolerance = 1e-3

    def build(self) -> Reranker:
        encoder = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
        index = HybridIndex.create(encoder=encoder, late_interaction=WordTokens())
        twins = [Passage(f"twin-{9 - n}", CORPUS[0].text) for n in range(6)]
        index.add([*CORPUS, *twins, *(Passage(id_, CORPUS[0].text) for id_ in ("one", "two"))])
        assert index.late_interaction is not None
        return index.late_interaction


def test_candidates_of_another_retriever_are_reranked_by_stored_tokens(
    words: CallableEncoder,
) -> None:
    with made(words) as index:
        assert index.late_interaction is not None
        pipeline = Pipeline(index.bm25, index.late_interaction, blend=1.0)
        [hits] = pipeline.search(["cats sing songs"])
        assert {hit.passage.id: hit.score for hit in hits} == pytest.approx(
            {
                id_: max_sim("cats sing songs", TEXTS[id_])
                for id_ in ("cats", "pets", "birds", "song")
            },
            abs=2e-3,
        )
        assert index.late_interaction.rerank([" "], [hits])[0][0].score == 0.0
        with pytest.raises(InvalidInputError, match="no passage 'elsewhere'"):
            index.late_interaction.rerank(["q"], [[Hit(Passage("elsewhere", "x"), 1.0)]])


def test_max_sim_of_every_candidate_equals_brute_force(
    words: CallableEncoder, where_it_lives: dict[str, Any]
) -> None:
    with made(words, **where_it_lives) as index:
        [hits] = index.search(["cats sing songs"])
        judged = {hit.passage.id: hit.stage("late-interaction") for hit in hits}
        expected = {
            id_: max_sim("cats sing songs", text) for id_, text in TEXTS.items() if text.strip()
        }
        expected["blank"] = min(expected.values())
        scores = {id_: entry.score for id_, entry in judged.items() if entry is not None}
        assert scores == pytest.approx(expected, abs=2e-3)  # kept in float16
        ranks = {id_: entry.rank for id_, entry in judged.items() if entry is not None}
        assert sorted(ranks.values()) == [1, 2, 3, 4, 5]
        assert ranks["song"] == 1


def test_the_score_blends_z_scores_of_fusion_and_late_interaction(words: CallableEncoder) -> None:
    with made(words) as index:
        plain = {hit.passage.id: hit.score for hit in index.search(["cats sing"], blend=0)[0]}
        [hits] = index.search(["cats sing"], blend=0.3)
        late = {hit.passage.id: hit.stage("late-interaction") for hit in hits}
        ids = sorted(plain)
        expected = 0.7 * zscore([plain[id_] for id_ in ids]) + 0.3 * zscore(
            [late[id_].score for id_ in ids]  # type: ignore[union-attr]
        )
        assert {hit.passage.id: hit.score for hit in hits} == pytest.approx(
            dict(zip(ids, expected, strict=True)), abs=1e-6
        )
        stages = [entry.stage for entry in hits[0].trace]
        assert stages == ["bm25", "dense", "fusion", "late-interaction", "late-interaction:blend"]
        fusion = {hit.passage.id: hit.stage("fusion") for hit in hits}
        assert {id_: entry.score for id_, entry in fusion.items() if entry} == plain


def test_a_blend_of_0_leaves_it_out_and_of_1_leaves_nothing_else(words: CallableEncoder) -> None:
    with made(words) as index:
        [without] = index.search(["cats sing songs"], blend=0)
        assert [entry.stage for entry in without[0].trace] == ["bm25", "dense", "fusion"]
        [alone] = index.search(["cats sing songs"], blend=1)
        assert [hit.passage.id for hit in alone][:1] == ["song"]
        by_late = [hit.stage("late-interaction").rank for hit in alone]  # type: ignore[union-attr]
        assert by_late == [1, 2, 3, 4, 5]


def test_it_judges_candidates_below_k_too(words: CallableEncoder) -> None:
    with made(words) as index:
        everything = index.search(["cats sing"], k=5)[0]
        assert index.search(["cats sing"], k=1)[0] == everything[:1]


def test_the_index_s_own_blend_is_kept(words: CallableEncoder, tmp_path: Path) -> None:
    late = LateInteraction(WordTokens(), blend=0.9)
    with made(words, path=tmp_path / "index", late_interaction=late) as index:
        before = index.search(["cats sing"])
        assert before == index.search(["cats sing"], blend=0.9)
        assert before != index.search(["cats sing"], blend=0.1)
    with HybridIndex.open(
        tmp_path / "index", encoder=words, late_interaction=WordTokens()
    ) as index:
        assert index.search(["cats sing"]) == before


def test_updates_and_deletes_take_the_tokens_along(
    words: CallableEncoder, where_it_lives: dict[str, Any]
) -> None:
    with made(words, **where_it_lives) as index:
        index.add([Passage("cats", "birds sing"), Passage("birds", "")])
        index.delete(["song"])
        [hits] = index.search(["birds sing"], k=1)
        assert hits[0].passage.id == "cats"
        entry = hits[0].stage("late-interaction")
        assert entry is not None
        assert entry.score == pytest.approx(2.0, abs=2e-3)
        scores = {h.passage.id: h.stage("late-interaction") for h in index.search(["sing"])[0]}
        assert "song" not in scores
        lowest = min(entry.score for entry in scores.values() if entry)
        assert scores["birds"] is not None
        assert scores["birds"].score == lowest


def test_late_interaction_alone_compares_every_passage(words: CallableEncoder) -> None:
    with made(words) as index:
        assert index.late_interaction is not None
        [hits] = index.late_interaction.search(["birds sing"], k=2)
        assert [hit.passage.id for hit in hits] == ["birds", "song"]
        [scores] = index.late_interaction.score(["birds sing"], [["pets", "blank"]])
        assert scores == pytest.approx([max_sim("birds sing", TEXTS["pets"]), 0], abs=2e-3)


def test_reranked_a_blank_passage_gets_the_lowest_score(words: CallableEncoder) -> None:
    with made(words) as index:
        assert index.late_interaction is not None
        given = [Hit(passage, 0.0) for passage in PASSAGES]
        [hits] = index.late_interaction.rerank(["birds sing"], [given])
        scores = {hit.passage.id: hit.score for hit in hits}
        assert len(scores) == 5
        assert scores["blank"] == min(scores[id_] for id_ in TEXTS if id_ != "blank") != 0


def test_passages_are_encoded_once_and_queries_never_encode_them(words: CallableEncoder) -> None:
    tokens = WordTokens()
    with made(words, late_interaction=tokens) as index:
        index.search(["cats", "birds"])
        assert sorted(tokens.encoded) == sorted(TEXTS.values())


def test_vectors_that_are_given_are_not_encoded(words: CallableEncoder) -> None:
    tokens = WordTokens()
    with HybridIndex.create(encoder=words, late_interaction=tokens) as index:
        index.add(PASSAGES, token_vectors=[_token_vectors(p.text) for p in PASSAGES])
        assert tokens.encoded == []
        with made(words) as other:
            assert index.search(["cats sing"]) == other.search(["cats sing"])


@pytest.mark.parametrize(("datatype", "size"), [("float32", 4), ("float16", 2), ("turbo8", 1)])
def test_every_datatype_answers_and_info_reports_its_size(
    words: CallableEncoder, datatype: Any, size: int
) -> None:
    late = LateInteraction(WordTokens(), datatype=datatype)
    with made(words, late_interaction=late) as index:
        [hits] = index.search(["birds sing at dawn"], k=1)
        assert hits[0].passage.id == "birds"
        count = sum(len(text.split()) for text in TEXTS.values()) / len(TEXTS)
        assert index.info()["stages"]["late-interaction"] == {  # type: ignore[index, call-overload]
            "kind": "late-interaction",
            "encoder": "word tokens",
            "blend": 0.35,
            "dimension": DIMENSION,
            "datatype": datatype,
            "truncated": None,
            "vectors_per_passage": round(count, 1),
            "bytes_per_passage": round(count * DIMENSION * size),
        }


def test_an_index_without_token_vectors_says_so(words: CallableEncoder) -> None:
    with HybridIndex.create(encoder=words) as index:
        index.add(PASSAGES)
        assert index.late_interaction is None
        assert list(index.info()["stages"]) == ["bm25", "dense"]  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match=r"blend=0.5 needs token vectors.*create it"):
            index.search(["cats"], blend=0.5)
        with pytest.raises(InvalidInputError, match="keeps no token_vectors"):
            index.add([Passage("a", "x")], token_vectors=[np.ones((1, DIMENSION))])


def test_it_opens_with_the_encoder_it_was_made_with(words: CallableEncoder, tmp_path: Path) -> None:
    made(words, path=tmp_path / "late").close()
    with pytest.raises(EncoderMismatchError, match=r"'word tokens', which cannot be .* by name"):
        HybridIndex.open(tmp_path / "late", encoder=words)
    with pytest.raises(EncoderMismatchError, match="not 'other'"):
        HybridIndex.open(tmp_path / "late", encoder=words, late_interaction=WordTokens("other"))
    with HybridIndex.create(tmp_path / "plain", encoder=words):
        pass
    with pytest.raises(InvalidInputError, match="keeps no token vectors"):
        HybridIndex.open(tmp_path / "plain", encoder=words, late_interaction=WordTokens())


def test_a_bad_token_matrix_writes_nothing(words: CallableEncoder) -> None:
    with HybridIndex.create(encoder=words, late_interaction=WordTokens()) as index:
        good = [np.ones((2, DIMENSION), np.float32)]
        for bad, message in (
            ([np.ones((2, 3), np.float32)], r"shape \(2, 3\)"),
            ([np.full((1, DIMENSION), np.nan)], "NaN or infinity"),
        ):
            with pytest.raises(InvalidInputError, match=message):
                index.add([Passage("a", "x"), Passage("b", "y")], token_vectors=[*good, *bad])
        for rows in (1, 3):
            with pytest.raises(InvalidInputError, match="one row a passage"):
                index.add([Passage("a", "x"), Passage("b", "y")], token_vectors=good * rows)
        assert len(index) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blend": 1.5}, "blend must be a number from 0 to 1"),
        ({"datatype": "float64"}, "datatype must be one of"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        LateInteraction(**settings)


def test_the_real_default_shares_the_bi_encoder_and_reopens_by_itself(
    encoder: SentenceTransformerEncoder, tmp_path: Path
) -> None:
    texts = ["Aspirin thins the blood.", "Bread needs yeast.", "Warfarin is an anticoagulant."]
    passages = [Passage(f"p{n}", text) for n, text in enumerate(texts)]
    with HybridIndex.create(tmp_path / "i", encoder=encoder, late_interaction=True) as index:
        index.add(passages)
        before = index.search(["which drugs thin blood?"])
        entry = before[0][0].stage("late-interaction")
        assert before[0][0].passage.id == "p0"
        assert entry is not None
        info = index.info()["stages"]["late-interaction"]  # type: ignore[index, call-overload]
        assert isinstance(info, dict)
        # Two markers and some seven words a passage, half of which are kept.
        assert 3 <= info["vectors_per_passage"] <= 6  # type: ignore[operator]
    with HybridIndex.open(tmp_path / "i") as index:
        again = index.search(["which drugs thin blood?"])
    assert [hit.passage.id for hit in again[0]] == [hit.passage.id for hit in before[0]]
    assert again[0][0].score == pytest.approx(before[0][0].score, abs=1e-5)


def test_a_model_that_is_an_object_need_not_be_given_twice(minilm: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm), device="cpu")
    model[0].auto_model.encoder.layer = model[0].auto_model.encoder.layer[:1]  # one of its own
    with HybridIndex.create(tmp_path / "i", encoder=model, late_interaction=True) as index:
        index.add([Passage("a", "Aspirin thins the blood."), Passage("b", "Bread needs yeast.")])
        before = index.search(["thin blood"])
    for given in (None, True, LateInteraction()):
        with HybridIndex.open(tmp_path / "i", encoder=model, late_interaction=given) as index:
            [hits], [earlier] = index.search(["thin blood"]), before
            assert [hit.passage.id for hit in hits] == [hit.passage.id for hit in earlier]
            assert hits[0].score == pytest.approx(earlier[0].score, abs=1e-5)


def test_a_stage_by_default_opens_with_its_model_once_its_dense_stage_is_gone(
    minilm: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm), device="cpu")
    with HybridIndex.create(tmp_path / "i", encoder=model, late_interaction=True) as index:
        index.add(PASSAGES)
        index.remove_stage("dense")
        expected = index.search(["cats sing"], blend=1.0)
    with pytest.raises(EncoderMismatchError, match="pass it as late_interaction="):
        HybridIndex.open(tmp_path / "i")
    stage = LateInteraction(model)
    for given in (model, SentenceTransformerEncoder(model), stage):
        with HybridIndex.open(tmp_path / "i", late_interaction=given) as index:
            assert index.search(["cats sing"], blend=1.0) == expected
    with HybridIndex.open(tmp_path / "i", stages=[stage]) as index:
        assert index.search(["cats sing"], blend=1.0) == expected
    for other in (
        minilm,
        MultiVectorTokenEncoder(model),
        MultiVectorTokenEncoder(model, pool_factor=3),
    ):
        with pytest.raises(EncoderMismatchError, match="was made with the encoder"):
            HybridIndex.open(tmp_path / "i", late_interaction=other)


def test_what_is_computed_in_one_pass_is_checked_too(
    words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Joint:
        def __init__(self, dense: int, tokens: int) -> None:
            self.widths = dense, tokens

        def encode_passages(self, texts: Sequence[str]) -> tuple[Vectors, list[Vectors]]:
            dense, tokens = self.widths
            return np.ones((len(texts), dense)), [np.ones((2, tokens)) for _ in texts]

    for widths in ((DIMENSION + 1, DIMENSION), (DIMENSION, DIMENSION + 1)):
        with HybridIndex.create(encoder=words, late_interaction=WordTokens()) as index:
            joint = {"dense": ("late-interaction", Joint(*widths))}
            monkeypatch.setattr(index._stages, "joint", joint)
            with pytest.raises(InvalidInputError, match=str(DIMENSION + 1)):
                index.add(PASSAGES)
            assert len(index) == 0
