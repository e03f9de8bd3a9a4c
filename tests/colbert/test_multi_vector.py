"""ColBERT checkpoints run as they were trained, bi-encoders as they are, in batches and threads."""

from __future__ import annotations

import json
import logging
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

from hybridge import SentenceTransformerEncoder
from hybridge.colbert import MultiVectorTokenEncoder, TokenEncoder, export_checkpoint, training_free
from hybridge.errors import InvalidInputError, ModelNotFoundError
from hybridge.protocols import Vectors

TEXTS = [
    "Aspirin thins the blood.",
    "",
    "Bread needs yeast, water, salt and, above all, patience.",
    " \n",
    "ß漢字😀",
    "a " * 10_000,
]
LONG = " ".join(["one two three four five"] * 4)


def _agree(found: list[Vectors], expected: list[Vectors], tolerance: float = 1e-5) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


@pytest.fixture
def saved(tiny_colbert: MultiVectorEncoder, tmp_path: Path) -> Path:
    """The tiny ColBERT in sentence-transformers' format."""
    tiny_colbert.save(str(tmp_path / "saved"), create_model_card=False)
    return tmp_path / "saved"


@pytest.fixture
def stanford(tiny_colbert: MultiVectorEncoder, tmp_path: Path) -> Path:
    """The tiny ColBERT in Stanford's format alone."""
    folder = export_checkpoint(tiny_colbert, tmp_path / "stanford")
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / name).unlink()
    return folder


@pytest.fixture
def pylate_1(saved: Path) -> Path:
    """The tiny ColBERT as PyLate's first versions saved it, without a word of its kind."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    (saved / "modules.json").write_text(json.dumps(modules))
    (saved / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 48}))
    dense = json.loads((saved / "1_Dense" / "config.json").read_text())
    del dense["module_input_name"], dense["module_output_name"]
    (saved / "1_Dense" / "config.json").write_text(json.dumps(dense))
    config = {
        "__version__": {"sentence_transformers": "4.0.2"},
        "similarity_fn_name": "MaxSim",
        "query_prefix": "[unused0] ",
        "document_prefix": "[unused1] ",
        "query_length": 8,
        "document_length": 12,
        "attend_to_expansion_tokens": False,
        "skiplist_words": [",", "."],
    }
    (saved / "config_sentence_transformers.json").write_text(json.dumps(config))
    return saved


@pytest.fixture
def pylate_3(pylate_1: Path) -> Path:
    """The tiny ColBERT as PyLate's third version saved it."""
    path = pylate_1 / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "ColBERT"}))
    return pylate_1


FORMATS = ["saved", "stanford", "pylate_1", "pylate_3"]


# What the vectors are


def test_it_is_a_token_encoder(token_encoder: MultiVectorTokenEncoder) -> None:
    assert isinstance(token_encoder, TokenEncoder)
    assert token_encoder.dimension == 384


def test_the_vectors_are_those_of_sentence_transformers(
    token_encoder: MultiVectorTokenEncoder, minilm: Path
) -> None:
    reference = training_free(minilm)
    for found, encode in (
        (token_encoder.encode_passages(TEXTS), reference.encode_document),
        (token_encoder.encode_queries(TEXTS), reference.encode_query),
    ):
        assert [vectors.dtype for vectors in found] == [np.float32] * len(TEXTS)
        assert found[1].shape == found[3].shape == (0, 384)
        assert found[5].shape == (256, 384)
        for place in (0, 2, 4, 5):
            np.testing.assert_allclose(np.linalg.norm(found[place], axis=1), 1, atol=1e-6)
            expected = encode(TEXTS[place], convert_to_numpy=True)
            np.testing.assert_allclose(found[place], expected, atol=1e-5)


def test_batches_by_length_keep_the_order(saved: Path) -> None:
    rng = random.Random(7)
    texts = [" ".join(rng.choices(LONG.split(), k=rng.randint(0, 20))) for _ in range(23)]
    encoder = MultiVectorTokenEncoder(saved, batch_size=4)
    for encode in (encoder.encode_queries, encoder.encode_passages):
        _agree(encode(texts), [encode([text])[0] for text in texts])


def test_passages_that_are_longer_than_it_reads_are_counted(
    tiny_colbert: MultiVectorEncoder, encoder: SentenceTransformerEncoder
) -> None:
    colbert = MultiVectorTokenEncoder(tiny_colbert)
    assert colbert.max_tokens == 12
    texts = [" ".join(LONG.split()[:count]) for count in range(1, 15)]
    # Two marks and a marker leave room for nine words.
    assert colbert.count_truncated(texts) == 5
    lengths = [len(vectors) for vectors in colbert.encode_passages(texts)]
    assert lengths == [*range(4, 13), *[12] * 5]
    training_free = MultiVectorTokenEncoder(encoder)
    assert (training_free.max_tokens, encoder.max_tokens) == (256, 256)
    texts = ["a " * 254, "a " * 255]
    assert training_free.count_truncated(texts) == encoder.count_truncated(texts) == 1
    assert MultiVectorTokenEncoder(passage_length=8).count_truncated(["one two three " * 3]) == 1


def test_nothing_in_nothing_out(token_encoder: MultiVectorTokenEncoder) -> None:
    assert token_encoder.encode_queries([]) == token_encoder.encode_passages([]) == []


def test_half_precision_inside_float32_outside(minilm: Path) -> None:
    text = TEXTS[2]
    (full,) = MultiVectorTokenEncoder(minilm).encode_passages([text])
    (half,) = MultiVectorTokenEncoder(minilm, dtype="bfloat16").encode_passages([text])
    assert half.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=1e-6)
    assert 0.999 < float((half * full).sum(axis=1).mean()) < 1


def test_pooling_leaves_fewer_vectors_of_passages_alone(
    minilm: Path, token_encoder: MultiVectorTokenEncoder
) -> None:
    pooled = MultiVectorTokenEncoder(minilm, pool_factor=2)
    whole = token_encoder.encode_passages([TEXTS[5], TEXTS[2]])
    expected = HierarchicalTokenPooling(2).pool([torch.from_numpy(vectors) for vectors in whole])
    assert [len(vectors) for vectors in whole] == [256, 11]
    found = pooled.encode_passages([TEXTS[5], TEXTS[2]])
    assert [len(vectors) for vectors in found] == [128, 6]
    np.testing.assert_allclose(found[1], expected[1].numpy(), atol=1e-5)
    _agree(pooled.encode_queries(TEXTS[:3]), token_encoder.encode_queries(TEXTS[:3]))


def test_a_broken_model_is_named(tiny_colbert: MultiVectorEncoder) -> None:
    next(tiny_colbert.parameters()).data.fill_(torch.nan)
    with pytest.raises(InvalidInputError, match="NaN or infinity for 'one two'"):
        MultiVectorTokenEncoder(tiny_colbert).encode_queries(["one two"])


# Formats


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_runs_as_it_was_trained(
    form: str, tiny_colbert: MultiVectorEncoder, request: pytest.FixtureRequest
) -> None:
    encoder = MultiVectorTokenEncoder(request.getfixturevalue(form))
    texts = ["one, two.", LONG]
    expected = tiny_colbert.encode_document(texts, convert_to_numpy=True)
    # The marks, the marker and two words; two marks and all that fit into twelve tokens.
    assert [len(vectors) for vectors in expected] == [5, 12]
    _agree(encoder.encode_passages(texts), expected)
    expected = [tiny_colbert.encode_query("one, two.", convert_to_numpy=True)]
    assert expected[0].shape == (8, 4)
    _agree(encoder.encode_queries(["one, two."]), expected)


@pytest.mark.parametrize("form", FORMATS)
def test_long_queries_are_truncated_by_query_length_alone(
    form: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(form)
    # Two marks, the marker and twenty words, where the checkpoint says eight.
    assert MultiVectorTokenEncoder(folder).encode_queries([LONG])[0].shape == (23, 4)
    short = MultiVectorTokenEncoder(folder, query_length=8, passage_length=6)
    assert [len(vectors) for vectors in short.encode_queries([LONG, "one"])] == [8, 8]
    assert len(short.encode_passages([LONG])[0]) == 6


def test_a_bi_encoder_of_any_name_is_never_projected(
    tiny_transformer: Path, tmp_path: Path
) -> None:
    named = Path(shutil.copytree(tiny_transformer, tmp_path / "colbert-HF_ColBERT-multivector"))
    encoder = MultiVectorTokenEncoder(named)
    assert encoder.dimension == 16
    assert encoder.identity.startswith("training-free folder:")
    again = MultiVectorTokenEncoder(named).encode_queries(["one two"])
    _agree(again, encoder.encode_queries(["one two"]), 0)


def test_a_configuration_that_is_no_json_is_named(saved: Path) -> None:
    (saved / "config_sentence_transformers.json").write_text("{")
    with pytest.raises(ModelNotFoundError, match="is not JSON"):
        MultiVectorTokenEncoder(saved).encode_queries(["one"])


def test_a_checkpoint_without_its_projection_is_named(stanford: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(stanford / "model.safetensors")
    del weights["linear.weight"]
    save_file(weights, stanford / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelNotFoundError, match=r"no weights 'linear\.weight'"):
        MultiVectorTokenEncoder(stanford).encode_queries(["one"])


# Identity and objects


def test_the_identity_is_the_models_and_its_settings(minilm: Path) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"query_length": 32},
        {"passage_length": 128},
        {"pool_factor": 2},
        {"batch_size": 1, "dtype": "bfloat16", "device": "cpu"},
    ]
    identities = [MultiVectorTokenEncoder(minilm, **some).identity for some in settings]
    assert identities[0] == identities[4] == MultiVectorTokenEncoder(str(minilm)).identity
    assert len(set(identities)) == 4
    assert MultiVectorTokenEncoder().identity.startswith(
        "training-free sentence-transformers/all-MiniLM-L6-v2 "
    )


def test_a_folder_and_an_object_are_known_by_their_content(
    saved: Path, tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(saved, tmp_path / "moved"))
    assert MultiVectorTokenEncoder(moved).identity == MultiVectorTokenEncoder(saved).identity
    first = MultiVectorTokenEncoder(MultiVectorEncoder(str(saved), device="cpu")).identity
    assert first == MultiVectorTokenEncoder(tiny_colbert).identity
    for change in ({"query": "", "document": ""}, {"query": "one ", "document": "[unused1] "}):
        prompted = MultiVectorEncoder(str(saved), device="cpu", prompts=change)
        assert MultiVectorTokenEncoder(prompted).identity != first
    next(tiny_colbert.parameters()).data += 1e-3
    assert MultiVectorTokenEncoder(tiny_colbert).identity != first


def test_an_object_is_used_as_it_is(tiny_colbert: MultiVectorEncoder) -> None:
    encoder = MultiVectorTokenEncoder(tiny_colbert)
    before = dict(vars(tiny_colbert.eval()))
    assert encoder.encode_queries([LONG])[0].shape == (8, 4)  # as the object says
    assert encoder.identity.startswith("object:")
    assert vars(tiny_colbert) == before


def test_limits_do_not_reach_the_bi_encoder(minilm: Path) -> None:
    shared = SentenceTransformerEncoder(minilm)
    before = shared.encode_passages(TEXTS[:3])
    encoder = MultiVectorTokenEncoder(shared, query_length=5, passage_length=6)
    assert len(encoder.encode_passages(TEXTS[:1])[0]) <= 6
    assert len(encoder.encode_queries(TEXTS[:1])[0]) == 5
    np.testing.assert_array_equal(shared.encode_passages(TEXTS[:3]), before)


@pytest.mark.parametrize(
    "options",
    [{"device": "cpu"}, {"dtype": "bfloat16"}, {"query_length": 8}, {"passage_length": 8}],
    ids=str,
)
def test_an_object_has_its_settings(
    tiny_colbert: MultiVectorEncoder, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError, match="belong to the MultiVectorEncoder"):
        MultiVectorTokenEncoder(tiny_colbert, **options)


def test_a_bi_encoder_object_brings_its_device_and_precision(minilm: Path) -> None:
    model = SentenceTransformer(str(minilm), device="cpu")
    assert len(MultiVectorTokenEncoder(model, query_length=8).encode_queries([LONG])[0]) == 8
    with pytest.raises(InvalidInputError, match="device and dtype belong to the SentenceTransf"):
        MultiVectorTokenEncoder(model, device="cpu", dtype="float16")


# Bad arguments and threads


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dtype": "int4"},
            "dtype must be one of float32, int8, bfloat16, float16, auto, not 'int4'",
        ),
        ({"batch_size": 0}, "batch_size must be"),
        ({"query_length": 0}, "query_length must be"),
        ({"passage_length": 2.5}, "passage_length must be"),
        ({"pool_factor": 0.5}, "pool_factor must be a number of at least 1, not 0.5"),
        ({"pool_factor": float("nan")}, "pool_factor must be"),
        ({"pool_factor": True}, "pool_factor must be"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        MultiVectorTokenEncoder(**options)


@pytest.mark.parametrize("texts", ["one string", [5], ["lone \ud800 surrogate"]], ids=repr)
def test_bad_texts_are_named(token_encoder: MultiVectorTokenEncoder, texts: Any) -> None:
    for encode in (token_encoder.encode_queries, token_encoder.encode_passages):
        with pytest.raises(InvalidInputError):
            encode(texts)


@pytest.mark.parametrize(
    ("backend", "logger", "message"),
    [
        ("onnx", "hybridge.encoders.onnx.model", "opening"),
        ("torch", "hybridge.encoders.loading", "loading"),
    ],
)
def test_many_threads_load_once_and_get_what_one_gets(
    saved: Path,
    caplog: pytest.LogCaptureFixture,
    backend: Literal["onnx", "torch"],
    logger: str,
    message: str,
) -> None:
    texts = ["one, two.", LONG, "three"]
    alone = MultiVectorTokenEncoder(saved, backend=backend)
    expected = [alone.encode_queries(texts), alone.encode_passages(texts)]
    encoder = MultiVectorTokenEncoder(saved, backend=backend)
    with caplog.at_level(logging.DEBUG, logger), ThreadPoolExecutor(8) as pool:
        # Queries and passages are cut at different lengths, by one tokenizer.
        calls = [encoder.encode_queries, encoder.encode_passages] * 20
        results = list(pool.map(lambda call: call(texts), calls))
    for place, found in enumerate(results):
        _agree(found, expected[place % 2])
    assert sum(record.message.startswith(message) for record in caplog.records) == 1


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_prompts_are_the_words_in_front_of_texts(
    checkpoint: Path, minilm: Path, backend: Any
) -> None:
    assert MultiVectorTokenEncoder(checkpoint, backend=backend).prompts == ("[SEP] ", "[SEP] ")
    prompted = SentenceTransformerEncoder(minilm, query_prompt="ask: ", backend=backend)
    assert MultiVectorTokenEncoder(prompted).prompts == ("ask: ", "")


def test_a_copy_to_be_trained_makes_the_same_vectors_and_shares_nothing(checkpoint: Path) -> None:
    encoder = MultiVectorTokenEncoder(checkpoint, passage_length=12, query_length=20)

    model = encoder.torch_model()

    assert model.dtype == torch.float32
    [expected] = encoder.encode_passages(["Aspirin thins the blood. " * 4])
    found: Any = model.encode_document(["Aspirin thins the blood. " * 4], convert_to_numpy=True)[0]
    assert np.allclose(found, expected, atol=1e-4)
    other = encoder.torch_model()
    with torch.no_grad():
        next(iter(other.parameters())).zero_()
    assert next(iter(model.parameters())).any()


def test_another_model_gets_the_settings(
    checkpoint: Path, minilm: Path, tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "query_length": 20,
        "passage_length": 30,
        "pool_factor": 2,
        "batch_size": 3,
        "device": "cpu",
        "dtype": "int8",
        "backend": "onnx",
    }
    other = MultiVectorTokenEncoder(minilm, **settings).with_model(checkpoint)

    assert other.model_name == str(checkpoint)
    assert {name: getattr(other, f"_{name}") for name in settings} == settings
    # An object's own lengths: those of a query are not in its folder.
    tiny_colbert.save(str(tmp_path / "saved"), create_model_card=False)
    of_object = MultiVectorTokenEncoder(tiny_colbert).with_model(tmp_path / "saved")
    assert [len(each) for each in of_object.encode_queries(["one", "one " * 20])] == [8, 8]
