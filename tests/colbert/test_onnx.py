"""Vectors of tokens by ONNX Runtime are those of sentence-transformers, in every format."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import (
    HierarchicalTokenPooling,
    MultiVectorMask,
)

from hybridge import ColBERTReranker, Hit, Passage, SentenceTransformerEncoder
from hybridge.colbert import MultiVectorTokenEncoder, as_token_encoder
from hybridge.colbert.joint import joint_encoder
from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.errors import InvalidInputError
from hybridge.protocols import Vectors

TEXTS = [
    "Aspirin thins the blood.",
    "",
    "Bread needs yeast, water, salt and, above all, patience.",
    "ß漢字😀",
    "Warm air rises, and rain falls where it meets a mountain. " * 60,
]
SHORT = ["one, two.", "", "three", " ".join(["one two three four five"] * 4), "six ,,, seven"]


def both(model: Any, **settings: Any) -> tuple[MultiVectorTokenEncoder, MultiVectorTokenEncoder]:
    ours = MultiVectorTokenEncoder(model, backend="onnx", **settings)
    theirs = MultiVectorTokenEncoder(model, backend="torch", **settings)
    assert (ours.backend, theirs.backend) == ("onnx", "torch")
    assert ours.identity == theirs.identity
    return ours, theirs


def agree(found: list[Vectors], expected: list[Vectors]) -> None:
    assert [len(vectors) for vectors in found] == [len(vectors) for vectors in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def all_agree(model: Any, texts: list[str], **settings: Any) -> None:
    ours, theirs = both(model, **settings)
    agree(ours.encode_queries(texts), theirs.encode_queries(texts))
    agree(ours.encode_passages(texts), theirs.encode_passages(texts))
    assert ours.query_tokens(texts) == theirs.query_tokens(texts)
    assert ours.passage_tokens(texts) == theirs.passage_tokens(texts)
    assert ours.max_tokens == theirs.max_tokens
    assert ours.count_truncated(texts) == theirs.count_truncated(texts)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"pool_factor": 2},
    {"query_length": 8, "passage_length": 12},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_bi_encoder_runs_training_free(minilm: Path, settings: dict[str, Any]) -> None:
    all_agree(minilm, TEXTS, **settings)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_checkpoint_of_real_weights(checkpoint: Path, settings: dict[str, Any]) -> None:
    all_agree(checkpoint, TEXTS, **settings)


def _as_it_is(folder: Path) -> None:
    pass


def _stanford(folder: Path) -> None:
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / name).unlink()


def _stanford_attending(folder: Path) -> None:
    _stanford(folder)
    _change(folder / "artifact.metadata", attend_to_mask_tokens=True, mask_punctuation=False)


def _unmarked(folder: Path) -> None:
    """The markers are known to the tokenizer, but no special tokens of it."""
    _stanford(folder)
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["added_tokens"] = [
        each for each in content["added_tokens"] if not each["content"].startswith("[unused")
    ]
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    _change(folder / "tokenizer_config.json", extra_special_tokens=[])


def _pylate_1(folder: Path) -> None:
    """As PyLate's first versions saved it, without a word of its kind."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 48}))
    dense = json.loads((folder / "1_Dense" / "config.json").read_text())
    del dense["module_input_name"], dense["module_output_name"]
    (folder / "1_Dense" / "config.json").write_text(json.dumps(dense))
    config = {
        "similarity_fn_name": "MaxSim",
        "query_prefix": "[unused0] ",
        "document_prefix": "[unused1] ",
        "query_length": 8,
        "document_length": 12,
        "attend_to_expansion_tokens": False,
        "skiplist_words": [",", "."],
    }
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))


def _pylate_3(folder: Path) -> None:
    _pylate_1(folder)
    _change(folder / "config_sentence_transformers.json", model_type="ColBERT")


def _pylate_attending(folder: Path) -> None:
    _pylate_3(folder)
    _change(
        folder / "config_sentence_transformers.json",
        attend_to_expansion_tokens=True,
        skiplist_words=None,
        query_length=None,
        prompts={"query": "one ", "document": "two "},
    )


def _pylate_unexpanded(folder: Path) -> None:
    _pylate_3(folder)
    _change(folder / "config_sentence_transformers.json", do_query_expansion=False)


def _change(path: Path, **settings: Any) -> None:
    content = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps(content | settings), encoding="utf-8")


FORMS: dict[str, Callable[[Path], None]] = {
    "modules": _as_it_is,
    "Stanford": _stanford,
    "Stanford, attending": _stanford_attending,
    "Stanford, markers unknown": _unmarked,
    "PyLate 1": _pylate_1,
    "PyLate 3": _pylate_3,
    "PyLate, attending": _pylate_attending,
    "PyLate, unexpanded": _pylate_unexpanded,
}


@pytest.mark.parametrize("settings", [{}, {"query_length": 9, "passage_length": 7}], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_every_format_is_read_as_by_sentence_transformers(
    form: str, settings: dict[str, Any], tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    from hybridge.colbert import export_checkpoint

    folder = tmp_path / "saved"
    if form.startswith("Stanford"):
        export_checkpoint(tiny_colbert, folder)
    else:
        tiny_colbert.save(str(folder), create_model_card=False)
    FORMS[form](folder)
    all_agree(folder, SHORT, **settings)


@pytest.mark.parametrize("activation", [torch.nn.Identity(), torch.nn.Tanh(), torch.nn.ReLU()])
def test_layers_and_masks_are_those_of_the_modules(
    activation: torch.nn.Module, tiny_transformer: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    expansion = {"strategy": "fixed", "attend": True, "token": "[SEP]", "length": 9}
    model = MultiVectorEncoder(
        modules=[
            Transformer(str(tiny_transformer), query_expansion=expansion),  # type: ignore[arg-type]
            Dense(16, 8, activation_function=activation, module_input_name="token_embeddings"),
            Normalize(module_input_name="token_embeddings"),
            Dense(8, 6, module_input_name="token_embeddings"),
            MultiVectorMask(["two", "none"], skiplist_tasks=["query", "document"]),
        ],
        prompts={"query": "six ", "document": "seven ", "passage": "eight "},
        device="cpu",
    )
    model.save(str(tmp_path / "saved"), create_model_card=False)
    all_agree(tmp_path / "saved", SHORT)
    model[4].keep_only_token_ids = [7, 8, 9]
    model.save(str(tmp_path / "kept"), create_model_card=False)
    all_agree(tmp_path / "kept", SHORT, pool_factor=2)


def test_what_it_cannot_run_is_left_to_torch(
    random_colbert: Callable[[int, int], MultiVectorEncoder], tmp_path: Path
) -> None:
    model = random_colbert(4, 5)
    model.append(HierarchicalTokenPooling(2))
    model.save(str(tmp_path / "pooling"), create_model_card=False)
    encoder = MultiVectorTokenEncoder(tmp_path / "pooling")
    assert encoder.backend == "torch"
    assert len(encoder.encode_passages(["one two three four"])[0]) == 4
    with pytest.raises(UnsupportedModelError, match="is a HierarchicalTokenPooling, which is not"):
        MultiVectorTokenEncoder(tmp_path / "pooling", backend="onnx").encode_queries(["one"])


def test_an_object_is_run_by_torch(tiny_colbert: MultiVectorEncoder) -> None:
    assert MultiVectorTokenEncoder(tiny_colbert).backend == "torch"
    with pytest.raises(InvalidInputError, match="backend belong to the MultiVectorEncoder"):
        MultiVectorTokenEncoder(tiny_colbert, backend="onnx")


def test_eight_bits_have_an_identity_of_their_own(minilm: Path, checkpoint: Path) -> None:
    for model in (minilm, checkpoint):
        full = MultiVectorTokenEncoder(model)
        small = MultiVectorTokenEncoder(model, dtype="int8")
        assert small.identity != full.identity
        assert small.backend == "onnx"
        for encode in ("encode_queries", "encode_passages"):
            pairs = zip(getattr(small, encode)(TEXTS), getattr(full, encode)(TEXTS), strict=True)
            for one, other in pairs:
                assert one.shape == other.shape
                assert not one.size or float((one * other).sum(1).mean()) > 0.97


def test_queries_in_eight_bits_have_a_pass_apart_from_passages_in_torch(minilm: Path) -> None:
    encoder = SentenceTransformerEncoder(minilm, dtype="bfloat16", query_dtype="int8", device="cpu")
    joint = joint_encoder(encoder, as_token_encoder(encoder))
    assert joint is not None
    vectors, _ = joint.encode_queries(TEXTS[:1])
    np.testing.assert_array_equal(vectors, encoder.encode_queries(TEXTS[:1]))


@pytest.mark.parametrize("settings", [{}, {"pool_factor": 2}], ids=str)
@pytest.mark.parametrize("precisions", [{}, {"dtype": "int8"}, {"query_dtype": "int8"}], ids=str)
def test_one_pass_serves_a_bi_encoder_and_its_tokens(
    minilm: Path, precisions: dict[str, Any], settings: dict[str, Any]
) -> None:
    encoder = SentenceTransformerEncoder(minilm, query_prompt="ask: ", **precisions)
    tokens = as_token_encoder(encoder, **settings)
    joint = joint_encoder(encoder, tokens)
    assert joint is not None
    assert isinstance(tokens, MultiVectorTokenEncoder)
    assert (encoder.backend, tokens.backend) == ("onnx", "onnx")
    runs = []
    model = encoder._in_onnx(encoder._dtype).model  # type: ignore[union-attr]
    original = model.encode_rows
    model.encode_rows = lambda rows, *args, **named: (  # type: ignore[method-assign]
        runs.append(len(rows)),
        original(rows, *args, **named),
    )[1]
    # In eight bits a vector depends on what else is in its batch: so the same texts to all.
    texts = [text for text in TEXTS if text]
    vectors, matrices = joint.encode_passages(texts)
    assert runs == [len(texts)]
    del model.encode_rows  # type: ignore[method-assign]
    np.testing.assert_allclose(vectors, encoder.encode_passages(texts), atol=1e-5)
    agree(matrices, tokens.encode_passages(texts))
    vectors, matrices = joint.encode_queries(texts)
    np.testing.assert_allclose(vectors, encoder.encode_queries(texts), atol=1e-5)
    agree(matrices, tokens.encode_queries(texts))


def test_it_needs_no_torch(minilm: Path, checkpoint: Path) -> None:
    code = (
        "import sys\n"
        "absent = ('torch', 'transformers', 'sentence_transformers', 'scipy')\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from hybridge import ColBERTReranker, Hit, Passage, SentenceTransformerEncoder\n"
        "from hybridge.colbert import as_token_encoder, max_sim\n"
        f"encoder = SentenceTransformerEncoder({str(minilm)!r})\n"
        f"for model in (encoder, {str(minilm)!r}, {str(checkpoint)!r}):\n"
        "    tokens = as_token_encoder(model, pool_factor=2)\n"
        "    [query] = tokens.encode_queries(['blood'])\n"
        "    passages = tokens.encode_passages(['Aspirin thins the blood.', ''])\n"
        "    assert max_sim(query, passages)[0] > 0\n"
        "    assert len(tokens.passage_tokens(['a b c d'])[0]) < 6\n"
        "    assert tokens.count_truncated(['a']) == 0\n"
        "hits = [Hit(Passage(text, text), 1.0) for text in ('Bread.', 'Blood clots.')]\n"
        f"reranked = ColBERTReranker({str(checkpoint)!r}).rerank(['does blood clot?'], [hits])\n"
        "assert [hit.passage.id for hit in reranked[0]] == ['Blood clots.', 'Bread.']\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reranker_takes_a_backend(minilm: Path) -> None:
    hits = [Hit(Passage(str(place), text), 1.0) for place, text in enumerate(TEXTS)]
    found = [
        ColBERTReranker(minilm, backend=backend).rerank(["thin blood"], [hits])[0]
        for backend in ("onnx", "torch")
    ]
    assert [hit.passage.id for hit in found[0]] == [hit.passage.id for hit in found[1]]
    for one, other in zip(*found, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_a_graph_of_other_vectors_is_refused(
    tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    """A projection that the weights do not fit is no reason to crash."""
    tiny_colbert.save(str(tmp_path / "saved"), create_model_card=False)
    from safetensors.numpy import save_file

    wrong = {"linear.weight": np.ones((4, 15), np.float32)}
    save_file(wrong, tmp_path / "saved" / "1_Dense" / "model.safetensors")
    with pytest.raises(UnsupportedModelError, match="which the layers of this model do not fit"):
        MultiVectorTokenEncoder(tmp_path / "saved", backend="onnx").encode_queries(["one"])


def test_a_moved_folder_is_pickled_as_its_settings(checkpoint: Path, tmp_path: Path) -> None:
    import pickle

    folder = Path(shutil.copytree(checkpoint, tmp_path / "moved"))
    encoder = MultiVectorTokenEncoder(folder)
    expected = encoder.encode_queries(TEXTS)
    pickled = pickle.dumps(encoder)
    assert len(pickled) < 10_000
    agree(pickle.loads(pickled).encode_queries(TEXTS), expected)
