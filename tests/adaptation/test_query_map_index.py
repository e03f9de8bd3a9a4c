"""A query map in an index: nothing is encoded for it, and it is kept with the index."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.encoders import CachedEncoder, MappedEncoder, QueryMap
from hybridge.errors import (
    CorruptIndexError,
    EncoderMismatchError,
    ReadOnlyError,
)
from hybridge.protocols import Vectors
from hybridge.stages import BM25, Dense, LateInteraction

from ..index.conftest import DIMENSION, word_vectors
from ..index.test_late import WordTokens
from ..index.test_stages import PASSAGES, PLACES, QUERIES, created, letters, outline

TEXTS = QUERIES[:3]


def a_map(seed: int = 0, dimension: int = DIMENSION) -> QueryMap:
    left, right = np.random.default_rng(seed).normal(size=(2, dimension, 3))
    return QueryMap(left, right.T)


class Words:
    """An encoder that counts the passages it encodes."""

    def __init__(self, identity: str = "words") -> None:
        self.passages: list[str] = []
        self.encoder = CallableEncoder(
            word_vectors, self._encoded, dimension=DIMENSION, identity=identity
        )

    def _encoded(self, texts: Sequence[str]) -> Vectors:
        self.passages += texts
        return word_vectors(texts)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(PLACES[request.param])


def expected(query_map: QueryMap | None) -> list[list[float]]:
    """Return the highest cosines, computed apart from any index."""
    queries = np.asarray(word_vectors(TEXTS), float)
    if query_map is not None:
        moves = query_map.left.astype(float) @ query_map.right.astype(float)
        queries = queries @ (np.eye(DIMENSION) + moves)
    rows = np.asarray(word_vectors([passage.text for passage in PASSAGES]), float)
    scores = queries @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
    scores /= np.linalg.norm(queries, axis=1, keepdims=True)
    highest: list[list[float]] = np.sort(scores)[:, ::-1][:, :6].tolist()
    return highest


def test_it_takes_the_place_of_the_encoder_and_encodes_nothing(place: dict[str, Any]) -> None:
    words, query_map = Words(), a_map()
    with created(place, [BM25(lexical=place["lexical"]), Dense(words.encoder)]) as index:
        index.add(PASSAGES)
        encoded, ids = list(words.passages), [passage.id for passage in PASSAGES]
        vectors, names = index.dense.vectors(ids), list(index._storage.store.options.vectors)
        held, plain = index.dense, outline(index.search(TEXTS, 5))
        for encoder, used in (
            (MappedEncoder(words.encoder, query_map), query_map),
            (MappedEncoder(words.encoder, a_map(1)), a_map(1)),
            (words.encoder, None),
            (MappedEncoder(words.encoder, query_map), query_map),
        ):
            index.replace_stage("dense", Dense(encoder))
            assert index.encoder is encoder
            assert index.info()["stages"]["dense"]["encoder"] == encoder.identity  # type: ignore[index, call-overload]
            for retriever in (held, index.dense):
                lists = retriever.search(TEXTS, 6)
                scores = [[hit.score for hit in hits] for hits in lists]
                assert scores == [pytest.approx(row, abs=1e-4) for row in expected(used)]
            if used is None:
                assert outline(index.search(TEXTS, 5)) == plain
            else:
                assert outline(index.search(TEXTS, 5)) != plain
        assert words.passages == encoded
        # The client's local mode scales stored vectors again at each search.
        assert index.dense.vectors(ids) == pytest.approx(vectors, abs=1e-6)
        assert list(index._storage.store.options.vectors) == names
        index.add([Passage("late", "cats at dawn")])  # which the encoder encodes
        assert words.passages == [*encoded, "cats at dawn"]
        assert index.dense.vectors(["late"])[0] == pytest.approx(
            word_vectors(["cats at dawn"])[0] / np.linalg.norm(word_vectors(["cats at dawn"])),
            abs=1e-6,
        )


def test_weights_come_with_it_in_one_step(
    place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = Words()
    with created(place, [BM25(lexical=place["lexical"]), Dense(words.encoder)]) as index:
        index.add(PASSAGES)
        saved: list[Any] = []
        save = index._storage.save_manifest
        monkeypatch.setattr(
            index._storage,
            "save_manifest",
            lambda manifest: (saved.append(manifest), save(manifest)),
        )
        weights = {"bm25": 0.25, "dense": 0.75}
        encoder = MappedEncoder(words.encoder, a_map())
        index.replace_stage("dense", Dense(encoder), weights=weights)
        assert [dict(manifest.weights) for manifest in saved] == [weights]
        assert index.encoder is encoder
        index.replace_stage("dense", Dense(encoder))  # as it is already
        assert len(saved) == 1
        assert index.defaults["weights"] == weights


def test_another_encoder_under_a_map_encodes_all(place: dict[str, Any]) -> None:
    words, others = Words(), Words("other words")
    with created(place, [Dense(words.encoder)]) as index:
        index.add(PASSAGES)
        index.replace_stage("dense", Dense(MappedEncoder(others.encoder, a_map())))
        assert len(others.passages) == len(PASSAGES)
        index.replace_stage("dense", Dense(words.encoder, search_text="{text} {even}"))
        before = len(words.passages)
        index.replace_stage(  # another text, so other vectors
            "dense", Dense(MappedEncoder(words.encoder, a_map()))
        )
        assert len(words.passages) == before + len(PASSAGES)
        index.replace_stage("dense", Dense(words.encoder, distance="dot"))
        assert len(words.passages) == before + 2 * len(PASSAGES)


def test_it_is_kept_with_the_index(tmp_path: Path) -> None:
    words, query_map = Words(), a_map()
    with HybridIndex.create(tmp_path / "a", encoder=words.encoder) as index:
        index.add(PASSAGES)
        index.replace_stage("dense", Dense(MappedEncoder(words.encoder, query_map)))
        lists, info = outline(index.search(TEXTS, 5)), index.info()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    mapped = MappedEncoder(words.encoder, query_map)
    # By the encoder that it was made with, or with the same map around it.
    for options in (
        {"encoder": Words().encoder},
        {"encoder": mapped},
        {"stages": [Dense(Words().encoder)]},
        {"encoder": Words().encoder, "read_only": True},
        {"encoder": Words().encoder, "passage_cache": tmp_path / "cache"},
    ):
        with HybridIndex.open(tmp_path / "b", **options) as again:
            assert outline(again.search(TEXTS, 5)) == lists
            assert {**again.info(), "location": 0}.keys() == {**info, "location": 0}.keys()
            assert again.encoder.identity == mapped.identity
    with pytest.raises(EncoderMismatchError, match="encoder 'words', which cannot be"):
        HybridIndex.open(tmp_path / "b")
    for other in (Words("others").encoder, MappedEncoder(words.encoder, a_map(1))):
        with pytest.raises(EncoderMismatchError, match="words mapped"):
            HybridIndex.open(tmp_path / "b", encoder=other)
    with HybridIndex._open_without_encoders(tmp_path / "b") as blind:
        assert outline(blind.bm25.search(TEXTS, 5))
        with pytest.raises(EncoderMismatchError):
            blind.dense.search(TEXTS)
    with HybridIndex.open(tmp_path / "b", encoder=words.encoder) as again:
        again.replace_stage("dense", Dense(words.encoder))
    with HybridIndex.open(tmp_path / "b", encoder=words.encoder) as again:
        assert again.encoder is words.encoder


def test_a_damaged_map_is_named(tmp_path: Path) -> None:
    words = Words()
    with HybridIndex.create(tmp_path, encoder=MappedEncoder(words.encoder, a_map())):
        pass
    manifest = tmp_path / "manifest.json"
    text = manifest.read_text()
    at = text.index('"left": "') + 9
    manifest.write_text(text[:at] + "AAAA" + text[at + 8 :])
    with pytest.raises(CorruptIndexError, match="query map"):
        HybridIndex.open(tmp_path, encoder=words.encoder)


OPEN = """
from hybridge import HybridIndex
with HybridIndex.open({path!r}) as index:
    print([hit.passage.id for hit in index.dense.search(["old yeast bread"], 3)[0]])
    print(index.encoder.identity)
"""


def test_a_named_encoder_opens_with_its_map_in_another_process(
    tmp_path: Path, encoder: SentenceTransformerEncoder
) -> None:
    texts = ["Bread needs yeast.", "Aspirin thins the blood.", "Old ovens", "Cats sleep", "Yeast"]
    mapped = MappedEncoder(encoder, a_map(0, 384))
    with HybridIndex.create(tmp_path, encoder=encoder) as index:
        index.add(Passage(text, text) for text in texts)
        plain = [hit.passage.id for hit in index.dense.search(["old yeast bread"], 3)[0]]
        index.replace_stage("dense", Dense(mapped))
        ids = [hit.passage.id for hit in index.dense.search(["old yeast bread"], 3)[0]]
    assert ids != plain
    done = subprocess.run(
        [sys.executable, "-c", OPEN.format(path=str(tmp_path))],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.splitlines() == [str(ids), mapped.identity], done.stderr


def test_a_pickled_index_has_its_map(tmp_path: Path) -> None:
    with HybridIndex.create(tmp_path, encoder=plain_words()) as index:
        index.add(PASSAGES)
        index.replace_stage("dense", Dense(MappedEncoder(plain_words(), a_map())))
        with pickle.loads(pickle.dumps(index)) as again:
            assert outline(again.search(TEXTS, 5)) == outline(index.search(TEXTS, 5))


def plain_words() -> CallableEncoder:
    return CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")


def test_a_passage_cache_and_other_stages_stay(tmp_path: Path) -> None:
    words = Words()
    stages = [Dense(words.encoder), LateInteraction(WordTokens(), name="tokens")]
    with HybridIndex.create(stages=stages, passage_cache=tmp_path) as index:
        index.add(PASSAGES)
        before = len(words.passages)
        index.replace_stage("dense", Dense(MappedEncoder(index.encoder, a_map())))
        index.replace_stage("dense", Dense(CachedEncoder(index.encoder, tmp_path)))
        assert len(words.passages) == before
        assert [len(hits) for hits in index.search(TEXTS, 5)] == [5, 5, 5]


def test_late_interaction_by_default_takes_the_model_within(
    tmp_path: Path, encoder: SentenceTransformerEncoder
) -> None:
    mapped = MappedEncoder(encoder, a_map(0, 384))
    with HybridIndex.create(tmp_path, encoder=encoder, late_interaction=True) as index:
        index.add([Passage("a", "Bread needs yeast."), Passage("b", "Cats sleep.")])
        index.replace_stage("dense", Dense(mapped))
        tokens = index._stages.definitions["late-interaction"].identity
        lists = outline(index.search(["yeast"], 2))
    with HybridIndex.open(tmp_path) as again:
        assert again._stages.definitions["late-interaction"].identity == tokens
        assert outline(again.search(["yeast"], 2)) == lists


def test_a_half_done_replacement_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 10)
    words = Words()

    def gone(texts: Sequence[str]) -> Any:
        raise RuntimeError("the model is gone")

    with HybridIndex.create(tmp_path, encoder=words.encoder) as index:
        index.add(PASSAGES)
        failing = CallableEncoder(letters().encode_queries, gone, dimension=20, identity="letters")
        with pytest.raises(RuntimeError, match="gone"):
            index.replace_stage("dense", Dense(failing))
        assert index.info()["pending"] == "dense"
        index.replace_stage("dense", Dense(MappedEncoder(words.encoder, a_map())))
        assert index.info()["pending"] is None
        assert list(index._storage.store.options.vectors) == ["dense"]
        assert len(words.passages) == len(PASSAGES)


def test_who_may_not_change_it(tmp_path: Path) -> None:
    words = Words()
    with HybridIndex.create(tmp_path, encoder=words.encoder) as index:
        index.add(PASSAGES)
    stage = Dense(MappedEncoder(words.encoder, a_map()))
    with HybridIndex.open(tmp_path, encoder=words.encoder, read_only=True) as reader:
        with pytest.raises(ReadOnlyError):
            reader.replace_stage("dense", stage)
        assert reader.encoder is words.encoder
