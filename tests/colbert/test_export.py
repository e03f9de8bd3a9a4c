"""A checkpoint runs alike in sentence-transformers, in our encoder and in colbert-ai."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.multi_vector_encoder.modules import (
    HierarchicalTokenPooling,
    MultiVectorMask,
)

from hybridge import SentenceTransformerEncoder
from hybridge.colbert import MultiVectorTokenEncoder, export_checkpoint, training_free
from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder
from hybridge.errors import InvalidInputError, StoreError
from hybridge.protocols import Vectors

QUERIES = ["what thins the blood?", "aspirin, " * 40]
PASSAGES = ["Aspirin (100 mg) thins the blood.", "yeast " * 300]


def _scored(vectors: Vectors) -> Vectors:
    """Without what colbert-ai fills a query up with and never scores: vectors of zeros."""
    return vectors[np.abs(vectors).sum(axis=1) > 0]


def _all_agree(folder: Path, queries: list[str], passages: list[str]) -> None:
    ours = MultiVectorTokenEncoder(folder)
    theirs = RAGatouilleTokenEncoder(folder)
    plain = MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)
    for found, colbert, encode, texts in (
        (ours.encode_queries, theirs.encode_queries, plain.encode_query, queries),
        (ours.encode_passages, theirs.encode_passages, plain.encode_document, passages),
    ):
        for text, mine in zip(texts, found(texts), strict=True):
            np.testing.assert_allclose(_scored(colbert([text])[0]), mine, atol=1e-5)
            np.testing.assert_allclose(encode(text, convert_to_numpy=True), mine, atol=1e-5)


def test_a_training_free_model_runs_alike_everywhere(checkpoint: Path) -> None:
    _all_agree(checkpoint, QUERIES, PASSAGES)


def test_a_projected_model_runs_alike_everywhere(
    minilm: Path, abstracts: list[str], tmp_path: Path
) -> None:
    model = training_free(minilm, dimension=16, sample=abstracts[:2])
    folder = export_checkpoint(model, tmp_path / "short", passage_length=64)
    assert json.loads((folder / "artifact.metadata").read_text())["dim"] == 16
    _all_agree(folder, QUERIES[:1], PASSAGES)
    assert len(MultiVectorTokenEncoder(folder).encode_passages(PASSAGES)[1]) == 64


def test_a_trained_model_runs_alike_everywhere(
    tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    queries = ["one two", " ".join(["three, four"] * 9)]
    passages = ["five, six.", " ".join(["seven"] * 20)]
    # A fixed width cuts the second query; a checkpoint that we export does not.
    short = tiny_colbert.encode_query(queries[0], convert_to_numpy=True)
    before = tiny_colbert.encode_document(passages, convert_to_numpy=True)
    folder = export_checkpoint(tiny_colbert, tmp_path / "tiny")
    _all_agree(folder, queries, passages)
    encoder = MultiVectorTokenEncoder(folder)
    np.testing.assert_allclose(encoder.encode_queries(queries)[0], short, atol=1e-5)
    for one, other in zip(encoder.encode_passages(passages), before, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert tiny_colbert[0].query_expansion["strategy"] == "fixed"  # as it was given


def test_almost_nothing_is_lost_by_the_marker(
    checkpoint: Path, token_encoder: MultiVectorTokenEncoder, abstracts: list[str]
) -> None:
    whole = token_encoder.encode_passages(abstracts[:3])
    marked = MultiVectorTokenEncoder(checkpoint, passage_length=257).encode_passages(abstracts[:3])
    for one, other in zip(whole, marked, strict=True):
        # One more vector, the marker's, behind [CLS].
        assert len(other) == len(one) + 1
        assert float((one * np.delete(other, 1, axis=0)).sum(axis=1).mean()) > 0.995


def test_the_settings_match_the_model(
    checkpoint: Path, tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    settings = json.loads((checkpoint / "artifact.metadata").read_text())
    assert settings == {
        "dim": 384,
        "query_maxlen": 32,
        "doc_maxlen": 256,
        "query_token_id": "[SEP]",
        "doc_token_id": "[SEP]",
        "mask_punctuation": True,
        "attend_to_mask_tokens": False,
        "similarity": "cosine",
        "interaction": "colbert",
    }
    assert json.loads((checkpoint / "config.json").read_text())["architectures"] == ["HF_ColBERT"]
    folder = export_checkpoint(tiny_colbert, tmp_path / "tiny", query_length=10, passage_length=20)
    settings = json.loads((folder / "artifact.metadata").read_text())
    assert [settings[name] for name in ("dim", "query_maxlen", "doc_maxlen")] == [4, 10, 20]
    assert [settings["query_token_id"], settings["doc_token_id"]] == ["[unused0]", "[unused1]"]


def test_nothing_is_pickled_and_nothing_else_is_left(checkpoint: Path, tmp_path: Path) -> None:
    suffixes = {path.suffix for path in checkpoint.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".metadata", ".safetensors"}
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]
    assert checkpoint.is_absolute()


def test_no_bars_are_drawn(
    tiny_colbert: MultiVectorEncoder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    export_checkpoint(tiny_colbert, tmp_path / "tiny")
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_what_is_there_is_never_overwritten(
    tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        with pytest.raises(InvalidInputError, match="is not an empty folder"):
            export_checkpoint(tiny_colbert, tmp_path / name)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert export_checkpoint(tiny_colbert, tmp_path / "empty" / "deeper").is_dir()
    (tmp_path / "another").mkdir()
    assert (export_checkpoint(tiny_colbert, tmp_path / "another") / "config.json").is_file()


@pytest.mark.parametrize("error", [OSError, SafetensorError])
def test_a_failure_is_named_and_leaves_nothing_behind(
    tiny_colbert: MultiVectorEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise error("no space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(StoreError, match=r"written to '.*/tiny': no space left"):
        export_checkpoint(tiny_colbert, tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def _biased() -> Dense:
    return Dense(4, 4, module_input_name="token_embeddings")


def test_a_file_in_the_way_is_named(tiny_colbert: MultiVectorEncoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"written to '.*/file/deeper'"):
        export_checkpoint(tiny_colbert, tmp_path / "file" / "deeper")
    with pytest.raises(StoreError, match=r"written to '.*aaaa'"):
        export_checkpoint(tiny_colbert, tmp_path / ("a" * 5000))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_model_is_left_as_it_is(tiny_colbert: MultiVectorEncoder, tmp_path: Path) -> None:
    tiny_colbert.bfloat16()
    before = tiny_colbert[0].model
    folder = export_checkpoint(tiny_colbert, tmp_path / "tiny")
    assert tiny_colbert[0].model is before
    assert {weight.dtype for weight in tiny_colbert.parameters()} == {torch.bfloat16}
    saved = MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)
    assert {weight.dtype for weight in saved.parameters()} == {torch.float32}


def test_the_bi_encoder_that_is_shared_is_left_as_it_is(minilm: Path, tmp_path: Path) -> None:
    bi_encoder = SentenceTransformer(str(minilm), device="cpu").bfloat16()
    before = bi_encoder[0].model
    model = training_free(bi_encoder)
    export_checkpoint(model, tmp_path / "minilm")
    for one in (bi_encoder, model):
        assert one[0].model is before
        assert {weight.dtype for weight in one.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (HierarchicalTokenPooling(2), "HierarchicalTokenPooling has no place"),
        (_biased(), "more than a matrix"),
        (MultiVectorMask(["one"]), r"skipped words like \['one'\]"),
        (MultiVectorMask(["."], skiplist_tasks=["query"]), "not for passages alone"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_format_cannot_express_is_named(
    tiny_transformer: Path, tmp_path: Path, module: torch.nn.Module, message: str
) -> None:
    transformer = training_free(tiny_transformer)[0]
    normalize = Normalize(module_input_name="token_embeddings")
    model = MultiVectorEncoder(modules=[transformer, module, normalize], device="cpu")
    with pytest.raises(InvalidInputError, match=message):
        export_checkpoint(model, tmp_path / "never")
    assert list(tmp_path.iterdir()) == []


def test_prompts_of_many_tokens_are_refused(minilm: Path, tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(minilm, query_prompt="search query: ")
    with pytest.raises(InvalidInputError, match="query prompt 'search query: '"):
        export_checkpoint(MultiVectorTokenEncoder(encoder), tmp_path / "never")


def test_a_bad_length_is_named(minilm: Path, tmp_path: Path) -> None:
    for options in ({"query_length": 0}, {"passage_length": 2}, {"passage_length": 513}):
        with pytest.raises(InvalidInputError, match=f"{next(iter(options))} "):
            export_checkpoint(minilm, tmp_path / "never", **options)
    with pytest.raises(InvalidInputError, match="token pooling"):
        export_checkpoint(MultiVectorTokenEncoder(minilm, pool_factor=2), tmp_path / "never")
