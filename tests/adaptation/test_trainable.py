"""What can be trained is found in whatever holds a model; what cannot is named before any work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer

from hybridge import CallableEncoder, SentenceTransformerEncoder
from hybridge.adaptation.bi_encoder import TrainableBiEncoder
from hybridge.adaptation.cross_encoder import TrainableCrossEncoder
from hybridge.adaptation.late_interaction import TrainableTokenModel
from hybridge.adaptation.trainable import trainable
from hybridge.adaptation.trainee import Trainee
from hybridge.colbert import ColBERTReranker, MultiVectorTokenEncoder, training_free
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.encoders import CachedEncoder
from hybridge.errors import InvalidInputError, ModelNotFoundError
from hybridge.reranking import TextReranker
from hybridge.stages import BM25, Dense, LateInteraction

PACKAGED = "cross-encoder/ms-marco-MiniLM-L12-v2"


@pytest.fixture(scope="session")
def folders(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A saved model of each kind, of random weights."""
    root = tmp_path_factory.mktemp("kinds")
    CrossEncoder(str(tiny), num_labels=1, device="cpu").save(
        str(root / "pairs"), create_model_card=False
    )
    training_free(tiny).save(str(root / "tokens"), create_model_card=False)
    return {"bi-encoder": tiny, "cross-encoder": root / "pairs", "token model": root / "tokens"}


KINDS: dict[str, type[Trainee]] = {
    "bi-encoder": TrainableBiEncoder,
    "cross-encoder": TrainableCrossEncoder,
    "token model": TrainableTokenModel,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", [str, Path])
def test_a_folder_is_of_the_kind_that_its_files_name(
    folders: dict[str, Path], kind: str, of: Callable[[Path], str | Path]
) -> None:
    found = trainable(of(folders[kind]))

    assert type(found) is KINDS[kind]
    assert found.parent == str(folders[kind])
    assert trainable(found) is found


HOLDERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "encoder": ("bi-encoder", SentenceTransformerEncoder),
    "dense stage": ("bi-encoder", Dense),
    "SentenceTransformer": ("bi-encoder", lambda folder: SentenceTransformer(str(folder))),
    "reranker": ("cross-encoder", CrossEncoderReranker),
    "CrossEncoder": ("cross-encoder", lambda folder: CrossEncoder(str(folder))),
    "token encoder": ("token model", MultiVectorTokenEncoder),
    "late-interaction stage": ("token model", LateInteraction),
    "late-interaction reranker": ("token model", ColBERTReranker),
    "MultiVectorEncoder": ("token model", lambda folder: MultiVectorEncoder(str(folder))),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_model_is_found_in_what_holds_it(folders: dict[str, Path], holder: str) -> None:
    kind, hold = HOLDERS[holder]

    found = trainable(hold(folders[kind]))

    assert type(found) is KINDS[kind]
    assert sum(weight.numel() for weight in found.load().parameters()) > 1000


def test_a_cached_encoder_is_that_in_it(tiny: Path, tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(tiny, normalize=False)
    found = trainable(CachedEncoder(encoder, tmp_path))

    assert isinstance(found, TrainableBiEncoder)
    assert found.encoder is encoder


def test_a_bi_encoder_in_a_late_interaction_stage_is_trained_for_its_tokens(tiny: Path) -> None:
    found = trainable(LateInteraction(SentenceTransformerEncoder(tiny)))

    assert isinstance(found, TrainableTokenModel)
    assert found.parent == str(tiny)


class _Embeddings:
    def embed_query(self, text: str) -> list[float]:
        raise AssertionError("no work is done")

    embed_documents = embed_query


class _Length(TextReranker):
    def _score(self, queries: Any, texts: Any) -> Any:
        raise AssertionError("no work is done")


class _RAGatouille:
    passage_tokens = encode_queries = encode_passages = to_config = _Embeddings.embed_query


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "functions": (
        lambda: CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones"),
        "CallableEncoder calls functions, .* fit a query map",
    ),
    "an API's embeddings": (_Embeddings, "behind an interface, .* fit a query map"),
    "a stage of functions": (
        lambda: Dense(CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones")),
        "fit a query map",
    ),
    "RAGatouille": (_RAGatouille, "its checkpoint to MultiVectorTokenEncoder"),
    "RAGatouille in a reranker": (
        lambda: ColBERTReranker(_RAGatouille()),  # type: ignore[arg-type]
        "its checkpoint to MultiVectorTokenEncoder, and .*\\.export_checkpoint",
    ),
    "a stage without a model": (BM25, "the stage BM25 has no model"),
    "another reranker": (lambda: _Length("length"), "_Length cannot be trained"),
    "a class": (lambda: SentenceTransformerEncoder, "cannot be trained: give a Sentence"),
    "nothing": (lambda: None, "NoneType cannot be trained"),
    "packaged int8, by name": (lambda: PACKAGED, "float32 model, or run 'hf download cross-enc"),
    "packaged int8 reranker": (
        lambda: CrossEncoderReranker(PACKAGED),
        f"'{PACKAGED}' is here as an ONNX graph alone",
    ),
    "packaged int8 encoder": (
        lambda: SentenceTransformerEncoder("BAAI/bge-small-en-v1.5", dtype="int8"),
        "'BAAI/bge-small-en-v1.5' is here as an ONNX graph alone",
    ),
    "tokens of packaged int8": (
        lambda: LateInteraction(SentenceTransformerEncoder("BAAI/bge-small-en-v1.5", dtype="int8")),
        "'BAAI/bge-small-en-v1.5' is here as an ONNX graph alone",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_with_what_helps(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    make, message = REFUSED[name]
    model = make()

    with pytest.raises(InvalidInputError, match=message):
        trainable(model)


def test_a_folder_with_an_onnx_graph_alone_is_refused(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "graph")
    for weights in (tmp_path / "graph").rglob("*.safetensors"):
        weights.rename(weights.with_name("model.onnx"))

    with pytest.raises(InvalidInputError, match=r"is an ONNX graph alone, .* float32 model"):
        trainable(tmp_path / "graph")


def test_a_sparse_encoder_is_refused_by_its_kind(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "sparse")
    config = tmp_path / "sparse" / "config_sentence_transformers.json"
    config.write_text(config.read_text().replace("SentenceTransformer", "SparseEncoder"))

    with pytest.raises(InvalidInputError, match=r"is a sparse encoder .* can be trained here"):
        trainable(tmp_path / "sparse")


def test_a_name_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(ModelNotFoundError, match="no folder '/no/such/model'"):
        trainable("/no/such/model")
